/**
 * Which key speaks for which region.
 *
 * A region is pinned to (cluster id, public key) by configuration or by the first signed statement that an admitted peer
 * of it gave when asked; gossip pins nothing. From then on only that key is believed. What contradicts the pin is
 * refused, counted, and shown to operators until the peer that said it is gone or says otherwise. A configured key wins over
 * a learned one, and is how an operator accepts a region that was founded anew. A region that was recovered by force keeps its
 * key and begins a new epoch of its cluster; the pin follows it, and never back (F17).
 */

import type { NodeFacts } from "../storage/interface.ts";
import { succeeds } from "../types/cluster-id.ts";
import { asClusterId, asRegionId, type ClusterId, type NodeId, type RegionId } from "../types/ids.ts";
import type { SummaryHeader } from "../types/summary.ts";
import type { Logger } from "../util/logger.ts";
import { FederationError } from "./errors.ts";
import type { FederationMetrics, Refusal } from "./interface.ts";
import { equalBytes, RegionVerifier } from "./region-key.ts";
import { encode, type RegionPins, readRegionPins } from "./wire.ts";

/** The name under which learned pins lie among the node's facts. */
export const REGION_PINS_FACT = "federation/region-pins";

const REGIONS_MAX = 256;

interface Pin {
  readonly verifier: RegionVerifier;
  /** Undefined for a configured key whose region was not heard of yet. */
  readonly cluster: ClusterId | undefined;
}

export interface RegionTrustOptions {
  readonly facts: NodeFacts;
  /** Region to public key, 64 hex digits. */
  readonly pins: Readonly<Record<string, string>>;
  readonly logger: Logger;
  readonly metrics: FederationMetrics;
}

export class RegionTrust {
  readonly #facts: NodeFacts;
  readonly #logger: Logger;
  readonly #metrics: FederationMetrics;
  readonly #pins = new Map<RegionId, Pin>();
  readonly #distrust = new Map<RegionId, Map<NodeId, string>>();
  #writing: Promise<void> = Promise.resolve();

  constructor({ facts, pins, logger, metrics }: RegionTrustOptions) {
    this.#facts = facts;
    this.#logger = logger;
    this.#metrics = metrics;
    const learned = facts.get(REGION_PINS_FACT);
    for (const [region, pin] of Object.entries(learned === undefined ? {} : readRegionPins(learned))) {
      this.#pins.set(asRegionId(region), {
        verifier: new RegionVerifier(Buffer.from(pin.publicKey, "hex")),
        cluster: asClusterId(pin.cluster),
      });
    }
    for (const [region, hex] of Object.entries(pins)) this.#configure(asRegionId(region), Buffer.from(hex, "hex"));
  }

  /** Regions that are pinned, heard of or not. */
  regions(): RegionId[] {
    return [...this.#pins.keys()];
  }

  isPinned(region: RegionId): boolean {
    return this.#pins.has(region);
  }

  /** The cluster that may speak for the region; undefined before first contact. */
  clusterOf(region: RegionId): ClusterId | undefined {
    return this.#pins.get(region)?.cluster;
  }

  /** True when the region's pinned key signed exactly this. */
  verifies(region: RegionId, context: string, body: Uint8Array, signature: Uint8Array): boolean {
    return this.#pins.get(region)?.verifier.verifies(context, body, signature) ?? false;
  }

  /**
   * Accepts what a peer answered in its region's name: pins the region at first contact, compares with the pin ever after.
   *
   * Resolves when a new pin is on disk, so that a restart can not fall for another key.
   *
   * @param header - of a statement whose signature by `publicKey` was verified
   * @throws FederationError DISTRUSTED, TOO_MANY_REGIONS; StorageError
   */
  async admit(header: SummaryHeader, publicKey: Uint8Array, from: NodeId): Promise<void> {
    const { region, cluster } = header;
    const pin = this.#pins.get(region);
    if (pin !== undefined && !equalBytes(pin.verifier.publicKey, publicKey)) {
      throw this.#refuse(region, from, "key-mismatch", "its key is not the pinned one");
    }
    const isNewEpoch = pin?.cluster !== undefined && succeeds(cluster, pin.cluster);
    if (pin?.cluster !== undefined && pin.cluster !== cluster && !isNewEpoch) {
      throw this.#refuse(region, from, "cluster-mismatch", `its cluster is ${cluster}, pinned is ${pin.cluster}`);
    }
    this.forgive(region, from);
    if (pin?.cluster !== undefined && !isNewEpoch) return;
    if (pin === undefined && this.#pins.size >= REGIONS_MAX) {
      throw new FederationError(`more than ${REGIONS_MAX} regions`, {
        code: "TOO_MANY_REGIONS",
        regionsMax: REGIONS_MAX,
      });
    }
    this.#pins.set(region, { verifier: pin?.verifier ?? new RegionVerifier(publicKey), cluster });
    const event = isNewEpoch
      ? "the region was recovered by force, and is followed"
      : "first contact: its key is pinned";
    this.#logger.info({ code: "REGION_PINNED", region, cluster }, event);
    await this.#save();
  }

  /** Drops what was held against a peer: it is gone, or it proved right. */
  forgive(region: RegionId, peer: NodeId): void {
    const reasons = this.#distrust.get(region);
    reasons?.delete(peer);
    if (reasons?.size === 0) this.#distrust.delete(region);
  }

  /** Why some peer that speaks for the region is not believed, if there is one. */
  distrustOf(region: RegionId): string | undefined {
    return this.#distrust.get(region)?.values().next().value;
  }

  #configure(region: RegionId, publicKey: Uint8Array): void {
    const learned = this.#pins.get(region);
    if (learned !== undefined && equalBytes(learned.verifier.publicKey, publicKey)) return;
    this.#pins.set(region, { verifier: new RegionVerifier(publicKey), cluster: undefined });
  }

  #refuse(region: RegionId, from: NodeId, refusal: Refusal, facts: string): FederationError {
    const reason = `${facts}; if the region was founded anew, set federation.pins to its new key`;
    const reasons = this.#distrust.get(region) ?? new Map<NodeId, string>();
    this.#distrust.set(region, reasons.set(from, reason));
    this.#metrics.refused(refusal);
    return new FederationError(`${region} is not believed: ${reason}`, { code: "DISTRUSTED", region, reason });
  }

  /** One write at a time, each with all pins, so that the last one to land is complete. */
  #save(): Promise<void> {
    this.#writing = this.#writing
      .catch(() => {})
      .then(() => this.#facts.put(REGION_PINS_FACT, encode(this.#learned())));
    return this.#writing;
  }

  #learned(): RegionPins {
    const learned: [RegionId, RegionPins[string]][] = [];
    for (const [region, { verifier, cluster }] of this.#pins) {
      if (cluster !== undefined)
        learned.push([region, { cluster, publicKey: Buffer.from(verifier.publicKey).toString("hex") }]);
    }
    return Object.fromEntries(learned);
  }
}
