/**
 * Stands in for the consensus group until the region is founded, so that everything above can be built and served at once:
 * writes wait for a leader as in any election, and nothing is known of any agent yet.
 */

import { type ConsensusGroup, type GroupStatus, RaftError } from "../raft/index.ts";
import type { NodeId } from "../types/ids.ts";
import { NO_MEMBERS } from "../types/membership.ts";
import type { Clock } from "../util/clock.ts";

const UNFOUNDED: GroupStatus = {
  role: "follower",
  term: 0,
  leader: null,
  commitIndex: 0,
  appliedIndex: 0,
  lastIndex: 0,
  logStartIndex: 0,
  membership: NO_MEMBERS,
  isChanging: false,
  refusedMessages: 0,
  stalenessMs: Number.POSITIVE_INFINITY,
  sinceLeaderMs: Number.POSITIVE_INFINITY,
};

export class GroupInWaiting implements ConsensusGroup {
  readonly self: NodeId;
  readonly #clock: Clock;
  readonly #listeners = new Set<(status: GroupStatus) => void>();
  readonly #waiting = new Set<(group: ConsensusGroup) => void>();
  #group: ConsensusGroup | null = null;

  constructor(self: NodeId, clock: Clock) {
    this.self = self;
    this.#clock = clock;
  }

  /** The region is founded: from here on everything goes to `group`. */
  attach(group: ConsensusGroup): void {
    this.#group = group;
    for (const listener of this.#listeners) group.onStatusChange(listener);
    for (const begin of this.#waiting) begin(group);
    this.#waiting.clear();
  }

  async propose(command: Uint8Array, options: { timeoutMs: number }): Promise<{ index: number; result: unknown }> {
    const { group, timeoutMs } = await this.#founded(options.timeoutMs);
    return group.propose(command, { timeoutMs });
  }

  async readBarrier(options: { timeoutMs: number }): Promise<void> {
    const { group, timeoutMs } = await this.#founded(options.timeoutMs);
    return group.readBarrier({ timeoutMs });
  }

  async confirmLeadership(options: { timeoutMs: number }): Promise<{ term: number }> {
    const { group, timeoutMs } = await this.#founded(options.timeoutMs);
    return group.confirmLeadership({ timeoutMs });
  }

  status(): GroupStatus {
    return this.#group?.status() ?? UNFOUNDED;
  }

  onStatusChange(listener: (status: GroupStatus) => void): () => void {
    if (this.#group !== null) return this.#group.onStatusChange(listener);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @throws RaftError NO_LEADER when the region was not founded within `timeoutMs` */
  #founded(timeoutMs: number): Promise<{ group: ConsensusGroup; timeoutMs: number }> {
    if (this.#group !== null) return Promise.resolve({ group: this.#group, timeoutMs });
    const beganAt = this.#clock.now();
    return new Promise((resolve, reject) => {
      const begin = (group: ConsensusGroup) => {
        cancel();
        resolve({ group, timeoutMs: Math.max(1, timeoutMs - (this.#clock.now() - beganAt)) });
      };
      const cancel = this.#clock.schedule(timeoutMs, () => {
        this.#waiting.delete(begin);
        reject(new RaftError("the region is not founded yet", { code: "NO_LEADER", waitedMs: timeoutMs }));
      });
      this.#waiting.add(begin);
    });
  }
}
