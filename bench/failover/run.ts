/**
 * Injects faults into one cluster while the load goes on, and keeps what became of every operation.
 *
 * The load never stops between rounds: what a fault leaves behind shows in the next one. Whatever ends a run, the faults that
 * are under way are released and the cluster is stopped before it resolves.
 */

import { type Clock, sleep } from "../../src/util/clock.ts";
import { messageOf } from "../../src/util/errors.ts";
import { type Random, seededRandom } from "../../src/util/random.ts";
import type { Spacing } from "../load/arrivals.ts";
import { ClientPool, isNodeFailure } from "../load/client-pool.ts";
import { type HttpAnswer, HttpClient, isAcknowledged } from "../load/http-client.ts";
import { type Peer, type PeerCluster, PeerUnavailable } from "../peers/peer.ts";
import { FAULTS, type FaultName } from "./faults.ts";
import type { Round } from "./figures.ts";
import { type Lost, missingOn } from "./verify.ts";
import { type AcknowledgedAgent, type OperationRecord, type Rates, Workload } from "./workload.ts";

export interface RunOptions {
  readonly faults: readonly FaultName[];
  readonly rounds: number;
  readonly nodes: number;
  readonly httpBase: number;
  readonly rates: Rates;
  readonly spacing: Spacing;
  readonly seed: number;
  readonly clients: number;
  /** How long a fault lasts. */
  readonly holdMs: number;
  /** Between one round and the next, with everything whole. */
  readonly settleMs: number;
  /** Of one attempt, and of an operation with all its attempts. */
  readonly tryTimeoutMs: number;
  readonly timeoutMs: number;
}

export interface RunContext {
  readonly clock: Clock;
  /** Empty, and this run's alone. */
  readonly dataDir: string;
  /** Ends the run early: what was measured so far is returned. */
  readonly signal: AbortSignal;
  readonly onProgress: (progress: RunProgress) => void;
}

export interface RunProgress {
  readonly peer: string;
  readonly doing: string;
  readonly done: number;
  readonly all: number;
}

export interface NotInjectedFault {
  readonly fault: FaultName;
  readonly why: string;
}

/** Times are milliseconds on the clock of the run. */
export interface RunResult {
  readonly setting: string;
  readonly startedMs: number;
  readonly endedMs: number;
  readonly rounds: readonly Round[];
  readonly notInjected: readonly NotInjectedFault[];
  readonly records: readonly OperationRecord[];
  readonly acknowledged: readonly AcknowledgedAgent[];
  /** Null when the run ended before anybody looked. */
  readonly lost: Lost | null;
  readonly behindMs: number;
  /** Why not everything that was asked for was done; undefined when it was. */
  readonly endedEarly: string | undefined;
}

const READY_TIMEOUT_MS = 60_000;
/** Enough for code to be compiled and connections to be made; nothing of it is in any figure. */
const WARM_UP_MS = 3_000;
const CONNECTIONS_MAX = 256;

/**
 * @throws PeerUnavailable when this machine can not run the peer
 * @throws Error when the cluster did not start
 */
export async function runFailover(peer: Peer, options: RunOptions, context: RunContext): Promise<RunResult> {
  const { clock, dataDir, signal, onProgress } = context;
  const { nodes, httpBase } = options;
  onProgress({ peer: peer.name, doing: "starting", done: 0, all: options.faults.length * options.rounds });
  const cluster = await peer.start({ nodes, httpBase, dataDir, clock, signal });
  const { headers = {} } = cluster;
  const http = new HttpClient({ connectionsMax: CONNECTIONS_MAX, timeoutMs: options.tryTimeoutMs, headers });
  try {
    return await new Run(peer, cluster, http, options, context).perform();
  } finally {
    await cluster.stop();
    await http.close();
  }
}

class Run {
  readonly #peer: Peer;
  readonly #cluster: PeerCluster;
  readonly #http: HttpClient;
  readonly #options: RunOptions;
  readonly #context: RunContext;
  readonly #pool: ClientPool;
  readonly #workload: Workload;
  readonly #rounds: Round[] = [];
  readonly #warmUpAgents: number[] = [];

