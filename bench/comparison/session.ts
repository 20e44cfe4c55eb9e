/**
 * One run of comparisons: the folder, ports and processes it uses, and what it measured.
 *
 * Whatever ends a run, `close` stops every process that was started through it and takes its folder away.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "../../src/util/clock.ts";
import { closedLoop, type LoadResult } from "../load/closed-loop.ts";
import type { HttpRequest } from "../load/http-client.ts";
import type { Peer, PeerCluster } from "../peers/peer.ts";
import { measureCost, type ProcessCost } from "../process-usage.ts";
import { type Limit, limitOf } from "./limit.ts";

export interface SessionOptions {
  /** Interleaved pairs of each comparison. */
  readonly pairs: number;
  /** Of each turn of a pair. */
  readonly seconds: number;
  /** Of a closed loop, where a comparison does not need another number. */
  readonly clients: number;
  /** Ports from here on are used, and those 10,000 above. */
  readonly httpBase: number;
  /** In the region whose rates are measured by number of clients. */
  readonly agents: number;
  /** Numbers of clients that these are measured with. */
  readonly steps: readonly number[];
  /** Names of those that are measured. */
  readonly peers: readonly string[];
}

export interface SessionContext {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Data lies below it, of all who are compared: they share its file system. */
  readonly parent: string;
  /** Says what is being done. */
  readonly note: (text: string) => void;
}

/** What sends and takes part in a load, beside this process. */
export interface Party {
  readonly name: string;
  readonly url: string;
  readonly pid: number | null;
}

/** One load and what it cost. */
export interface Phase extends LoadResult {
  /** Who was asked. */
  readonly subject: string;
  readonly loop: "closed" | "open";
  readonly costs: readonly ProcessCost[];
  readonly limit: Limit;
}

export interface LoadOptions {
  readonly subject: string;
  readonly phase: string;
  readonly parties: readonly Party[];
  readonly clients?: number;
  readonly until?: { readonly count: number } | { readonly seconds: number };
  /** The i-th request, from 0; requests go to the parties in turns. */
  readonly next: (i: number) => HttpRequest;
}

/** Between the ports of one cluster and the next; the nodes of a second region lie 100 above. */
const PORTS_PER_CLUSTER = 10;
/** At a time; ports come again after so many. */
const CLUSTERS_MAX = 10;
/** How the generator is called where costs are told. */
export const GENERATOR = "load generator";

export class Session {
  readonly options: SessionOptions;
  readonly context: SessionContext;
  readonly phases: Phase[] = [];
  readonly #folder: string;
  readonly #running = new Set<{ stop(): Promise<void> }>();
  #clusters = 0;

  static async open(options: SessionOptions, context: SessionContext): Promise<Session> {
    return new Session(options, context, await mkdtemp(join(context.parent, "atoll-bench-")));
  }

  private constructor(options: SessionOptions, context: SessionContext, folder: string) {
    this.options = options;
    this.context = context;
    this.#folder = folder;
  }

  /** @throws PeerUnavailable; the signal's reason */
  async start(peer: Peer, nodes: number): Promise<PeerCluster> {
    const { clock, signal } = this.context;
    signal.throwIfAborted();
    const { httpBase, dataDir } = this.place(peer.name);
    const cluster = await peer.start({ nodes, httpBase, dataDir, clock, signal });
    return this.keep(cluster);
  }

  /** Ports and a folder that nobody else has in this run. */
  place(name: string): { readonly httpBase: number; readonly dataDir: string } {
    const number = this.#clusters++ % CLUSTERS_MAX;
    const httpBase = this.options.httpBase + PORTS_PER_CLUSTER * number;
    return { httpBase, dataDir: join(this.#folder, `${this.#clusters}-${name.replaceAll(/\W+/g, "-")}`) };
  }

  /** Takes care that it is stopped. */
  keep<Started extends { stop(): Promise<void> }>(started: Started): Started {
    this.#running.add(started);
    return started;
  }

  async stop(...started: readonly { stop(): Promise<void> }[]): Promise<void> {
    await Promise.all(started.map((each) => each.stop()));
    for (const each of started) this.#running.delete(each);
  }

  /** A closed loop, kept among the phases. @throws the signal's reason when it was aborted meanwhile */
  async load({ subject, phase, parties, next, clients = this.options.clients, until }: LoadOptions): Promise<Phase> {
    const { signal } = this.context;
    const costs = this.measureCosts(parties);
    const load = { clients, signal, ...(until ?? { seconds: this.options.seconds }) };
    const result = await closedLoop(phase, load, (i) => ({
      ...next(i),
      origin: parties[i % parties.length]?.url ?? "",
    }));
    const told: Phase = { ...result, subject, loop: "closed", ...costs() };
    signal.throwIfAborted();
    this.phases.push(told);
    return told;
  }

  /** The same, without being told of: for code to be compiled and connections to be made. */
  async prepare(options: LoadOptions): Promise<Phase> {
    const phase = await this.load(options);
    this.phases.pop();
    return phase;
  }

  /** Of this process and of the parties, from now until the function returned is called. */
  measureCosts(parties: readonly Party[]): () => { costs: ProcessCost[]; limit: Limit } {
    const processes = parties.flatMap(({ name, pid }) => (pid === null ? [] : [{ name, pid }]));
    const measured = measureCost([{ name: GENERATOR, pid: process.pid }, ...processes]);
    return () => {
      const costs = measured();
      return { costs, limit: limitOf(costs) };
    };
  }

  /** Stops whatever still runs, and removes what it wrote. */
  async close(): Promise<void> {
    await this.stop(...this.#running);
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}
