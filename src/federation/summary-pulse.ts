/**
 * A region's sign of life: its header alone, each second, from its leader to one node of each other region, another one each
 * time, which passes it on to its mates, where bytes cost nothing.
 *
 * What changed is gossiped to every node, since it has to be quick; that nothing changed is not worth a copy for each. A pulse
 * that is lost costs nothing but age: a node which hears of a region too seldom asks it (`summary-pull.ts`).
 */

import { NetworkError, type PeerDirectory, type PeerInfo, type RequestResponse } from "../network/interface.ts";
import type { RegionId } from "../types/ids.ts";
import { FederationError } from "./errors.ts";
import type { FederationConfig } from "./interface.ts";
import type { PeerBudgets } from "./peer-budgets.ts";
import type { RegionTrust } from "./region-trust.ts";
import type { SummaryTable } from "./summary-table.ts";
import { PULSE_METHOD } from "./wire.ts";

/** Nodes of a region that are tried, until one takes it. */
const ATTEMPTS_MAX = 2;

export interface SummaryPulseOptions {
  readonly region: RegionId;
  readonly table: SummaryTable;
  readonly trust: RegionTrust;
  readonly directory: PeerDirectory;
  readonly requests: RequestResponse;
  readonly budgets: PeerBudgets;
  readonly config: Pick<FederationConfig, "headerIntervalMs">;
}

export class SummaryPulse {
  readonly #options: SummaryPulseOptions;
  #turn = 0;

  constructor(options: SummaryPulseOptions) {
    this.#options = options;
  }

  /** Tells one node of each other region. */
  send(message: Uint8Array): void {
    const { directory, trust, region } = this.#options;
    const turn = this.#turn++;
    const abroad = trust.standing(directory.peers()).filter((peer) => peer.region !== region);
    for (const nodes of Map.groupBy(abroad, (peer) => peer.region).values()) {
      const inTurn = nodes.map((_, i) => nodes[(turn + i) % nodes.length]!);
      void this.#tellOneOf(inTurn.slice(0, ATTEMPTS_MAX), message);
    }
  }

  /**
   * Takes what another node tells, and passes on what came from abroad and was news.
   *
   * @throws FederationError RATE_LIMITED, MALFORMED
   */
  async answer(from: PeerInfo, payload: unknown): Promise<null> {
    const { region, table, directory, budgets } = this.#options;
    budgets.spend(from.nodeId);
    const verdict = payload instanceof Uint8Array ? table.onGossip(payload) : "reject";
    if (verdict === "reject") {
      const reason = "a sign of life was not valid";
      throw new FederationError(reason, { code: "MALFORMED", reason });
    }
    if (verdict === "accept" && from.region !== region) {
      const mates = directory.peers().filter((peer) => peer.region === region);
      for (const mate of mates) void this.#tellOneOf([mate], payload as Uint8Array);
    }
    return null;
  }

  /** Never rejects for a node that does not take it: the next pulse comes in a second. */
  async #tellOneOf(nodes: readonly PeerInfo[], message: Uint8Array): Promise<void> {
    const { requests, config } = this.#options;
    for (const { nodeId } of nodes) {
      try {
        await requests.request(nodeId, PULSE_METHOD, message, { timeoutMs: config.headerIntervalMs });
        return;
      } catch (error) {
        if (!(error instanceof NetworkError)) throw error;
      }
    }
  }
}
