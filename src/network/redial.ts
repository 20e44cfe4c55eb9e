/**
 * Keeps this node connected: dials every peer that was named, and every address that was learned, for ever.
 *
 * Names are resolved anew for each attempt, all addresses of each, so that a peer whose addresses all changed is found
 * again (F15): within 6.5 s of the moment when its name leads to where it listens, and one more dial of its former
 * addresses, 5 s at most. An address is left alone while the node behind it is connected; while all are, a name is resolved
 * again every 24 to 36 s. Failed attempts are repeated with jittered, growing pauses; the end of a connection that held
 * starts an attempt at once.
 *
 * libp2p's own redialling is not used: it gives up after five attempts and then forgets the peer.
 */

import { LRUCache } from "lru-cache";
import type { NodeId } from "../types/ids.ts";
import { type PeerName, parseHostAndPort, parsePeerName } from "../types/peer-name.ts";
import type { CancelTimer, Clock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import { jitter, type Random } from "../util/random.ts";
import type { DialState, PeerDialler } from "./interface.ts";
import type { LogLimiter } from "./log-limiter.ts";
import { ADDRESSES_PER_HOST_MAX, type Names, resolvePeer, type SocketAddress } from "./names.ts";

export type DialOutcome =
  /** Connected and admitted, or it was already. */
  | { readonly type: "up"; readonly nodeId: NodeId }
  /** The address is our own. */
  | { readonly type: "self" }
  /** The kernel there refused the connection: nobody listens. */
  | { readonly type: "closed" }
  | { readonly type: "failed"; readonly reason: string };

export interface RedialerParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly logLimiter: LogLimiter;
  readonly names: Names;
  dial(address: SocketAddress): Promise<DialOutcome>;
  isConnected(nodeId: NodeId): boolean;
}

interface Target {
  readonly name: string;
  readonly peer: PeerName;
  failures: number;
  isBusy: boolean;
  /** Something changed during the attempt that is under way. */
  isWoken: boolean;
  cancel: CancelTimer;
  /** Who was found there, so that the end of their connection wakes this target. */
  found: ReadonlySet<NodeId>;
  /** Why the last attempt did not reach all of it. */
  problem: string | null;
}

const DELAY_MS_MIN = 100;
const DELAY_MS_MAX = 5_000;
/** How often a name that leads only to connected nodes is resolved again. */
const RECHECK_MS = 30_000;
/** An address that was ours is taken for ours this long. */
const SELF_MS = 600_000;
/** A connection that ends sooner counts as a failed attempt, or two nodes could spin. */
const STABLE_MS = 2_000;
const LEARNED_PER_REGION_MAX = 64;
const LEARNED_REGIONS_MAX = 256;
const KNOWN_ADDRESSES_MAX = 4_096;

export class Redialer implements PeerDialler {
  readonly #parts: RedialerParts;
  readonly #targets = new Map<string, Target>();
  readonly #learned = new Map<string, readonly string[]>();
  readonly #nodeAt = new LRUCache<string, NodeId>({ max: KNOWN_ADDRESSES_MAX });
  readonly #selfAt = new Map<string, number>();
  #configured: readonly string[] = [];
  #named: readonly string[] = [];
  #announced: readonly string[] = [];
  #isStopped = false;

  constructor(parts: RedialerParts) {
    this.#parts = parts;
  }

  /** Starts dialling these peers (`types/peer-name.ts`). */
  start(configured: readonly string[]): void {
    this.#configured = configured;
    this.#reconcile();
  }

  namePeers(names: readonly string[]): void {
    this.#named = names;
    this.#reconcile();
  }

  dialState(name: string): DialState | undefined {
    const target = this.#targets.get(name);
    return target === undefined ? undefined : { found: [...target.found], problem: target.problem };
  }

