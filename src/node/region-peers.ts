/**
 * Peers that are named while the region runs, so that regions join a federation without a restart.
 *
 * An operator tells any node; it keeps the name on disk, dials it, and tells every node of its region, which do the same. The
 * nodes compare what they know on each link and after each change, until they agree. It needs no leader: a region that has
 * lost its majority can still be shown the way to the others.
 */

import { Packr } from "msgpackr";
import { PeerError } from "../api/peer-error.ts";
import type { PeerAdmin, PeerStatus } from "../api/ports.ts";
import type { PeerDialler, PeerDirectory, PeerInfo, RequestResponse } from "../network/interface.ts";
import type { NodeFacts } from "../storage/interface.ts";
import type { NodeId, RegionId } from "../types/ids.ts";
import type { Membership } from "../types/membership.ts";
import { parsePeerName } from "../types/peer-name.ts";
import { type CancelTimer, type Clock, repeat } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import {
  asPeerWords,
  merge,
  NAMED_MAX,
  namesIn,
  newWord,
  type PeerLedger,
  type PeerWord,
  textOf,
  wordsOf,
} from "./peer-ledger.ts";

/** Tells a node of the region every word on peers that is known here; answered with every word known there. */
const PEERS_METHOD = "region/peers";
const PEERS_FACT = "region-peers";

const ANSWER_TIMEOUT_MS = 2_000;
/** A mate that could not be told is told again this much later. */
const AGAIN_MS = 5_000;

const packr = new Packr({ useRecords: false });

export interface RegionPeersParts {
  readonly region: RegionId;
  /** Of this node's configuration. */
  readonly configured: readonly string[];
  readonly hasSharedKey: boolean;
  readonly facts: NodeFacts;
  readonly membership: () => Membership;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The disk failed. */
  readonly onFatal: (error: unknown) => void;
}

export interface RegionPeersNetwork {
  readonly directory: PeerDirectory;
  readonly requests: RequestResponse;
  readonly dialler: PeerDialler;
}

export class RegionPeers implements PeerAdmin {
  readonly #parts: RegionPeersParts;
  #ledger: PeerLedger;
  #network: RegionPeersNetwork | undefined;
  /** What each linked mate said it knows. */
  readonly #knownBy = new Map<NodeId, string>();
  readonly #asked = new Set<NodeId>();
  /** Ends with the last write that was asked for. */
  #written: Promise<void> = Promise.resolve();
  #stops: readonly CancelTimer[] = [];
  #isStopped = false;

  /** @throws StorageError CORRUPT */
  constructor(parts: RegionPeersParts) {
    this.#parts = parts;
    const bytes = parts.facts.get(PEERS_FACT);
    this.#ledger = merge(new Map(), bytes === undefined ? [] : asPeerWords(packr.unpack(bytes)));
  }

