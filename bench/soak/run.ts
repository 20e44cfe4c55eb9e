/** One soak: the cluster, its load, one fault after the other, and what is asked at the end. */

import { type CancelTimer, type Clock, repeat, sleep } from "../../src/util/clock.ts";
import { messageOf } from "../../src/util/errors.ts";
import { type Random, seededRandom } from "../../src/util/random.ts";
import { HttpClient } from "../load/http-client.ts";
import { usageOf } from "../process-usage.ts";
import { type Calibration, calibrate } from "./calibration.ts";
import { type ErrorLine, type NodeEnd, SoakCluster, type SoakRegion } from "./cluster.ts";
import { FAULTS, type FaultName, shuffled } from "./faults.ts";
import type { LeaseVerdicts } from "./leases.ts";
import type { MemorySample } from "./memory.ts";
import { RunRecords } from "./records.ts";
import { type Verified, verifyRegion } from "./verify.ts";
import { Watching } from "./watching.ts";
import { type Findings, type OperationRecord, RegionLoad, SHARES } from "./workload.ts";

export interface SoakOptions {
  readonly regions: string;
  readonly minutes: number;
  readonly seed: number;
  /** Of all operations; undefined: found by calibration. */
  readonly perSecond: number | undefined;
  /** Of what is sustained. */
  readonly share: number;
  readonly faults: readonly FaultName[];
  readonly leaseMs: number;
  /** Agents of each region that come, change and go. */
  readonly population: number;
  readonly httpBase: number;
}

export interface RunContext {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly tell: (doing: string) => void;
}

/** Times are milliseconds since the run began. */
export interface FaultRound {
  readonly fault: FaultName;
  readonly region: string;
  readonly victim: string;
  readonly injectedMs: number;
  readonly releasedMs: number;
  /** When all was whole again; null when it was not in time. */
  readonly wholeMs: number | null;
  readonly elections: number;
  readonly remark: string;
  /** What did not happen as it is documented; empty when all did. */
  readonly problem: string;
}

export interface NotInjectedFault {
  readonly fault: FaultName;
  readonly why: string;
}

export interface SoakRun {
  /** When the run began: all nodes serve, and nobody has asked for anything. Wall time. */
  readonly startedAtMs: number;
  /** From then until nothing more was sent, calibration included. */
  readonly durationMs: number;
  readonly calibration: Calibration | null;
  readonly perSecond: number;
  readonly fleetSize: number;
  readonly rounds: readonly FaultRound[];
  readonly notInjected: readonly NotInjectedFault[];
  readonly findings: Findings;
  readonly leases: LeaseVerdicts;
  /** Null when nobody looked. */
  readonly verified: Verified | null;
  readonly outOfSync: readonly string[] | null;
  readonly memory: readonly MemorySample[];
  readonly endedByThemselves: readonly NodeEnd[];
  readonly errorLines: readonly ErrorLine[];
  readonly resyncs: number;
  readonly watched: number;
  readonly missingAbroad: number;
  readonly behindMs: number;
  readonly records: RunRecords;
  readonly endedEarly: string | null;
}

const CONNECTIONS_PER_NODE = 128;
const TRY_TIMEOUT_MS = 1_000;
const WHOLE_TIMEOUT_MS = 90_000;
const SAMPLE_MS = 5_000;
const SILENCE_EACH_MS = 5_000;
const LOOK_MS = 1_000;
/** Renewals of one agent in a lease. */
const RENEWALS_PER_LEASE = 4;
const CALIBRATION_FLEET = 30;
const SETTLE_MS_MAX = 15_000;
const SETTLE_SHARE = 0.01;
/** After the last fault, beside one lease: what is late is seen by then. */
const LAST_LOOK_MS = 8_000;

export async function runSoak(options: SoakOptions, context: RunContext): Promise<SoakRun> {
  const { regions, httpBase } = options;
  const { dataDir, clock, signal, tell } = context;
  const cluster = new SoakCluster({ regions, httpBase, dataDir, clock });
  const http = new HttpClient({ connectionsMax: CONNECTIONS_PER_NODE, timeoutMs: TRY_TIMEOUT_MS });
  try {
    tell("starting the nodes");
    await cluster.start(signal);
    return await new Soak(cluster, http, options, context).perform();
  } finally {
    tell("stopping the nodes");
    await cluster.stop();
    await http.close();
  }
}

