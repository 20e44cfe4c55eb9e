/**
 * Tells every linked node, of whatever region, once of each region that is gone for good (ADR 0017).
 *
 * A region that has left may have been heard by one node only, and then not even that node's mates ask it: comparisons
 * reach a random node of a region, once a minute. So who takes a farewell for news passes it on at once, to each node that
 * comes later at its link, and again at an interval to those that it did not reach. A node that knows it already says nothing on.
 */

import type { PeerDirectory, RequestResponse } from "../network/interface.ts";
import type { NodeId } from "../types/ids.ts";
import { type Clock, repeat } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import type { FederationConfig } from "./interface.ts";
import type { Retirements } from "./retirements.ts";
import { FAREWELLS_METHOD } from "./wire.ts";

const TIMEOUT_MS = 5_000;

export interface FarewellTellerOptions {
  readonly retirements: Retirements;
  readonly directory: PeerDirectory;
  readonly requests: RequestResponse;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly config: Pick<FederationConfig, "pullIntervalMs">;
}

export class FarewellTeller {
  readonly #options: FarewellTellerOptions;
  /** By linked node, all that it was told. */
  readonly #told = new Map<NodeId, string>();
  readonly #telling = new Set<NodeId>();

  constructor(options: FarewellTellerOptions) {
    this.#options = options;
  }

  /** Tells until the returned function is called. */
  start(): () => void {
    const { directory, clock, config } = this.#options;
    const stopPeers = directory.onChange(({ type, peer }) => {
      this.#told.delete(peer.nodeId);
      if (type === "up") this.#tell(peer.nodeId);
    });
    const stopTimer = repeat(clock, config.pullIntervalMs, () => this.tellAll());
    this.tellAll();
    return () => {
      stopPeers();
      stopTimer();
    };
  }

  /** Passes on what is news. */
  tellAll(): void {
    for (const { nodeId } of this.#options.directory.peers()) this.#tell(nodeId);
  }

  #tell(peer: NodeId): void {
    const { retirements, requests, logger } = this.#options;
    const farewells = retirements.toTell();
    const all = farewells.map(({ signature }) => signature).join();
    if (farewells.length === 0 || this.#told.get(peer) === all || this.#telling.has(peer)) return;
    this.#telling.add(peer);
    requests
      .request(peer, FAREWELLS_METHOD, { farewells }, { timeoutMs: TIMEOUT_MS })
      .then(() => this.#told.set(peer, all))
      // Also by one that is linked and does not serve yet, because its region is not founded.
      .catch((error) =>
        logger.debug({ code: "FAREWELLS_NOT_TOLD", peer, reason: messageOf(error) }, "told again in a while"),
      )
      .finally(() => this.#telling.delete(peer));
  }
}