  /** Replaces the addresses learned of a region. Those that can not be parsed are left out. */
  learn(region: string, addresses: readonly string[]): void {
    if (!this.#learned.has(region) && this.#learned.size >= LEARNED_REGIONS_MAX) return;
    if (addresses.length === 0) this.#learned.delete(region);
    else this.#learned.set(region, addresses.slice(0, LEARNED_PER_REGION_MAX));
    this.#reconcile();
  }

  /** Replaces the addresses announced on the local network. */
  announced(addresses: readonly string[]): void {
    this.#announced = addresses;
    this.#reconcile();
  }

  /** A peer's last connection ended after `livedMs`. */
  onDown(nodeId: NodeId, livedMs: number): void {
    for (const target of this.#targets.values()) {
      if (!target.found.has(nodeId)) continue;
      if (livedMs >= STABLE_MS) {
        target.failures = 0;
        this.#wake(target);
      } else {
        target.failures++;
        this.#arm(target, this.#backoffMs(target.failures));
      }
    }
  }

  /**
   * Dials a peer where it was last found, or else where it says it is, once.
   *
   * @returns `closed` when its kernel refused the connection wherever it was tried
   */
  async reach(nodeId: NodeId, advertised: readonly string[]): Promise<"up" | "closed" | "unknown"> {
    const known = [...this.#nodeAt.entries()]
      .filter(([, found]) => found === nodeId)
      .map(([key]) => parseSocketKey(key));
    const addresses = known.length > 0 ? known : await this.#resolveAll(advertised);
    const outcomes = await Promise.all(
      addresses.slice(0, ADDRESSES_PER_HOST_MAX).map((address) => this.#dial(address)),
    );
    if (outcomes.some((outcome) => outcome.type === "up" && outcome.nodeId === nodeId)) return "up";
    return outcomes.length > 0 && outcomes.every(({ type }) => type === "closed") ? "closed" : "unknown";
  }

  stop(): void {
    this.#isStopped = true;
    for (const { cancel } of this.#targets.values()) cancel();
    this.#targets.clear();
  }

  #reconcile(): void {
    if (this.#isStopped) return;
    const wanted = this.#wanted();
    for (const [name, target] of this.#targets) {
      if (wanted.has(name)) continue;
      target.cancel();
      this.#targets.delete(name);
    }
    for (const [name, peer] of wanted) {
      if (this.#targets.has(name)) continue;
      const state = { failures: 0, isBusy: false, isWoken: false, cancel: () => {}, found: new Set<NodeId>() };
      const target: Target = { name, peer, ...state, problem: null };
      this.#targets.set(name, target);
      this.#wake(target);
    }
  }

  /** What operators name is looked up as they mean it; what nodes say of themselves is an address and nothing more. */
  #wanted(): Map<string, PeerName> {
    const wanted = new Map<string, PeerName>();
    const want = (name: string, peer: PeerName | null) => {
      if (peer === null) this.#reportUnreadable(name);
      else wanted.set(name, peer);
    };
    for (const name of [...this.#announced, ...[...this.#learned.values()].flat()]) {
      const address = parseHostAndPort(name);
      want(name, address === null ? null : { type: "host", ...address });
    }
    for (const name of [...this.#configured, ...this.#named]) want(name, parsePeerName(name));
    return wanted;
  }

  #reportUnreadable(address: string): void {
    if (!this.#parts.logLimiter.mayLog(`target ${address}`)) return;
    this.#parts.logger.warn({ code: "ADDRESS_UNREADABLE", address }, "an address is not host:port and is not dialled");
  }

  #isLive(target: Target): boolean {
    return !this.#isStopped && this.#targets.get(target.name) === target;
  }

  #wake(target: Target): void {
    if (target.isBusy) {
      target.isWoken = true;
      return;
    }
    this.#arm(target, 0);
  }

  #arm(target: Target, delayMs: number): void {
    target.cancel();
    target.cancel = this.#parts.clock.schedule(delayMs, () => void this.#attempt(target));
  }

  /** Never rejects: what fails is tried again. */
  async #attempt(target: Target): Promise<void> {
    if (!this.#isLive(target) || target.isBusy) return;
    target.isBusy = true;
    target.isWoken = false;
    const isReached = await this.#reachTarget(target);
    // One found early in a slow attempt may be gone again.
    const isSettled = isReached && [...target.found].every((nodeId) => this.#parts.isConnected(nodeId));
    target.isBusy = false;
    if (!this.#isLive(target)) return;
    // Success alone forgives nothing: only a connection that held does (`onDown`).
    if (!isSettled) target.failures++;
    if (target.isWoken) return this.#arm(target, DELAY_MS_MIN);
    this.#arm(target, isSettled ? jitter(this.#parts.random, RECHECK_MS, 0.2) : this.#backoffMs(target.failures));
  }

  #backoffMs(failures: number): number {
    const base = Math.min(DELAY_MS_MAX, DELAY_MS_MIN * 2 ** Math.min(failures - 1, 16));
    return jitter(this.#parts.random, base, 0.3);
  }

  /** @returns whether every address of the target is connected, or is our own */
  async #reachTarget(target: Target): Promise<boolean> {
    const addresses = await this.#resolve(target.peer);
    const outcomes = await Promise.all(addresses.map((address) => this.#reachAddress(address)));
    target.found = new Set(outcomes.flatMap((outcome) => (outcome.type === "up" ? [outcome.nodeId] : [])));
    target.problem = problemOf(outcomes);
    if (target.problem === null) return true;
    if (this.#parts.logLimiter.mayLog(`dial ${target.name}`)) {
      this.#parts.logger.info(
        { code: "PEER_UNREACHABLE", address: target.name, reason: target.problem },
        "a peer is not reached; dialling goes on",
      );
    }
    return false;
  }

  async #reachAddress(address: SocketAddress): Promise<DialOutcome> {
    const key = socketKey(address);
    const known = this.#nodeAt.get(key);
    if (known !== undefined && this.#parts.isConnected(known)) return { type: "up", nodeId: known };
    const selfSince = this.#selfAt.get(key);
    if (selfSince !== undefined && this.#parts.clock.now() - selfSince < SELF_MS) return { type: "self" };
    return this.#dial(address);
  }

  async #dial(address: SocketAddress): Promise<DialOutcome> {
    const key = socketKey(address);
    const outcome = await this.#parts.dial(address);
    this.#selfAt.delete(key);
    if (outcome.type === "up") this.#nodeAt.set(key, outcome.nodeId);
    if (outcome.type === "self") this.#selfAt.set(key, this.#parts.clock.now());
    return outcome;
  }

  #resolve(peer: PeerName): Promise<readonly SocketAddress[]> {
    const { names, logger, logLimiter } = this.#parts;
    return resolvePeer(peer, names, (name, error) => {
      if (!logLimiter.mayLog(`resolve ${name}`)) return;
      const reason = messageOf(error);
      logger.info(
        { code: "NAME_UNRESOLVED", host: name, reason },
        "a peer's name has no address now; dialling goes on",
      );
    });
  }

  async #resolveAll(advertised: readonly string[]): Promise<readonly SocketAddress[]> {
    const addresses = advertised.map(parseHostAndPort).filter((address) => address !== null);
    return (await Promise.all(addresses.map((address) => this.#resolve({ type: "host", ...address })))).flat();
  }
}

const socketKey = ({ ip, port }: SocketAddress): string => `${ip} ${port}`;

function parseSocketKey(key: string): SocketAddress {
  const [ip, port] = key.split(" ");
  return { ip: ip!, port: Number(port) };
}

/** The first thing that is wrong with what a name led to; null when nothing is. */
function problemOf(outcomes: readonly DialOutcome[]): string | null {
  if (outcomes.length === 0) return "no address";
  for (const outcome of outcomes) {
    if (outcome.type === "closed") return "nobody listens there";
    if (outcome.type === "failed") return outcome.reason;
  }
  return null;
}
