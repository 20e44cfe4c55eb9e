/**
 * Regions introduce each other: who is linked with one region of a federation hears of all.
 *
 * Gossip of a region that was never met says nothing that could be believed, so it is met first: a node asks those it is linked
 * with for regions that it does not know, dials where they are said to be, and trusts what it finds there as it trusts any
 * first contact. While a region is linked, it alone says where it is; of one that is not, others may have heard where it went
 * when all its addresses changed (F15), so what they say is dialled beside what it said itself.
 *
 * What nobody tells any more is forgotten: a region that is gone for good, or never was, is not dialled for ever because
 * somebody who had not heard so named it once.
 *
 * Bounded: a question names 256 regions, an answer 32 of 8 addresses each, and a round asks 8 regions, chosen anew each time:
 * news spreads among many regions as gossip does, and costs each pair of them a few bytes a second.
 */

import type { PeerDirectory, PeerInfo, RequestResponse } from "../network/interface.ts";
import { asRegionId, type RegionId } from "../types/ids.ts";
import type { SummaryNode } from "../types/summary.ts";
import { type CancelTimer, type Clock, repeat } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import { type Random, randomInteger } from "../util/random.ts";

/** Asks any node for regions that are not among these names, and where their nodes can be dialled. */
const INTRODUCE_METHOD = "region/introduce";

const ASK_MS = 5_000;
/** After the last link that came up: those who joined with it are heard of soon. Later every sixth round asks. */
const QUICK_ROUNDS = 12;
const SLOW_ROUNDS = 6;
const ANSWER_TIMEOUT_MS = 2_000;
/** Three slow rounds: whoever knows a region tells of it in each, also when it does not reach it itself. */
const TOLD_AGAIN_MS = 3 * SLOW_ROUNDS * ASK_MS;
const REGIONS_KNOWN_MAX = 256;
const REGIONS_TOLD_MAX = 32;
const REGIONS_ASKED_MAX = 8;
const ADDRESSES_MAX = 8;
const REGION_LENGTH_MAX = 63;
const ADDRESS_LENGTH_MAX = 262;

export interface IntroductionsParts {
  readonly region: RegionId;
  /** Other regions whose signed header is held, with the nodes that it names. */
  readonly known: () => readonly { readonly region: RegionId; readonly nodes: readonly SummaryNode[] }[];
  readonly directory: PeerDirectory;
  readonly requests: RequestResponse;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

interface Introduced {
  readonly region: RegionId;
  readonly addresses: readonly string[];
}

export class Introductions {
  readonly #parts: IntroductionsParts;
  /** When regions were last told of that were not linked then, on the clock. */
  readonly #toldAtMs = new Map<RegionId, number>();
  #stops: readonly CancelTimer[] = [];
  /** Since the last link came up. */
  #rounds = 0;

  constructor(parts: IntroductionsParts) {
    this.#parts = parts;
  }

