/** Ctrl-C in a benchmark: what runs is ended in order, and what was measured so far is kept. */

import { EXIT } from "../src/cli/errors.ts";
import { systemClock } from "../src/util/clock.ts";

/** Ctrl-C reaches us from the terminal and, under npm, from npm as well. */
const SIGNAL_ECHO_MS = 1_000;
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The first signal ends the run in order; one that is no echo of it ends this process, and with it every node. */
export function listenForSignals(): { readonly signal: AbortSignal; end(): void } {
  const controller = new AbortController();
  let firstMs: number | undefined;
  const onSignal = (name: NodeJS.Signals) => {
    const nowMs = systemClock.now();
    firstMs ??= nowMs;
    controller.abort(new Error(`interrupted by ${name}`));
    if (nowMs - firstMs > SIGNAL_ECHO_MS) process.exit(EXIT.interrupted);
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  // Timers of the clock and idle connections keep no process alive; this run does.
  const alive = setInterval(() => {}, 60_000);
  return {
    signal: controller.signal,
    end() {
      clearInterval(alive);
      for (const name of SIGNALS) process.off(name, onSignal);
    },
  };
}
