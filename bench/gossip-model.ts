/**
 * How one message spreads over a federation of nodes that are all linked, on virtual time: when each node has it, and how
 * many copies pass between regions. Four ways to pass it on are compared, ours among them.
 *
 * Copies are lost at random, as gossip loses them: by a full buffer, a stream that died, a node that pauses. The region's
 * next header shows a node that something is missing, and it pulls (`src/federation/summary-pull.ts`).
 */

import type { Random } from "../src/util/random.ts";

/** Who passes a message on to whom. */
export type Spread =
  /** Whoever hears it first tells everybody: gossipsub with all peers direct, as it is. */
  | "everybody repeats"
  /** The leader tells every node of every region; nodes abroad tell their region once more. */
  | "leader tells all"
  /** The leader tells one node of each region, another one each time; that one tells its region. */
  | "one per region"
  /** Regions are linked with `DEGREE` others; one node of each passes it on to one node of each neighbour. */
  | "region graph";

export const SPREADS: readonly Spread[] = ["everybody repeats", "leader tells all", "one per region", "region graph"];
export const DEGREE = 6;

export interface World {
  readonly regions: number;
  readonly nodesPerRegion: number;
  /** Probability that a copy is lost. */
  readonly loss: number;
  readonly random: Random;
}

export interface SpreadResult {
  /** Milliseconds until half of the nodes, 99 in a hundred, and all of them have the message. */
  readonly halfMs: number;
  readonly mostMs: number;
  readonly allMs: number;
  /** Of the message itself, between regions; headers and pulls that repaired it are not counted. */
  readonly wanCopies: number;
  /** Share of the nodes that got it by a pull. */
  readonly pulled: number;
}

const LAN_MS = 0.5;
/** Between two regions, one way. */
const WAN_MS_MIN = 20;
const WAN_MS_MAX = 100;
const HEADER_INTERVAL_MS = 1_000;
/** `GAP_DELAY_MS` of the pull, with its jitter. */
const GAP_MS_MIN = 10;
const GAP_MS_MAX = 190;
const HEADERS_MAX = 10;

interface Sending {
  readonly from: number;
  readonly to: number;
  readonly atMs: number;
}

/** Spreads one change from node 0, then headers until every node has heard of it. */
export function spreadChange(spread: Spread, world: World): SpreadResult {
  const { regions, nodesPerRegion, random } = world;
  const nodes = regions * nodesPerRegion;
  const neighbours = spread === "region graph" ? regionGraph(regions, random) : [];
  const change = spreadMessage(spread, world, neighbours);
  const hasAtMs = change.hasAtMs;
  let pulled = 0;
  for (let header = 1; header <= HEADERS_MAX && hasAtMs.some((ms) => ms === undefined); header++) {
    const heard = spreadMessage(spread, world, neighbours).hasAtMs;
    heard.forEach((ms, node) => {
      if (hasAtMs[node] !== undefined || ms === undefined) return;
      const roundTripMs = 2 * wanMs(0, regionOf(node, nodesPerRegion));
      const gapMs = GAP_MS_MIN + random.next() * (GAP_MS_MAX - GAP_MS_MIN);
      hasAtMs[node] = header * HEADER_INTERVAL_MS + ms + gapMs + roundTripMs;
      pulled++;
    });
  }
  const sorted = hasAtMs.map((ms) => ms ?? Number.POSITIVE_INFINITY).sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(nodes - 1, Math.ceil(nodes * share) - 1)]!;
  return { halfMs: at(0.5), mostMs: at(0.99), allMs: at(1), wanCopies: change.wanCopies, pulled: pulled / nodes };
}