class Soak {
  readonly #cluster: SoakCluster;
  readonly #http: HttpClient;
  readonly #options: SoakOptions;
  readonly #context: RunContext;
  readonly #random: Random;
  readonly #loads: readonly RegionLoad[];
  readonly #findings: Findings = { undone: [], understated: [], refused: [] };
  readonly #rounds: FaultRound[] = [];
  readonly #notInjected: NotInjectedFault[] = [];
  readonly #memory: MemorySample[] = [];
  readonly #watchings: Watching[] = [];
  readonly #chores: CancelTimer[] = [];
  /** When all was whole again after the last fault; infinite while a fault is under way. */
  #wholeMs = 0;
  readonly #beganMs: number;
  #isSilencing = true;
  #listen: (record: OperationRecord) => void;

  constructor(cluster: SoakCluster, http: HttpClient, options: SoakOptions, context: RunContext) {
    this.#cluster = cluster;
    this.#http = http;
    this.#options = options;
    this.#context = context;
    this.#listen = () => {};
    this.#random = seededRandom(options.seed);
    const { clock } = context;
    this.#beganMs = clock.now();
    this.#loads = cluster.regions.map(
      (region) =>
        new RegionLoad({
          region,
          http,
          clock,
          random: this.#random,
          leaseMs: options.leaseMs,
          population: options.population,
          findings: this.#findings,
          beganMs: this.#beganMs,
          record: (record) => this.#listen(record),
        }),
    );
    for (const [i, load] of this.#loads.entries()) load.abroad = this.#loads[(i + 1) % this.#loads.length];
  }