  /** Asks whoever is linked from now on, and a node of each of some linked regions every 5 s, every 30 s when no link came up for a minute; answers who asks. */
  start(): void {
    const { directory, requests, clock } = this.#parts;
    requests.handle(INTRODUCE_METHOD, async (from, payload) => this.#introduce(from, asNames(payload)));
    this.#stops = [
      directory.onChange(({ type, peer }) => {
        if (type !== "up") return;
        this.#rounds = 0;
        void this.#ask(peer, this.#metNames());
      }),
      repeat(clock, ASK_MS, () => {
        if (this.#rounds++ < QUICK_ROUNDS || this.#rounds % SLOW_ROUNDS === 0) this.#askRegions();
      }),
    ];
    this.#askRegions();
  }

  stop(): void {
    for (const stop of this.#stops) stop();
  }

  #introduce(from: PeerInfo, known: ReadonlySet<string>): Introduced[] {
    const told: Introduced[] = [];
    for (const { region, nodes } of this.#parts.known()) {
      if (told.length === REGIONS_TOLD_MAX) break;
      if (region === from.region || known.has(region)) continue;
      const addresses = nodes.flatMap((node) => node.addresses).slice(0, ADDRESSES_MAX);
      if (addresses.length > 0) told.push({ region, addresses });
    }
    return told;
  }

  /** What a region says itself is left. */
  #forgetUntold(met: readonly RegionId[]): void {
    const { clock, directory } = this.#parts;
    for (const [region, atMs] of this.#toldAtMs) {
      if (!met.includes(region) && clock.now() - atMs < TOLD_AGAIN_MS) continue;
      this.#toldAtMs.delete(region);
      directory.learn(region, this.#ownAddressesOf(region));
    }
  }

  #askRegions(): void {
    const { directory, random } = this.#parts;
    const regions = [...Map.groupBy(directory.peers(), ({ region }) => region).values()];
    const met = this.#metNames();
    this.#forgetUntold(met);
    for (let asked = 0; asked < REGIONS_ASKED_MAX && regions.length > 0; asked++) {
      const [peers] = regions.splice(randomInteger(random, 0, regions.length - 1), 1);
      void this.#ask(peers![randomInteger(random, 0, peers!.length - 1)]!, met);
    }
  }

  /** Regions of which nothing need be told: they are linked, and were heard of themselves. */
  #metNames(): RegionId[] {
    const { region, known, directory } = this.#parts;
    const linked = new Set(directory.peers().map((peer) => peer.region));
    return [region, ...known().flatMap((other) => (linked.has(other.region) ? other.region : []))];
  }

  #ownAddressesOf(region: RegionId): readonly string[] {
    const nodes = this.#parts.known().find((other) => other.region === region)?.nodes ?? [];
    return nodes.flatMap((node) => node.addresses);
  }

  /** Never rejects: it is asked again. */
  async #ask({ nodeId, name }: PeerInfo, met: readonly RegionId[]): Promise<void> {
    const { directory, requests, clock, logger } = this.#parts;
    try {
      const answer = await requests.request(nodeId, INTRODUCE_METHOD, met.slice(0, REGIONS_KNOWN_MAX), {
        timeoutMs: ANSWER_TIMEOUT_MS,
      });
      const introduced = asIntroduced(answer);
      if (introduced.length === 0) return;
      // What was learned meanwhile from a region itself is better than what others say of it.
      const isMet = new Set<string>(this.#metNames());
      for (const { region, addresses } of introduced) {
        const hasRoom = this.#toldAtMs.has(region) || this.#toldAtMs.size < REGIONS_KNOWN_MAX;
        if (isMet.has(region) || !hasRoom) continue;
        this.#toldAtMs.set(region, clock.now());
        directory.learn(region, [...new Set([...this.#ownAddressesOf(region), ...addresses])]);
      }
    } catch (error) {
      logger.debug({ code: "NOT_INTRODUCED", peer: name, reason: messageOf(error) }, "asked again in a while");
    }
  }
}

function asNames(value: unknown): ReadonlySet<string> {
  return new Set(Array.isArray(value) ? value.slice(0, REGIONS_KNOWN_MAX).filter(isRegionName) : []);
}

/** What of another node's answer can be read. */
function asIntroduced(value: unknown): Introduced[] {
  return Array.isArray(value) ? value.slice(0, REGIONS_TOLD_MAX).flatMap((one) => asOne(one) ?? []) : [];
}

function asOne(value: unknown): Introduced | null {
  if (typeof value !== "object" || value === null) return null;
  const { region, addresses } = value as Record<string, unknown>;
  if (!isRegionName(region) || !Array.isArray(addresses)) return null;
  const readable = addresses.slice(0, ADDRESSES_MAX).filter(isAddress);
  return readable.length === 0 ? null : { region: asRegionId(region), addresses: readable };
}

function isRegionName(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= REGION_LENGTH_MAX;
}

function isAddress(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= ADDRESS_LENGTH_MAX;
}
