/** What a group counts. Method calls instead of a metrics library, so that tests can look and the simulator can ignore. */

import type { RaftErrorDetail } from "./index.ts";

/** How a proposal or a read of this node ended. */
export type RaftOutcome = "done" | RaftErrorDetail["code"];

export interface RaftMetrics {
  /** One batch is on disk, synced, so long after its write began. */
  written(durationMs: number): void;
  /** A command that was proposed on this node was applied here, or given up. */
  proposed(outcome: RaftOutcome, durationMs: number): void;
  /** A read barrier of this node ended. */
  read(outcome: RaftOutcome): void;
  /** This process stood still for so long, and others may have believed it gone. */
  stalled(durationMs: number): void;
  /** A snapshot was sent to a peer, or taken from one. */
  snapshot(direction: "sent" | "installed", isDone: boolean): void;
}

export const noRaftMetrics: RaftMetrics = {
  written() {},
  proposed() {},
  read() {},
  stalled() {},
  snapshot() {},
};