/** When each node first hears one message that node 0 sends at 0 ms. */
function spreadMessage(
  spread: Spread,
  { regions, nodesPerRegion, loss, random }: World,
  neighbours: readonly (readonly number[])[],
): { hasAtMs: (number | undefined)[]; wanCopies: number } {
  const hasAtMs: (number | undefined)[] = new Array(regions * nodesPerRegion).fill(undefined);
  const isRegionTold = new Array(regions).fill(false);
  const due = new TimeQueue();
  let wanCopies = 0;
  const send = (from: number, to: number, nowMs: number) => {
    const [here, there] = [regionOf(from, nodesPerRegion), regionOf(to, nodesPerRegion)];
    if (here !== there) wanCopies++;
    if (random.next() >= loss) due.push({ from, to, atMs: nowMs + (here === there ? LAN_MS : wanMs(here, there)) });
  };
  const tellRegion = (from: number, region: number, nowMs: number, butNot: number) => {
    for (let i = 0; i < nodesPerRegion; i++) {
      const to = region * nodesPerRegion + i;
      if (to !== from && to !== butNot) send(from, to, nowMs);
    }
  };
  const tellOneOf = (from: number, region: number, nowMs: number) =>
    send(from, region * nodesPerRegion + Math.floor(random.next() * nodesPerRegion), nowMs);
  const passOn = (node: number, heardFrom: number, nowMs: number) => {
    const region = regionOf(node, nodesPerRegion);
    const isFirst = !isRegionTold[region];
    isRegionTold[region] = true;
    if (spread === "everybody repeats") {
      for (let other = 0; other < regions; other++) tellRegion(node, other, nowMs, heardFrom);
    } else if (spread === "leader tells all") {
      if (node === 0) for (let other = 1; other < regions; other++) tellRegion(node, other, nowMs, heardFrom);
      if (isFirst) tellRegion(node, region, nowMs, heardFrom);
    } else if (isFirst) {
      tellRegion(node, region, nowMs, heardFrom);
      const told = spread === "region graph" ? neighbours[region]! : node === 0 ? others(regions) : [];
      for (const other of told) tellOneOf(node, other, nowMs);
    }
  };
  hasAtMs[0] = 0;
  passOn(0, 0, 0);
  for (let next = due.shift(); next !== undefined; next = due.shift()) {
    if (hasAtMs[next.to] !== undefined) continue;
    hasAtMs[next.to] = next.atMs;
    passOn(next.to, next.from, next.atMs);
  }
  return { hasAtMs, wanCopies };
}

function others(regions: number): number[] {
  return Array.from({ length: regions - 1 }, (_, i) => i + 1);
}

/** A ring, so that it is connected, and chords at random. */
function regionGraph(regions: number, random: Random): number[][] {
  const links = Array.from({ length: regions }, (_, i) => new Set([(i + 1) % regions, (i + regions - 1) % regions]));
  links.forEach((own, region) => {
    while (own.size < Math.min(DEGREE, regions - 1)) {
      const other = Math.floor(random.next() * regions);
      if (other === region) continue;
      own.add(other);
      links[other]!.add(region);
    }
  });
  return links.map((own) => [...own]);
}

function regionOf(node: number, nodesPerRegion: number): number {
  return Math.floor(node / nodesPerRegion);
}

/** The same for a pair of regions every time: no two are equally far. */
function wanMs(a: number, b: number): number {
  const mixed = Math.imul(Math.min(a, b) + 1, 0x9e3779b1) ^ Math.imul(Math.max(a, b) + 1, 0x85ebca6b);
  return WAN_MS_MIN + ((mixed >>> 8) / 2 ** 24) * (WAN_MS_MAX - WAN_MS_MIN);
}

/** Sendings in order of time to a tenth of a millisecond: millions of them, so no comparison sort. */
class TimeQueue {
  readonly #slots: Sending[][] = [];
  #at = 0;

  push(sending: Sending): void {
    const slot = Math.floor(sending.atMs * 10);
    this.#slots[slot] ??= [];
    this.#slots[slot].push(sending);
  }

  shift(): Sending | undefined {
    for (; this.#at < this.#slots.length; this.#at++) {
      const next = this.#slots[this.#at]?.pop();
      if (next !== undefined) return next;
    }
    return undefined;
  }
}