  constructor(peer: Peer, cluster: PeerCluster, http: HttpClient, options: RunOptions, context: RunContext) {
    this.#peer = peer;
    this.#cluster = cluster;
    this.#http = http;
    this.#options = options;
    this.#context = context;
    const { clock } = context;
    const random: Random = seededRandom(options.seed);
    this.#pool = new ClientPool({
      http,
      origins: cluster.nodes.map(({ url }) => url),
      clients: options.clients,
      timeoutMs: options.timeoutMs,
      clock,
      random,
    });
    const { rates, spacing } = options;
    this.#workload = new Workload({ cluster, pool: this.#pool, rates, spacing, clock, random });
  }

  async perform(): Promise<RunResult> {
    const { clock } = this.#context;
    const { notInjected, plan } = this.#plan();
    await this.#warmUp();
    const startedMs = clock.now();
    let endedEarly: string | undefined;
    this.#workload.start();
    try {
      // Where nothing can be broken, the load alone goes on for as long as it was asked for.
      await this.#sleep(this.#options.holdMs * (plan.length === 0 ? this.#options.rounds : 1));
      for (const [i, { fault, round }] of plan.entries()) {
        this.#tell(`${fault}, round ${round}`, i, plan.length);
        this.#rounds.push(await this.#performRound(fault, round));
      }
    } catch (error) {
      endedEarly = messageOf(error);
    }
    const endedMs = clock.now();
    this.#tell("waiting for the last answers", plan.length, plan.length);
    await this.#workload.stop();
    const { records, acknowledged, behindMs } = this.#workload;
    let lost: Lost | null = null;
    try {
      lost = endedEarly === undefined ? await this.#verify(plan.length) : null;
    } catch (error) {
      endedEarly = `nobody looked for lost writes: ${messageOf(error)}`;
    }
    await this.#removeAgents();
    return {
      setting: this.#cluster.setting,
      startedMs,
      endedMs,
      rounds: this.#rounds,
      notInjected,
      records,
      acknowledged,
      lost,
      behindMs,
      endedEarly,
    };
  }

  /** Faults in turns, so that what changes over a run changes for all of them. */
  #plan(): { notInjected: NotInjectedFault[]; plan: { fault: FaultName; round: number }[] } {
    const { faults, rounds } = this.#options;
    const judged = faults.map((fault) => ({ fault, why: FAULTS[fault].unavailable(this.#cluster) }));
    const notInjected = judged.flatMap(({ fault, why }) => (why === undefined ? [] : [{ fault, why }]));
    const injectable = judged.filter(({ why }) => why === undefined).map(({ fault }) => fault);
    const plan = Array.from({ length: rounds }, (_, i) => injectable.map((fault) => ({ fault, round: i + 1 }))).flat();
    return { notInjected, plan };
  }

  /**
   * Agents of their own, which no figure and no check knows.
   *
   * @throws PeerUnavailable when none of them was taken, such as where clients are to prove who they are
   */
  async #warmUp(): Promise<void> {
    const { clock, signal } = this.#context;
    this.#tell("warming up", 0, 0);
    const until = clock.now() + WARM_UP_MS;
    let last: HttpAnswer | undefined;
    const client = async (first: number) => {
      for (let i = first; clock.now() < until && !signal.aborted; i += this.#options.clients) {
        last = (await this.#pool.send(i, this.#cluster.register(i))).answer;
        if (isAcknowledged(last)) this.#warmUpAgents.push(i);
        await this.#pool.send(i, this.#cluster.renew(i));
        await this.#pool.send(i, this.#cluster.lookup(i));
      }
    };
    const first = WARM_UP_AGENT + (this.#cluster.firstAgent ?? 0);
    await Promise.all(Array.from({ length: this.#options.clients }, (_, i) => client(first + i)));
    if (last === undefined || this.#warmUpAgents.length > 0) return;
    throw new PeerUnavailable(`no registration was acknowledged: ${last.failure ?? `${last.status} ${last.body}`}`);
  }

  /**
   * Leaves nodes that go on after the run as they were. What can not be taken away ends with its lease: when no node answers
   * for the whole time of an operation, nobody is asked for the others.
   */
  async #removeAgents(): Promise<void> {
    const remove = this.#cluster.remove?.bind(this.#cluster);
    if (remove === undefined) return;
    this.#tell("taking the agents away", 0, 0);
    const agents = [...this.#warmUpAgents, ...this.#workload.acknowledged.map(({ agent }) => agent)];
    let next = 0;
    const client = async () => {
      for (let agent = agents[next++]; agent !== undefined; agent = agents[next++]) {
        const { answer } = await this.#pool.send(agent, remove(agent));
        if (isNodeFailure(answer)) return;
      }
    };
    await Promise.all(Array.from({ length: this.#options.clients }, client));
  }

  async #performRound(fault: FaultName, round: number): Promise<Round> {
    const { clock, signal } = this.#context;
    await this.#cluster.untilReady(READY_TIMEOUT_MS, signal);
    this.#pool.spread();
    await this.#sleep(this.#options.settleMs);
    const termBefore = await this.#cluster.term();
    const { victim, inject, release } = await FAULTS[fault].aim(this.#cluster);
    const injectedMs = clock.now();
    const injecting = inject();
    // It is waited for below; until then nobody else is to be told that it failed.
    injecting.catch(() => {});
    try {
      await this.#sleep(this.#options.holdMs);
    } finally {
      await injecting;
      await release();
    }
    const releasedMs = clock.now();
    await this.#cluster.untilReady(READY_TIMEOUT_MS, signal);
    const wholeMs = clock.now();
    await this.#sleep(this.#options.settleMs);
    const termAfter = await this.#cluster.term();
    const elections = termBefore === undefined || termAfter === undefined ? null : termAfter - termBefore;
    return { fault, round, victim, injectedMs, releasedMs, wholeMs, endMs: clock.now(), elections };
  }

  async #verify(all: number): Promise<Lost> {
    const { clock, signal } = this.#context;
    this.#tell("looking for lost writes", all, all);
    await this.#cluster.untilReady(READY_TIMEOUT_MS, signal);
    const onProgress = (asked: number, of: number) =>
      this.#tell(`looking for lost writes: ${asked} of ${of}`, all, all);
    return missingOn(this.#cluster, this.#workload.acknowledged, { http: this.#http, clock, signal, onProgress });
  }

  #sleep(ms: number): Promise<void> {
    return sleep(this.#context.clock, ms, this.#context.signal);
  }

  #tell(doing: string, done: number, all: number): void {
    this.#context.onProgress({ peer: this.#peer.name, doing, done, all });
  }
}

/** Far above what a run registers. */
const WARM_UP_AGENT = 100_000_000;