  /** Dials what was named before, and talks to the nodes of the region from now on. */
  start(network: RegionPeersNetwork): void {
    const { clock } = this.#parts;
    this.#network = network;
    this.#dial();
    network.requests.handle(PEERS_METHOD, async (from, payload) => {
      if (from.region !== this.#parts.region) return [];
      await this.#hear(from, payload);
      return wordsOf(this.#ledger);
    });
    this.#stops = [
      network.directory.onChange(({ type, peer }) => {
        if (type === "up") this.#tell(peer);
        else this.#knownBy.delete(peer.nodeId);
      }),
      repeat(clock, AGAIN_MS, () => this.#tellAll()),
    ];
    this.#tellAll();
  }

  /** Hears nothing more, and resolves when all that was heard is on disk. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const stop of this.#stops) stop();
    await this.#written;
  }

  peers(): readonly PeerStatus[] {
    const named = namesIn(this.#ledger);
    const configured = new Set(this.#parts.configured);
    return [...new Set([...configured, ...named])].sort().map((name) => {
      const { found = [], problem = null } = this.#network?.dialler.dialState(name) ?? {};
      const nodes = found.flatMap((id) => this.#network?.directory.get(id) ?? []).map(shown);
      return { name, isConfigured: configured.has(name), isNamed: named.includes(name), nodes, problem };
    });
  }

  async addPeer(name: string): Promise<void> {
    if (parsePeerName(name) === null) throw refusal({ code: "PEER_UNREADABLE", name });
    if (!this.#parts.hasSharedKey) throw refusal({ code: "NO_SHARED_KEY" });
    const named = namesIn(this.#ledger);
    if (!named.includes(name)) {
      if (named.length >= NAMED_MAX) throw refusal({ code: "TOO_MANY_PEERS", peersMax: NAMED_MAX });
      this.#take([newWord(this.#ledger, name, true)]);
    }
    await this.#written;
  }

  async removePeer(name: string): Promise<void> {
    if (!namesIn(this.#ledger).includes(name)) {
      const isConfigured = this.#parts.configured.includes(name);
      throw refusal({ code: isConfigured ? "PEER_CONFIGURED" : "PEER_UNKNOWN", name });
    }
    this.#take([newWord(this.#ledger, name, false)]);
    await this.#written;
  }

  #take(words: readonly PeerWord[]): void {
    const before = textOf(this.#ledger);
    this.#ledger = merge(this.#ledger, words);
    if (textOf(this.#ledger) === before) return;
    this.#keep();
    this.#dial();
    this.#tellAll();
  }

  /** Writes are made one after the other; the last one has it all. */
  #keep(): void {
    const { facts, onFatal } = this.#parts;
    this.#written = this.#written.then(() => facts.put(PEERS_FACT, packr.pack(wordsOf(this.#ledger)))).catch(onFatal);
  }

  #dial(): void {
    this.#network?.dialler.namePeers(namesIn(this.#ledger));
  }

  #tellAll(): void {
    for (const peer of this.#network?.directory.peers() ?? []) this.#tell(peer);
  }

  #tell(peer: PeerInfo): void {
    if (peer.region !== this.#parts.region || this.#asked.has(peer.nodeId)) return;
    if (this.#knownBy.get(peer.nodeId) !== textOf(this.#ledger)) void this.#compare(peer);
  }

  /** Never rejects: what was not told, or not taken from a node that is no member yet, is told again. */
  async #compare(peer: PeerInfo): Promise<void> {
    const { nodeId } = peer;
    const network = this.#network!;
    const told = textOf(this.#ledger);
    this.#asked.add(nodeId);
    try {
      const timeoutMs = ANSWER_TIMEOUT_MS;
      const answer = await network.requests.request(nodeId, PEERS_METHOD, wordsOf(this.#ledger), { timeoutMs });
      const known = textOf(merge(new Map(), asPeerWords(answer)));
      if (network.directory.get(nodeId) !== undefined) this.#knownBy.set(nodeId, known);
      this.#asked.delete(nodeId);
      await this.#hear(peer, answer);
      const hasChanged = textOf(this.#ledger) !== told;
      if (hasChanged) this.#tell(peer);
    } catch (error) {
      this.#asked.delete(nodeId);
      const reason = messageOf(error);
      this.#parts.logger.debug({ code: "PEERS_NOT_TOLD", peer: peer.name, reason }, "told again in a while");
    }
  }

  /** Only members name peers for the region, where it is known who they are (P11). Resolves when what was new is on disk. */
  async #hear({ nodeId }: PeerInfo, words: unknown): Promise<void> {
    if (this.#isStopped) return;
    const { voters, outgoing, learners } = this.#parts.membership();
    const members = [...voters, ...outgoing, ...learners];
    if (members.length > 0 && !members.some(({ id }) => id === nodeId)) return;
    this.#take(asPeerWords(words));
    await this.#written;
  }
}

function shown({ name, nodeId, region, http }: PeerInfo): PeerStatus["nodes"][number] {
  return { name, nodeId, region, http };
}

/** The faces explain each code in their own words. */
function refusal(detail: PeerError["detail"]): PeerError {
  return new PeerError("the peers of the region were not changed as asked", detail);
}
