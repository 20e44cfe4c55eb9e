/**
 * Which key speaks for which region.
 *
 * A region is pinned to (cluster id, public key) by configuration or by the first signed statement that an admitted peer
 * of it gave when asked; gossip pins nothing. From then on only that key is believed. What contradicts the pin is
 * refused, counted, and shown to operators until the peer that said it is gone or says otherwise. A configured key wins over
 * a learned one, and is how an operator accepts a region that was founded anew. A region that was recovered by force keeps its
 * key and begins a new epoch of its cluster; the pin follows it, and never back (F17). A region may replace its key by one
 * that the old key vouches for (`key-succession.ts`): the pin follows that too, also one that was configured, and what the
 * old key signs afterwards is refused.
 *
 * A cluster that is gone for good, by its own farewell or by word of this region's operators, loses its pin and is refused from
 * then on (`retirements.ts`). Another one that was founded under its name is met like any region that is not pinned.
 */

import type { PeerInfo } from "../network/interface.ts";
import type { NodeFacts } from "../storage/interface.ts";
import { originOf, succeeds } from "../types/cluster-id.ts";
import {
  asClusterId,
  asRegionId,
  type ClusterId,
  type FederationId,
  type NodeId,
  type RegionId,
} from "../types/ids.ts";
import { type Farewell, SUCCESSIONS_MAX } from "../types/region-standing.ts";
import type { SummaryHeader } from "../types/summary.ts";
import type { Logger } from "../util/logger.ts";
import { FederationError } from "./errors.ts";
import { isFarewellOf } from "./farewell.ts";
import type { FederationMetrics, Refusal } from "./interface.ts";
import { keysReplaced, toHex } from "./key-succession.ts";
import { RegionVerifier } from "./region-key.ts";
import type { Retirements } from "./retirements.ts";
import { encode, type PullAnswer, type RegionPins, readRegionPins } from "./wire.ts";

/** The name under which learned pins lie among the node's facts. */
export const REGION_PINS_FACT = "federation/region-pins";

const REGIONS_MAX = 256;

interface Pin {
  readonly verifier: RegionVerifier;
  /** Undefined for a configured key whose region was not heard of yet. */
  readonly cluster: ClusterId | undefined;
  /** Keys, in hex, that spoke for the region before this one, newest last. */
  readonly replaced: readonly string[];
}

interface Doubt {
  readonly reason: string;
  /** A member that lags behind says what was true a moment ago; another one that is up to date settles it. */
  readonly isSettledByOthers: boolean;
}

export interface RegionTrustOptions {
  readonly facts: NodeFacts;
  /** Region to public key, 64 hex digits. */
  readonly pins: Readonly<Record<string, string>>;
  readonly logger: Logger;
  readonly metrics: FederationMetrics;
  readonly federation: FederationId;
  readonly retirements: Retirements;
}

/** A region that answers for itself, under this key. */
interface MetRegion {
  readonly region: RegionId;
  readonly publicKey: Uint8Array;
}

export class RegionTrust {
  readonly #facts: NodeFacts;
  readonly #logger: Logger;
  readonly #metrics: FederationMetrics;
  readonly #pins = new Map<RegionId, Pin>();
  readonly #distrust = new Map<RegionId, Map<NodeId, Doubt>>();
  readonly #federation: FederationId;
  readonly #retirements: Retirements;
  readonly #retiredListeners = new Set<(region: RegionId) => void>();
  #writing: Promise<void> = Promise.resolve();