  async perform(): Promise<SoakRun> {
    const { clock, signal, tell } = this.#context;
    const startedAtMs = clock.wallTime();
    this.#wholeMs = clock.now();
    const records = new RunRecords(this.#beganMs);
    let endedEarly: string | null = null;
    let calibration: Calibration | null = null;
    let perSecond = this.#options.perSecond ?? 0;
    let fleetSize = 0;
    try {
      await Promise.all(this.#loads.map((load) => load.growFleet(CALIBRATION_FLEET, signal)));
      this.#startChores();
      if (this.#options.perSecond === undefined) {
        calibration = await this.#calibrate();
        perSecond = calibration.sustainedPerSecond * this.#options.share;
      }
      const renewals = (perSecond * SHARES.renew) / this.#loads.length;
      fleetSize = Math.max(1, Math.floor((renewals * this.#options.leaseMs) / 1_000 / RENEWALS_PER_LEASE));
      this.#listen = (record) => records.take(record);
      for (const load of this.#loads) load.start(perSecond / this.#loads.length);
      tell(`${fleetSize} agents of each region begin to renew`);
      await Promise.all(this.#loads.map((load) => load.growFleet(fleetSize, signal)));
      await this.#injectFaults();
      this.#isSilencing = false;
      tell("waiting for the last leases to end");
      await this.#sleep(this.#options.leaseMs + LAST_LOOK_MS);
    } catch (error) {
      endedEarly = messageOf(error);
    }
    const durationMs = clock.now() - this.#beganMs;
    tell("waiting for the last answers");
    await Promise.all(this.#loads.map((load) => load.stop()));
    const { verified, outOfSync, why } = await this.#verify(endedEarly);
    for (const cancel of this.#chores) cancel();
    await Promise.all(this.#watchings.map((watching) => watching.stop()));
    const sum = (of: (load: RegionLoad) => number) => this.#loads.reduce((all, load) => all + of(load), 0);
    return {
      startedAtMs,
      durationMs,
      calibration,
      perSecond,
      fleetSize,
      rounds: this.#rounds,
      notInjected: this.#notInjected,
      findings: this.#findings,
      leases: this.#leases(),
      verified,
      outOfSync,
      memory: this.#memory,
      endedByThemselves: this.#cluster.endedByThemselves.map((end) => ({ ...end, atMs: end.atMs - this.#beganMs })),
      errorLines: await this.#cluster.errorLines(),
      resyncs: this.#watchings.reduce((all, { resyncs }) => all + resyncs, 0),
      watched: this.#watchings.reduce((all, { events }) => all + events, 0),
      missingAbroad: sum(({ missingAbroad }) => missingAbroad),
      behindMs: Math.max(...this.#loads.map(({ behindMs }) => behindMs)),
      records,
      endedEarly: why,
    };
  }

  async #calibrate(): Promise<Calibration> {
    const { clock, signal, tell } = this.#context;
    return calibrate({
      loads: this.#loads,
      clock,
      signal,
      tell: (rate) => tell(`calibrating: ${rate}`),
      listen: (take) => {
        this.#listen = take;
      },
    });
  }

  async #injectFaults(): Promise<void> {
    const { clock } = this.#context;
    const untilMs = clock.now() + this.#options.minutes * 60_000;
    await this.#settle();
    for (let turn = 0; turn === 0 || clock.now() < untilMs; turn++) {
      const planned = shuffled(this.#options.faults, this.#random).filter(
        (fault) => turn === 0 || !FAULTS[fault].restartsAll,
      );
      if (planned.length === 0) break;
      for (const [i, fault] of planned.entries()) {
        if (turn > 0 && clock.now() >= untilMs) return;
        await this.#inject(fault, this.#placeOf(fault, turn, i), turn);
      }
    }
    if (clock.now() < untilMs) await this.#sleep(untilMs - clock.now());
  }

  /** After the first turn, processes of the first region alone are ended: those of the others live long enough to show a leak. */
  #placeOf(fault: FaultName, turn: number, i: number): SoakRegion {
    const { regions } = this.#cluster;
    const { isFirstRegionOnly, endsProcess } = FAULTS[fault];
    const isFirst = isFirstRegionOnly || (endsProcess && turn > 0) || i % 2 === 0;
    return (isFirst ? regions[0] : regions.find(({ nodes }, at) => at > 0 && nodes.length > 1)) ?? regions[0]!;
  }

  async #inject(name: FaultName, region: SoakRegion, turn: number): Promise<void> {
    const { clock, signal, tell } = this.#context;
    const fault = FAULTS[name];
    const why = fault.unavailable?.(region);
    if (why !== undefined) {
      if (turn === 0) this.#notInjected.push({ fault: name, why });
      return;
    }
    const doing = `${name}${fault.isEverywhere ? "" : ` (${region.name})`}, ${this.#rounds.length} faults done`;
    tell(doing);
    const termsBefore = await this.#terms();
    const injectedMs = clock.now();
    this.#wholeMs = Number.POSITIVE_INFINITY;
    const problems: string[] = [];
    let story = { victim: "", remark: "" };
    try {
      const context = {
        cluster: this.#cluster,
        region,
        clock,
        signal,
        tell: (more: string) => tell(`${doing}: ${more}`),
      };
      story = { remark: "", ...(await fault.perform(context)) };
    } catch (error) {
      signal.throwIfAborted();
      problems.push(messageOf(error));
    }
    const releasedMs = clock.now();
    let wholeMs: number | null = null;
    try {
      await this.#cluster.untilWhole(WHOLE_TIMEOUT_MS, signal);
      wholeMs = clock.now() - this.#beganMs;
    } catch (error) {
      signal.throwIfAborted();
      problems.push(`not whole again: ${messageOf(error)}`);
    }
    this.#wholeMs = clock.now();
    this.#rounds.push({
      fault: name,
      region: fault.isEverywhere ? "all" : region.name,
      victim: story.victim,
      injectedMs: injectedMs - this.#beganMs,
      releasedMs: releasedMs - this.#beganMs,
      wholeMs,
      elections: (await this.#terms()) - termsBefore,
      remark: story.remark,
      problem: problems.join("; "),
    });
    for (const load of this.#loads) load.spread();
    await this.#settle();
  }

  async #terms(): Promise<number> {
    const terms = await Promise.all(this.#cluster.regions.map((region) => this.#cluster.termOf(region)));
    return terms.reduce((sum, term) => sum + term, 0);
  }

  async #verify(
    endedEarly: string | null,
  ): Promise<{ verified: Verified | null; outOfSync: string[] | null; why: string | null }> {
    const { signal, tell } = this.#context;
    if (endedEarly !== null) return { verified: null, outOfSync: null, why: endedEarly };
    let verified: Verified | null = null;
    try {
      tell("looking for lost writes");
      verified = await this.#verifyRegions();
      tell("comparing digests");
      return { verified, outOfSync: await this.#cluster.missingAfter(WHOLE_TIMEOUT_MS, signal), why: null };
    } catch (error) {
      const undone = verified === null ? "nobody looked for lost writes" : "nobody compared digests";
      return { verified, outOfSync: null, why: `${undone}: ${messageOf(error)}` };
    }
  }

  async #verifyRegions(): Promise<Verified> {
    const { clock, signal } = this.#context;
    const token = this.#cluster.operatorToken;
    const each: Verified[] = [];
    for (const load of this.#loads) each.push(await verifyRegion(load, { http: this.#http, token, clock, signal }));
    return {
      checked: each.reduce((sum, { checked }) => sum + checked, 0),
      lost: each.flatMap(({ lost }) => lost),
      returned: each.flatMap(({ returned }) => returned),
    };
  }

  #startChores(): void {
    const { clock } = this.#context;
    for (const load of this.#loads) this.#watchings.push(new Watching(load.region, load.fleet, clock));
    this.#chores.push(
      repeat(clock, SAMPLE_MS, () => void this.#sample()),
      repeat(clock, SILENCE_EACH_MS, () => this.#silence()),
      repeat(clock, LOOK_MS, () => void this.#look()),
    );
  }

  async #sample(): Promise<void> {
    const { clock } = this.#context;
    for (const region of this.#cluster.regions) {
      for (const { name, pid, url } of region.nodes) {
        const usage = pid === null ? undefined : usageOf(pid);
        if (pid === null || usage === undefined) continue;
        const heapBytes = await heapOf(url, region.readerToken);
        this.#memory.push({ node: name, pid, atMs: clock.now() - this.#beganMs, rssBytes: usage.rssBytes, heapBytes });
      }
    }
  }

  /** One agent of each region falls silent, and another one takes its place. */
  #silence(): void {
    if (!this.#isSilencing) return;
    for (const load of this.#loads) {
      if (load.fleet.silenceOne() !== undefined) void load.join();
    }
  }

  /** Takes away whose lease ended, and asks for those whose lease should have. */
  async #look(): Promise<void> {
    const { clock } = this.#context;
    for (const load of this.#loads) {
      for (const { id } of load.fleet.takeEnded()) void load.remove(id);
      for (const agent of load.fleet.overdue(clock.now(), this.#wholeMs)) {
        const health = await load.healthOf(agent.id);
        if (health === "healthy" && agent.endedMs === undefined && clock.now() > this.#wholeMs) {
          load.fleet.seenLate(agent, clock.now());
        } else if (health !== "healthy" && health !== undefined) {
          load.fleet.seenEnded(agent.id, clock.now(), `shown as ${health ?? "gone"}`);
        }
      }
    }
  }

  #leases(): LeaseVerdicts {
    const verdicts = this.#loads.map(({ fleet }) => fleet.verdicts);
    const all = (of: keyof Omit<LeaseVerdicts, "delaysMs">) => verdicts.flatMap((each) => each[of]);
    return {
      wrong: all("wrong"),
      starved: all("starved"),
      untried: all("untried"),
      early: all("early"),
      late: all("late"),
      delaysMs: verdicts.flatMap(({ delaysMs }) => delaysMs),
    };
  }

  #settle(): Promise<void> {
    return this.#sleep(Math.min(SETTLE_MS_MAX, SETTLE_SHARE * this.#options.minutes * 60_000));
  }

  #sleep(ms: number): Promise<void> {
    return sleep(this.#context.clock, ms, this.#context.signal);
  }
}

/** What the last full collection left of the process's heap; null when it does not say, or there was none. */
async function heapOf(url: string, token: string): Promise<number | null> {
  try {
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(`${url}/metrics`, { headers, signal: AbortSignal.timeout(TRY_TIMEOUT_MS) });
    const value = Number(/^atoll_node_heap_live_bytes (\S+)$/m.exec(await response.text())?.[1]);
    return value > 0 ? value : null;
  } catch {
    return null;
  }
}
