/** What peers that are plain server processes have in common: waiting until they serve, and stopping them all. */

import { type Clock, sleep } from "../../src/util/clock.ts";
import type { ServerNode } from "./server-node.ts";

const POLL_MS = 25;

export interface Wait {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks each node again and again, until all say yes; an attempt that fails counts as a no.
 *
 * @throws Error with the node's last output when it ended, or did not say yes in time; the signal's reason
 */
export async function untilAll(
  nodes: readonly ServerNode[],
  isReady: (node: ServerNode) => Promise<boolean>,
  { clock, timeoutMs, signal }: Wait,
): Promise<void> {
  const deadline = clock.now() + timeoutMs;
  for (const node of nodes) {
    while (!(await isReady(node).catch(() => false))) {
      signal?.throwIfAborted();
      const { hasEnded, lastOutput } = node.process;
      if (hasEnded) throw new Error(`${node.name} ended before it was ready: ${lastOutput}`);
      if (clock.now() > deadline) throw new Error(`${node.name} is not ready after ${timeoutMs} ms: ${lastOutput}`);
      await sleep(clock, POLL_MS, signal);
    }
  }
}

/** Runs `begin`, and stops the nodes should it fail: nothing is left running then. */
export async function orStop<Result>(nodes: readonly ServerNode[], begin: () => Promise<Result>): Promise<Result> {
  try {
    return await begin();
  } catch (error) {
    await stopAll(nodes);
    throw error;
  }
}

export async function stopAll(nodes: readonly ServerNode[]): Promise<void> {
  await Promise.all(nodes.map((node) => node.stop()));
}
