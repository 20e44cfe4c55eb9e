/**
 * The other nodes of this region as they were last met: kept on disk, told to each other, and dialled for ever (F15).
 *
 * Configuration names the members that a region began with. Once members came and went, or moved, a node that restarts must
 * still find the others, and one that joins through any of them must find all. What a node says of itself is believed
 * before what others say of it.
 */

import { Packr } from "msgpackr";
import type { PeerChange, PeerDirectory, PeerInfo, RequestResponse } from "../network/interface.ts";
import type { NodeFacts } from "../storage/interface.ts";
import type { NodeId, RegionId } from "../types/ids.ts";
import type { Membership } from "../types/membership.ts";
import type { SummaryNode } from "../types/summary.ts";
import { type CancelTimer, type Clock, repeat } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";

/** Asks a node of the region whom of it it knows; answered with a list of at most `MATES_MAX`. */
const MATES_METHOD = "region/mates";
const MATES_FACT = "region-mates";

const MATES_MAX = 64;
const ADDRESSES_MAX = 8;
const NAME_LENGTH_MAX = 128;
const URL_LENGTH_MAX = 512;
const ADDRESS_LENGTH_MAX = 262;
const ANSWER_TIMEOUT_MS = 2_000;
/** Members come and go without a link's notice; this long after, their addresses do. */
const REVIEW_MS = 10_000;

const packr = new Packr({ useRecords: false });

export interface RegionMatesParts {
  readonly self: NodeId;
  readonly region: RegionId;
  readonly directory: PeerDirectory;
  readonly requests: RequestResponse;
  readonly facts: NodeFacts;
  readonly membership: () => Membership;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The disk failed. */
  readonly onFatal: (error: unknown) => void;
}

export class RegionMates {
  readonly #parts: RegionMatesParts;
  /** By node id, the latest met last. */
  readonly #mates = new Map<string, SummaryNode>();
  /** As on disk. */
  #kept = "";
  #isWriting = false;
  #stops: readonly CancelTimer[] = [];

  constructor(parts: RegionMatesParts) {
    this.#parts = parts;
  }

  /**
   * Dials whom this node met before, and follows whom it meets from now on.
   *
   * @throws StorageError CORRUPT
   */
  start(): void {
    const { directory, requests, facts, region, clock } = this.#parts;
    const bytes = facts.get(MATES_FACT);
    for (const mate of bytes === undefined ? [] : asMates(packr.unpack(bytes))) this.#mates.set(mate.nodeId, mate);
    this.#kept = JSON.stringify([...this.#mates.values()]);
    this.#learn();
    requests.handle(MATES_METHOD, async (from) => (from.region === region ? [...this.#mates.values()] : []));
    for (const peer of directory.peers()) this.#onPeer({ type: "up", peer });
    this.#stops = [
      directory.onChange((change) => this.#onPeer(change)),
      repeat(clock, REVIEW_MS, () => this.#review()),
    ];
  }

  stop(): void {
    for (const stop of this.#stops) stop();
  }

  /** Where a node of the region was when it was last heard of. */
  lastKnown(id: NodeId): SummaryNode | undefined {
    return this.#mates.get(id);
  }

  #onPeer({ type, peer }: PeerChange): void {
    if (type !== "up" || peer.region !== this.#parts.region) return;
    this.#meet(peer);
    this.#review();
    void this.#askForOthers(peer);
  }

  #meet({ nodeId, name, http, addresses }: PeerInfo): void {
    this.#mates.delete(nodeId);
    this.#mates.set(nodeId, { nodeId, name, http, addresses: addresses.slice(0, ADDRESSES_MAX) });
  }

  /** Never rejects: the next link is another chance. */
  async #askForOthers({ nodeId, name }: PeerInfo): Promise<void> {
    const { requests, logger } = this.#parts;
    try {
      const answer = await requests.request(nodeId, MATES_METHOD, null, { timeoutMs: ANSWER_TIMEOUT_MS });
      for (const mate of asMates(answer)) this.#hearOf(mate);
      this.#review();
    } catch (error) {
      logger.debug({ code: "MATES_NOT_TOLD", peer: name, reason: messageOf(error) }, "a node told nobody's address");
    }
  }

  #hearOf(mate: SummaryNode): void {
    const { self, directory } = this.#parts;
    if (mate.nodeId === self || directory.get(mate.nodeId as NodeId) !== undefined) return;
    const known = this.#mates.get(mate.nodeId);
    if (known === undefined && this.#mates.size >= MATES_MAX) return;
    const addresses = [...new Set([...(known?.addresses ?? []), ...mate.addresses])].slice(0, ADDRESSES_MAX);
    this.#mates.set(mate.nodeId, { ...mate, ...known, addresses });
  }

  /** Forgets who does not belong here any more, and sees to it that disk and dialler know the rest. */
  #review(): void {
    const { directory, membership } = this.#parts;
    const { voters, outgoing, learners } = membership();
    const members = new Set<string>([...voters, ...outgoing, ...learners].map(({ id }) => id));
    const isKept = (id: string) => members.size === 0 || members.has(id) || directory.get(id as NodeId) !== undefined;
    for (const id of this.#mates.keys()) if (!isKept(id)) this.#mates.delete(id);
    // Of more than that, those that were met longest ago go: a linked one is met again with each link.
    for (const id of this.#mates.keys()) if (this.#mates.size > MATES_MAX) this.#mates.delete(id);
    void this.#keep();
  }

  #learn(): void {
    const { directory, region } = this.#parts;
    directory.learn(region, [...new Set([...this.#mates.values()].flatMap(({ addresses }) => addresses))]);
  }

  /** One write at a time, until the disk has what memory has. Never rejects. */
  async #keep(): Promise<void> {
    if (this.#isWriting) return;
    this.#isWriting = true;
    try {
      for (let now = this.#text(); now !== this.#kept; now = this.#text()) {
        this.#kept = now;
        this.#learn();
        await this.#parts.facts.put(MATES_FACT, packr.pack([...this.#mates.values()]));
      }
    } catch (error) {
      this.#parts.onFatal(error);
    } finally {
      this.#isWriting = false;
    }
  }

  #text(): string {
    return JSON.stringify([...this.#mates.values()]);
  }
}

/** What of a list, from disk or from another node, can be read. */
function asMates(value: unknown): SummaryNode[] {
  return Array.isArray(value) ? value.slice(0, MATES_MAX).flatMap((mate) => asMate(mate) ?? []) : [];
}

function asMate(value: unknown): SummaryNode | null {
  if (typeof value !== "object" || value === null) return null;
  const { nodeId, name, http, addresses } = value as Record<string, unknown>;
  if (!isText(nodeId, NAME_LENGTH_MAX) || !isText(name, NAME_LENGTH_MAX) || !isText(http, URL_LENGTH_MAX)) return null;
  if (nodeId === "" || name === "" || !Array.isArray(addresses)) return null;
  const readable = addresses.filter((address) => isText(address, ADDRESS_LENGTH_MAX));
  return { nodeId, name, http, addresses: readable.slice(0, ADDRESSES_MAX) };
}

function isText(value: unknown, lengthMax: number): value is string {
  return typeof value === "string" && value.length <= lengthMax;
}
