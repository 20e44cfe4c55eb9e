/**
 * What a benchmark needs of a registry, be it Atoll or another: some nodes as child processes that can be broken, and the
 * equivalent operations as plain HTTP requests, so that one load generator drives them all.
 *
 * A peer decides how an operation is said, never when it is sent or how often it is repeated: that is the generator's.
 * Each adapter says in its header what makes it fair; `bench/README.md` has it for all.
 */

import type { Clock } from "../../src/util/clock.ts";
import type { HttpAnswer, HttpRequest } from "../load/http-client.ts";

export interface Peer {
  /** As the report shows it: `atoll`, `etcd`, `etcd, tuned`, ... */
  readonly name: string;
  /**
   * Starts a cluster on this machine, and resolves when it takes writes.
   *
   * @throws PeerUnavailable when this machine can not run it: it is then reported as not measured
   * @throws the signal's reason; whatever was started is stopped by then
   */
  start(options: StartOptions): Promise<PeerCluster>;
}

export interface StartOptions {
  readonly nodes: number;
  /** Nodes take this port and those after it; other ports of theirs lie 10,000 above. */
  readonly httpBase: number;
  /** Empty, and the peer's alone; the caller removes it. */
  readonly dataDir: string;
  readonly clock: Clock;
  readonly signal?: AbortSignal;
}

/** One process of a cluster. All of these resolve when the signal was sent or the process is gone, not when others noticed. */
export interface PeerNode {
  readonly name: string;
  readonly url: string;
  /** Null while it does not run. */
  readonly pid: number | null;
  /** SIGKILL, as a power cut would. */
  kill(): Promise<void>;
  /** An orderly stop, SIGTERM; resolves when it is gone. */
  stop(): Promise<void>;
  /** SIGSTOP: it keeps its sockets and answers nothing. */
  pause(): Promise<void>;
  /** SIGCONT. */
  resume(): Promise<void>;
  /** Starts it again with its own data; resolves when the process runs. Does nothing when it runs. */
  start(): Promise<void>;
}

/** An operation that a load is made of. `i` names an agent, from 0; the same `i` is the same agent in all of them. */
export type Operation = "register" | "renew" | "lookup";

export interface PeerCluster {
  /** Those that clients use. A region abroad, where the peer has such, is not among them. */
  readonly nodes: readonly PeerNode[];
  /** What it ran with: versions and options that a reader of the report must know. */
  readonly setting: string;
  /** The first agent that nobody registered before, where the cluster is older than the run; else 0. */
  readonly firstAgent?: number;
  /** Sent with every request, such as what a client proves itself with. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Writes agent `i` so that a majority has it on disk when it is answered with 2xx. Safe to repeat. */
  register(i: number): HttpRequest;
  /** Keeps agent `i` alive. */
  renew(i: number): HttpRequest;
  /** Asks for what agent `i` offers. */
  lookup(i: number): HttpRequest;
  /** Asks for agent `i` itself, so that the answer shows every write that was acknowledged before. */
  read(i: number): HttpRequest;
  /** Takes agent `i` away; absent where the whole cluster goes when it is stopped. */
  remove?(i: number): HttpRequest;
  /** Whether the answer to `lookup(i)` or `read(i)` has agent `i`. */
  shows(answer: HttpAnswer, i: number): boolean;
  /** How old the node says its answer may be, in milliseconds; undefined when it does not say. */
  stalenessMs(answer: HttpAnswer): number | undefined;
  /** Index of the node that leads, as a majority sees it; undefined while none does, or the peer has no leaders. */
  leader(): Promise<number | undefined>;
  /** Grows by one with each election; undefined where nobody says. */
  term(): Promise<number | undefined>;
  /** Resolves when every node runs, follows one leader and can serve. @throws Error after `timeoutMs` */
  untilReady(timeoutMs: number, signal?: AbortSignal): Promise<void>;
  /** Faults beyond processes; one that the peer or this machine can not have says why. */
  readonly faults: PeerFaults;
  /** Stops every process. Resolves when all are gone, whatever state they were in. */
  stop(): Promise<void>;
}

export interface PeerFaults {
  /** Lets every sync to the node's disk wait until `release`. */
  readonly disk: NodeFault | NotInjected;
  /** Cuts the region that clients use off from every other one, until `release`. */
  readonly region: RegionFault | NotInjected;
}

export interface NodeFault {
  inject(node: number): Promise<void>;
  release(node: number): Promise<void>;
}

export interface RegionFault {
  inject(): Promise<void>;
  release(): Promise<void>;
}

export interface NotInjected {
  readonly notInjected: string;
}

/** This machine has not what the peer needs: a program, a port, a right. */
export class PeerUnavailable extends Error {
  override readonly name = "PeerUnavailable";
}