  constructor({ facts, pins, logger, metrics, federation, retirements }: RegionTrustOptions) {
    this.#federation = federation;
    this.#retirements = retirements;
    this.#facts = facts;
    this.#logger = logger;
    this.#metrics = metrics;
    const learned = facts.get(REGION_PINS_FACT);
    for (const [region, pin] of Object.entries(learned === undefined ? {} : readRegionPins(learned))) {
      this.#pins.set(asRegionId(region), {
        verifier: new RegionVerifier(Buffer.from(pin.publicKey, "hex")),
        cluster: asClusterId(pin.cluster),
        replaced: pin.replaced ?? [],
      });
    }
    for (const [region, hex] of Object.entries(pins)) this.#configure(asRegionId(region), Buffer.from(hex, "hex"));
    this.#dropRetired();
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

  /** What is pinned of a region: its cluster, empty when it was never heard of, and its key in hex. */
  pinOf(region: RegionId): { readonly cluster: string; readonly publicKey: string } | undefined {
    const pin = this.#pins.get(region);
    return pin && { cluster: pin.cluster ?? "", publicKey: keyOf(pin) };
  }

  /** Calls back when a region was pinned and is not any more, because it is gone for good. */
  onRetired(listener: (region: RegionId) => void): () => void {
    this.#retiredListeners.add(listener);
    return () => this.#retiredListeners.delete(listener);
  }

  /** True for a node of a cluster that is gone for good. */
  isRetiredPeer({ region, cluster }: Pick<PeerInfo, "region" | "cluster">): boolean {
    return cluster !== null && this.#retirements.has(region, cluster);
  }

  /** Without the nodes of clusters that are gone for good. */
  standing(peers: readonly PeerInfo[]): PeerInfo[] {
    return peers.filter((peer) => !this.isRetiredPeer(peer));
  }

  /** True for a name that stands for no region here, because the one that had it is gone for good. */
  isRetiredName(region: RegionId): boolean {
    return !this.#pins.has(region) && this.#retirements.hasName(region);
  }

  /**
   * Takes the farewells that a node passed on. Each is proven by the pin of the region that it is of; that of a region which is met
   * just now, and not pinned, by the key that it answers with. What is not proven changes nothing.
   *
   * Resolves when those that were news are on disk.
   */
  async takeFarewells(farewells: readonly Farewell[], met?: MetRegion): Promise<void> {
    for (const farewell of farewells) {
      const { region, cluster } = farewell;
      const pin = this.#pins.get(region);
      const isOfOther = pin?.cluster !== undefined && originOf(pin.cluster) !== cluster;
      const trusted = pin !== undefined ? keyOf(pin) : met?.region === region ? toHex(met.publicKey) : undefined;
      if (trusted === undefined || isOfOther || this.#retirements.has(region, cluster)) continue;
      if (!isFarewellOf(this.#federation, trusted, farewell)) {
        this.#metrics.refused("bad-signature");
        continue;
      }
      await this.#retirements.keep(farewell);
      this.#logger.info({ code: "REGION_RETIRED", region, cluster }, "the region said farewell, and is forgotten");
      await this.forgetRetired();
    }
  }

  /** Drops the pins of all that is gone for good. Resolves when that is on disk. */
  async forgetRetired(): Promise<void> {
    const dropped = this.#dropRetired();
    if (dropped.length === 0) return;
    for (const region of dropped) for (const listener of this.#retiredListeners) listener(region);
    await this.#save();
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
   * @param said - by which key it was signed, and how that key came to be the region's
   * @throws FederationError DISTRUSTED, TOO_MANY_REGIONS; StorageError
   */
  async admit(
    header: SummaryHeader,
    { publicKey, successions = [] }: Pick<PullAnswer, "publicKey" | "successions">,
    from: NodeId,
  ): Promise<void> {
    const { region, cluster } = header;
    if (this.#retirements.has(region, cluster)) throw this.#refuseRetired(region);
    const pin = this.#pins.get(region);
    const isNewEpoch = pin?.cluster !== undefined && succeeds(cluster, pin.cluster);
    const held = pin && keyOf(pin);
    const key = toHex(publicKey);
    // What the pinned key signed is worth something in the cluster that is pinned with it, and only there.
    const replaced =
      held === undefined ? [] : keysReplaced({ ...header, cluster: pin?.cluster ?? cluster }, held, key, successions);
    if (pin !== undefined && replaced === null) throw this.#refuseKey(region, from, pin, key);
    if (pin?.cluster !== undefined && pin.cluster !== cluster && !isNewEpoch) {
      throw this.#refuse(region, from, "cluster-mismatch", `its cluster is ${cluster}, pinned is ${pin.cluster}`);
    }
    this.#believe(region, from);
    const isNewKey = key !== held;
    if (pin?.cluster !== undefined && !isNewEpoch && !isNewKey) return;
    if (pin === undefined && this.#pins.size >= REGIONS_MAX) {
      throw new FederationError(`more than ${REGIONS_MAX} regions`, {
        code: "TOO_MANY_REGIONS",
        regionsMax: REGIONS_MAX,
      });
    }
    this.#pins.set(region, {
      verifier: isNewKey ? new RegionVerifier(publicKey) : pin!.verifier,
      cluster,
      replaced: [...(pin?.replaced ?? []), ...(replaced ?? [])].slice(-SUCCESSIONS_MAX),
    });
    this.#logger.info({ code: "REGION_PINNED", region, cluster }, whyPinned(pin, isNewEpoch));
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
    return this.#distrust.get(region)?.values().next().value?.reason;
  }

  #configure(region: RegionId, publicKey: Uint8Array): void {
    const learned = this.#pins.get(region);
    const key = toHex(publicKey);
    // One that the region itself replaced since is followed: the configuration is only older.
    if (learned !== undefined && (keyOf(learned) === key || learned.replaced.includes(key))) return;
    this.#pins.set(region, { verifier: new RegionVerifier(publicKey), cluster: undefined, replaced: [] });
  }

  /** The peer proved right, and with it the region's newest key. */
  #believe(region: RegionId, peer: NodeId): void {
    this.forgive(region, peer);
    for (const [other, { isSettledByOthers }] of this.#distrust.get(region) ?? []) {
      if (isSettledByOthers) this.forgive(region, other);
    }
  }

  #dropRetired(): readonly RegionId[] {
    const isGone = (region: RegionId, pin: Pin) =>
      pin.cluster === undefined
        ? this.#retirements.hasKey(region, keyOf(pin))
        : this.#retirements.has(region, pin.cluster);
    const dropped = [...this.#pins].filter(([region, pin]) => isGone(region, pin)).map(([region]) => region);
    for (const region of dropped) {
      this.#pins.delete(region);
      this.#distrust.delete(region);
    }
    return dropped;
  }

  /** Nobody is to be warned of it: that it is refused is what was wanted. */
  #refuseRetired(region: RegionId): FederationError {
    this.#metrics.refused("retired");
    const reason = "it was retired, and is gone for good";
    return new FederationError(`${region} is not believed: ${reason}`, { code: "DISTRUSTED", region, reason });
  }

  #refuseKey(region: RegionId, from: NodeId, pin: Pin, key: string): FederationError {
    if (!pin.replaced.includes(key)) {
      const facts = "its key is not the pinned one, and no succession that this node can follow leads to it";
      return this.#refuse(region, from, "key-mismatch", facts);
    }
    const reason = "it signs with a key that the region has replaced: it lags behind, or somebody else has that key";
    return this.#doubt(region, from, "replaced-key", { reason, isSettledByOthers: true });
  }

  #refuse(region: RegionId, from: NodeId, refusal: Refusal, facts: string): FederationError {
    const reason = `${facts}; if the region was founded anew, set federation.pins to its new key`;
    return this.#doubt(region, from, refusal, { reason, isSettledByOthers: false });
  }

  #doubt(region: RegionId, from: NodeId, refusal: Refusal, doubt: Doubt): FederationError {
    const doubts = this.#distrust.get(region) ?? new Map<NodeId, Doubt>();
    this.#distrust.set(region, doubts.set(from, doubt));
    this.#metrics.refused(refusal);
    const { reason } = doubt;
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
    for (const [region, pin] of this.#pins) {
      const { cluster, replaced } = pin;
      if (cluster !== undefined) learned.push([region, { cluster, publicKey: keyOf(pin), replaced: [...replaced] }]);
    }
    return Object.fromEntries(learned);
  }
}

function keyOf({ verifier }: Pin): string {
  return toHex(verifier.publicKey);
}

function whyPinned(before: Pin | undefined, isNewEpoch: boolean): string {
  if (before?.cluster === undefined) return "first contact: its key is pinned";
  return isNewEpoch
    ? "the region was recovered by force, and is followed"
    : "the region replaced its key, and is followed";
}
