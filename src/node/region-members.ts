/** The members of this node's region: how to reach them, and what was last known of those that are away. */

import type { PeerDirectory, PeerInfo, RequestResponse } from "../network/interface.ts";
import type { RegionBroadcast } from "../registry/lease-keeper.ts";
import type { NodeId, RegionId } from "../types/ids.ts";
import type { Member, Membership } from "../types/membership.ts";
import type { SummaryNode } from "../types/summary.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";

const BROADCAST_TIMEOUT_MS = 1_000;

export interface RegionMembersParts {
  readonly self: SummaryNode;
  readonly region: RegionId;
  readonly directory: PeerDirectory;
  readonly requests: RequestResponse;
  readonly membership: () => Membership;
  readonly logger: Logger;
}

export class RegionMembers implements RegionBroadcast {
  readonly #parts: RegionMembersParts;
  /** By node id; kept when the link to a member breaks. */
  readonly #lastKnown = new Map<NodeId, PeerInfo>();

  constructor(parts: RegionMembersParts) {
    this.#parts = parts;
    for (const peer of parts.directory.peers()) this.#note(peer);
    parts.directory.onChange(({ type, peer }) => {
      if (type === "up" || this.isMember(peer.nodeId)) this.#note(peer);
      else this.#lastKnown.delete(peer.nodeId);
    });
  }

  /** Tells every linked member, and waits for none: what is broadcast is soon out of date anyway. */
  send(method: string, payload: unknown): void {
    const { directory, requests, logger } = this.#parts;
    for (const { id } of this.#others()) {
      if (directory.get(id) === undefined) continue;
      requests.request(id, method, payload, { timeoutMs: BROADCAST_TIMEOUT_MS }).catch((error) => {
        logger.debug(
          { code: "BROADCAST_LOST", method, peer: id, reason: messageOf(error) },
          "a member missed a broadcast",
        );
      });
    }
  }

  isMember(id: NodeId): boolean {
    return this.#others().some((member) => member.id === id);
  }

  /** All members, this node first; addresses of those never met are empty. */
  nodes(): SummaryNode[] {
    const others = this.#others().map(({ id, name }): SummaryNode => {
      const known = this.#lastKnown.get(id);
      return { name, nodeId: id, addresses: known?.addresses ?? [], http: known?.http ?? "" };
    });
    return [this.#parts.self, ...others];
  }

  #others(): Member[] {
    const { voters, outgoing, learners } = this.#parts.membership();
    const members = new Map([...voters, ...outgoing, ...learners].map((member) => [member.id as string, member]));
    members.delete(this.#parts.self.nodeId);
    return [...members.values()];
  }

  #note(peer: PeerInfo): void {
    if (peer.region === this.#parts.region) this.#lastKnown.set(peer.nodeId, peer);
  }
}
