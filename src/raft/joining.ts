/**
 * Asking for a place in a region that exists: what a node does whose disk is fresh, or was wiped, or was moved aside.
 *
 * Any member is asked; one that does not lead names the leader, which alone decides (`admission.ts`). Everything is asked
 * again until it is so: an answer may be lost, and a leader may fall before what it promised is committed.
 */

import type { PeerDirectory, RequestResponse } from "../network/interface.ts";
import type { ClusterId, NodeId, RegionId } from "../types/ids.ts";
import type { Member, Membership } from "../types/membership.ts";
import { type Clock, sleep } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import { memberRemoved } from "./bootstrap-error.ts";
import { peersOf } from "./core/quorum.ts";
import { asJoinAnswer, JOIN_METHOD, type JoinAnswer } from "./join-answer.ts";
import type { Reminder } from "./reminder.ts";

/** Longer than a leader takes to commit, or to give up. */
const ANSWER_TIMEOUT_MS = 5_000;
/** Most members asked in one round. */
const ASKED_MAX = 8;
/** Between two rounds. */
export const JOIN_AGAIN_MS = 500;

export interface JoinerParts {
  readonly self: Member;
  readonly region: RegionId;
  readonly requests: RequestResponse;
  readonly directory: PeerDirectory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly reminder: Reminder;
}

export class Joiner {
  readonly #parts: JoinerParts;

  constructor(parts: JoinerParts) {
    this.#parts = parts;
  }

  /**
   * One round: asks these members, and the leader that they name, until somebody decides.
   *
   * @returns the cluster id of the region that took this node in; null when none did, and the reminder said why
   * @throws BootstrapError MEMBER_REMOVED
   */
  async ask(members: readonly NodeId[]): Promise<ClusterId | null> {
    const answer = await this.#askRound(members);
    const { self, reminder } = this.#parts;
    const { id, name } = self;
    switch (answer?.type) {
      case "accepted":
        return answer.cluster;
      case "waiting":
        reminder.remind({ code: "JOIN_WAITS", name, id }, `waits to be added: atoll members add ${name}`);
        return null;
      case "refused":
        if (answer.reason === "removed") throw memberRemoved(id);
        reminder.remind(
          { code: "JOIN_NAME_TAKEN", name, id },
          `the name ${name} is held by a member that answers: stop that one, or give this node a name of its own`,
        );
        return null;
      case "later":
        reminder.remind({ code: "JOIN_POSTPONED", reason: answer.reason }, `asks to join: ${answer.reason}`);
        return null;
      default:
        this.#remindOfNoLeader(answer);
        return null;
    }
  }

  /** Keeps asking until `membership` has this node in it. @throws BootstrapError MEMBER_REMOVED; the signal's reason */
  async askUntilMember(membership: () => Membership, signal: AbortSignal): Promise<void> {
    const { self, directory, region, clock } = this.#parts;
    while (!peersOf(membership()).includes(self.id)) {
      await this.ask(directory.peers().flatMap((peer) => (peer.region === region ? [peer.nodeId] : [])));
      await sleep(clock, JOIN_AGAIN_MS, signal);
    }
  }

  /** @returns the answer of whoever decides; else the last of those that name nobody who could be asked */
  async #askRound(members: readonly NodeId[]): Promise<JoinAnswer | null> {
    const { directory } = this.#parts;
    const queue = [...members];
    const asked = new Set<NodeId>();
    let undecided: JoinAnswer | null = null;
    while (queue.length > 0 && asked.size < ASKED_MAX) {
      const to = queue.shift()!;
      if (asked.has(to)) continue;
      asked.add(to);
      const answer = await this.#askOne(to);
      if (answer === null) continue;
      if (answer.type !== "elsewhere") return answer;
      undecided = answer;
      if (answer.leader !== null && directory.get(answer.leader) !== undefined) queue.unshift(answer.leader);
    }
    return undecided;
  }

  async #askOne(to: NodeId): Promise<JoinAnswer | null> {
    const { requests, logger } = this.#parts;
    try {
      return asJoinAnswer(await requests.request(to, JOIN_METHOD, null, { timeoutMs: ANSWER_TIMEOUT_MS }));
    } catch (error) {
      logger.debug({ code: "JOIN_NO_ANSWER", peer: to, reason: messageOf(error) }, "a member did not answer");
      return null;
    }
  }

  #remindOfNoLeader(answer: Extract<JoinAnswer, { type: "elsewhere" }> | null | undefined): void {
    const { reminder } = this.#parts;
    if (answer?.seesQuorum === false) {
      reminder.remind(
        { code: "JOIN_NO_QUORUM" },
        "the region is without quorum: too few of its voters are connected to take anybody in, so bring them back",
      );
    } else if (answer?.leader != null) {
      reminder.remind({ code: "JOIN_NO_LINK", leader: answer.leader }, "asks to join: the leader is not reached yet");
    } else {
      reminder.remind({ code: "JOIN_NO_LEADER" }, "asks to join: no leader of the region is known");
    }
  }
}
