/**
 * A member's answer to nodes that ask to join its region.
 *
 * The leader decides, and by name: under the name of a member that is silent the newcomer takes its place, hands off;
 * under the name of one that answers it is refused; under a new name it waits for an operator's word. Identities never
 * return (R13), so what comes back with an empty disk is always somebody new, and has no vote until it has caught up (F7).
 */

import type { PeerDirectory, PeerInfo, RequestResponse } from "../network/interface.ts";
import type { ClusterId, NodeId, RegionId } from "../types/ids.ts";
import type { Membership } from "../types/membership.ts";
import type { Logger } from "../util/logger.ts";
import { isQuorum, peersOf } from "./core/quorum.ts";
import { type ConsensusGroup, type GroupMembership, MembershipError, RaftError } from "./index.ts";
import { JOIN_METHOD, type JoinAnswer } from "./join-answer.ts";

/** Most nodes that wait for an operator's word at a time. */
const WAITING_MAX = 64;
/** Shorter than the newcomer waits for its answer. */
const COMMIT_TIMEOUT_MS = 4_000;

export interface AdmissionParts {
  readonly region: RegionId;
  /** What a newcomer is told. */
  readonly cluster: ClusterId;
  readonly group: ConsensusGroup & GroupMembership;
  readonly requests: RequestResponse;
  readonly directory: PeerDirectory;
  readonly logger: Logger;
}

export class Admission {
  readonly #parts: AdmissionParts;
  /** Who asked this node while it led. */
  readonly #waiting = new Set<NodeId>();

  constructor(parts: AdmissionParts) {
    this.#parts = parts;
    parts.requests.handle(JOIN_METHOD, (from) => this.answer(from));
  }

  /** The nodes that asked this leader to join and wait for an operator's word; forgotten when their link is gone. */
  waiting(): readonly PeerInfo[] {
    const { group, directory } = this.#parts;
    const { role, membership } = group.status();
    return [...this.#waiting].flatMap((id) => {
      const peer = directory.get(id);
      const isWaiting = role === "leader" && peer !== undefined && !peersOf(membership).includes(id);
      if (!isWaiting) this.#waiting.delete(id);
      return isWaiting ? [peer] : [];
    });
  }

  async answer({ nodeId, name, region }: PeerInfo): Promise<JoinAnswer> {
    const { group, cluster } = this.#parts;
    const { role, leader, membership, isChanging } = group.status();
    if (region !== this.#parts.region) return later("it is configured for another region");
    if (role !== "leader") return { type: "elsewhere", leader, seesQuorum: this.#seesQuorum(membership) };
    // What is not committed may be taken back, and then it would have joined nothing, or be gone from where it belongs.
    if (isChanging) return later("another change of the members is under way");
    if (peersOf(membership).includes(nodeId)) return { type: "accepted", cluster };
    if (membership.removed.includes(nodeId)) return { type: "refused", reason: "removed" };
    const { voters, learners } = membership;
    if ([...voters, ...learners].some((member) => member.name === name)) return this.#replace({ id: nodeId, name });
    if (this.waiting().length < WAITING_MAX) this.#waiting.add(nodeId);
    return this.#waiting.has(nodeId) ? { type: "waiting" } : later(`${WAITING_MAX} nodes wait to be added already`);
  }

  async #replace(member: { readonly id: NodeId; readonly name: PeerInfo["name"] }): Promise<JoinAnswer> {
    const { group, cluster, logger } = this.#parts;
    try {
      await group.changeMembership({ type: "add", member, becomes: "voter" }, { timeoutMs: COMMIT_TIMEOUT_MS });
    } catch (error) {
      if (error instanceof MembershipError) {
        const { reason } = error.detail;
        return reason === "name-taken" ? { type: "refused", reason } : later(`the leader says "${reason}"`);
      }
      if (error instanceof RaftError) return later(`the leader says "${error.detail.code}"`);
      throw error;
    }
    const facts = { code: "MEMBER_REPLACED", name: member.name, id: member.id };
    logger.info(facts, "a node returned under a member's name with an empty disk, and takes that member's place");
    return { type: "accepted", cluster };
  }

  #seesQuorum(membership: Membership): boolean {
    const { group, directory } = this.#parts;
    return isQuorum(membership, (id) => id === group.self || directory.get(id) !== undefined);
  }
}

function later(reason: string): JoinAnswer {
  return { type: "later", reason };
}
