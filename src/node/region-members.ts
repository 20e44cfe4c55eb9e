/** The members of this node's region: who they are, where they are, and how to tell them all something. */

import type { PeerDirectory, RequestResponse } from "../network/interface.ts";
import type { RegionBroadcast } from "../registry/lease-keeper.ts";
import type { NodeId } from "../types/ids.ts";
import type { Member, Membership } from "../types/membership.ts";
import type { SummaryNode } from "../types/summary.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";

const BROADCAST_TIMEOUT_MS = 1_000;

export interface RegionMembersParts {
  readonly self: SummaryNode;
  readonly directory: PeerDirectory;
  readonly requests: RequestResponse;
  readonly membership: () => Membership;
  /** Where a node was when it was last heard of. */
  readonly lastKnown: (id: NodeId) => SummaryNode | undefined;
  readonly logger: Logger;
}

export class RegionMembers implements RegionBroadcast {
  readonly #parts: RegionMembersParts;

  constructor(parts: RegionMembersParts) {
    this.#parts = parts;
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

  /** All members, this node first; addresses of those never met are empty. */
  nodes(): SummaryNode[] {
    const others = this.#others().map(({ id, name }): SummaryNode => {
      const known = this.#parts.lastKnown(id);
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
}
