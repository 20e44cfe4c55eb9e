/** `atoll/client/node`: what only Node has. Everything else of the client also runs in browsers and Deno. */

import process from "node:process";
import type { Registration } from "./registration.ts";

export interface DeregisterOnExitOptions {
  /** SIGINT and SIGTERM when absent. */
  readonly signals?: readonly NodeJS.Signals[];
  /** The process ends then even if no node took the deregistration, in milliseconds; 5,000 when absent. */
  readonly timeoutMs?: number;
  /** Told when no node took it: the lease then ends by itself. */
  readonly onFailure?: (error: unknown) => void;
}

/**
 * Closes a registration when the process is told to end, then lets it end as it would have. Where the program listens to the
 * same signal, ending the process stays its own affair. A second signal ends it at once.
 *
 * @returns a function that takes this back
 */
export function deregisterOnExit(registration: Registration, options: DeregisterOnExitOptions = {}): () => void {
  const { signals = ["SIGINT", "SIGTERM"], timeoutMs = 5_000, onFailure = () => {} } = options;
  const stopListening = () => {
    for (const signal of signals) process.off(signal, onSignal);
  };
  const onSignal = async (signal: NodeJS.Signals) => {
    stopListening();
    try {
      await registration.close({ timeoutMs });
    } catch (error) {
      onFailure(error);
    }
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  };
  for (const signal of signals) process.on(signal, onSignal);
  return stopListening;
}
