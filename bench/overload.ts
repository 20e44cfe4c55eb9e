/**
 * What a node does at several times the load that it can bear: whether renewals pass, what grows, and how soon it is itself
 * again (P12).
 *
 *   npm run bench:overload -- [--factor 4] [--seconds 20] [--agents 2000] [--cores 0.3] [--rate N]
 *     [--connections kept,new] [--heap-mib 256] [--json]
 *
 * One node and, in processes of their own, a fleet of agents that renew and clients that write and look up, all in an open
 * loop. Writes and lookups come over connections that are kept and then, in a second part, each over a new one. In each part, the
 * highest rate of the mix is found that the node bears so, until two searches agree (`overload/judge.ts`); then renewals go on at
 * the rate that they have in it, and writes and lookups come so often that all together is `factor` times as much; at last
 * the mix is asked at 0.7 of that rate until it is answered as it was before. All figures are of one run, so that what slows the machine slows each. What a generator was too late with
 * is not sent, and said. The exit code is 1 when a promise was missed.
 */

import { parseArgs } from "node:util";
import { type NodeProcess, ProcessGroup } from "../test/support/node-process.ts";
import { type Figure, formatFigures, judge, round } from "./figures.ts";
import { positiveInteger, positiveNumber } from "./numbers.ts";
import { type CpuShare, limitCpu } from "./overload/cpu-share.ts";
import { Crowd } from "./overload/crowd.ts";
import { KINDS, type Kind, TRY_TIMEOUT_MS, WINDOW_MS, type Window } from "./overload/generator.ts";
import {
  closestTwo,
  highestBorne,
  SPREAD_MAX,
  type Sum,
  searched,
  sumOf,
  trialOf,
  windowsUntilRecovered,
} from "./overload/judge.ts";
import { usageOf } from "./process-usage.ts";
import { origin, saveReport } from "./report.ts";

const HTTP_BASE = 19_740;
const SHARES: Readonly<Record<Kind, number>> = { renewal: 0.3, write: 0.2, lookup: 0.5 };
const FIRST_RATE = 600;
/** A node is compiled while it runs: what it bears at first says little. */
const WARM_UP = { rate: 800, seconds: 8 };
const TRIAL_SECONDS = 3;
/** What the first window shows is also of what was asked before. */
const UNSETTLED_WINDOWS = 2;
const REST_SECONDS = 1;
const REST_RATE = 100;
const CALM_FACTOR = 0.7;
const CALM_SECONDS = 6;
const RECOVERY_SECONDS_MAX = 15;
const CALM_SECONDS_MAX = 60;
/** The fleet's leases in the search, and in the overload as many renewals as the node itself asks for within one. */
const SEARCH_LEASE_MS = 120_000;
const RENEWALS_PER_LEASE = 4;
/** Of renewals that ended, in percent. */
const RENEWALS_MIN = 99.9;
/** The second half of the overload may use so much more memory than the first. */
const GROWTH_MAX = 1.3;
/** Below this share of what was meant to be asked, the generators are what was measured. */
const ASKED_SHARE_MIN = 0.9;
const MIB = 1024 * 1024;
/** What a client sees of a connection that is closed before it was answered. */
const SENT_AWAY = ["ECONNRESET", "CLOSED"];
/** Whether writers and readers keep theirs, or open one for each request. */
const CONNECTIONS = ["kept", "new"] as const;
type Connections = (typeof CONNECTIONS)[number];

const { values } = parseArgs({
  options: {
    factor: { type: "string", default: "4" },
    seconds: { type: "string", default: "20" },
    agents: { type: "string", default: "2000" },
    rate: { type: "string" },
    cores: { type: "string", default: "0.3" },
    connections: { type: "string", default: "kept,new" },
    "heap-mib": { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const factor = positiveNumber("factor", values.factor);
const seconds = positiveNumber("seconds", values.seconds);
const agents = positiveInteger("agents", values.agents);
const cores = positiveNumber("cores", values.cores);
const givenRate = values.rate === undefined ? undefined : positiveNumber("rate", values.rate);
const heapMib = values["heap-mib"] === undefined ? undefined : positiveInteger("heap-mib", values["heap-mib"]);
const connections = values.connections.split(",").map(connectionsOf);

/** @throws RangeError */
function connectionsOf(name: string): Connections {
  const known = CONNECTIONS.find((each) => each === name.trim());
  if (known === undefined) throw new RangeError(`--connections ${name}: they are ${CONNECTIONS.join(" or ")}`);
  return known;
}

const note = (text: string) => process.stderr.write(`${text}\n`);

function mixAt(rate: number): Record<Kind, number> {
  return { renewal: SHARES.renewal * rate, write: SHARES.write * rate, lookup: SHARES.lookup * rate };
}

/** Renewals as before; the rest makes up for it, in the proportion that it has. */
function overloadOf(rate: number): Record<Kind, number> {
  const renewals = SHARES.renewal * rate;
  const others = (factor * rate - renewals) / (SHARES.write + SHARES.lookup);
  return { renewal: renewals, write: SHARES.write * others, lookup: SHARES.lookup * others };
}

function sums(windows: readonly Window[]): Record<Kind, Sum> {
  return Object.fromEntries(KINDS.map((kind) => [kind, sumOf(windows, kind)])) as Record<Kind, Sum>;
}

function describe(what: string, windows: readonly Window[]): void {
  const parts = KINDS.map((kind) => {
    const { planned, late, acknowledged, refused, unknown, unsent, failures, p99Ms, p99MsWorst } = sumOf(windows, kind);
    const facts = [
      `${acknowledged} of ${planned} ${kind}s`,
      ...[...failures].map(([reason, count]) => `${count} ${reason}`),
      ...Object.entries({ refused, unknown, unsent, late }).flatMap(([name, n]) => (n === 0 ? [] : `${n} ${name}`)),
    ];
    return `${facts.join(", ")}, p99 ${round(p99Ms)} ms (at worst ${round(p99MsWorst)})`;
  });
  const behindMs = Math.max(...windows.map((window) => window.behindMs));
  note(`${what}: ${parts.join("; ")}; generators at most ${Math.round(behindMs)} ms behind`);
}

/** What each search found. The fleet renews in between, if slowly, and the node comes to rest. */
function sustainableRates(crowd: Crowd, isKept: boolean): Promise<number[]> {
  return searched(() =>
    highestBorne(FIRST_RATE, async (rate) => {
      const all = await crowd.ask({ perSecond: mixAt(rate), seconds: TRIAL_SECONDS, isKept });
      const windows = all.slice(UNSETTLED_WINDOWS);
      const trial = trialOf(windows);
      describe(`${Math.round(rate)}/s, ${trial}`, windows);
      await crowd.ask({ perSecond: mixAt(REST_RATE), seconds: REST_SECONDS, isKept });
      return trial;
    }),
  );
}

interface Overload {
  readonly name: Connections;
  /** What the node bears over such connections, in requests per second. */
  readonly rate: number;
  /** In percent; null where the rate was given. */
  readonly searchesDiffer: number | null;
  readonly leaseMs: number;
  readonly leasesEnded: number;
  readonly before: readonly Window[];
  readonly during: readonly Window[];
  readonly after: readonly Window[];
  /** How long it took, by the clock: a generator that is held up says so later. */
  readonly duringSeconds: number;
  readonly recoverySeconds: number;
  readonly rssMiB: readonly number[];
  readonly heapRatioMax: number;
}

async function overload(node: NodeProcess, crowd: Crowd, name: Connections): Promise<Overload> {
  const isKept = name === "kept";
  await crowd.open(SEARCH_LEASE_MS);
  const found = givenRate === undefined ? await sustainableRates(crowd, isKept) : [givenRate];
  const [rate, other] = closestTwo(found) ?? [found[0]!, found[0]!];
  if (rate === 0) throw new Error(`this machine does not bear ${FIRST_RATE} requests per second`);
  const leaseMs = Math.ceil((RENEWALS_PER_LEASE * 1_000 * agents) / (SHARES.renewal * CALM_FACTOR * rate));
  await crowd.open(leaseMs);
  const ended = () => node.metric("atoll_registry_leases_expired_total");
  const endedBefore = await ended();
  const calm = mixAt(CALM_FACTOR * rate);
  const before = (await crowd.ask({ perSecond: calm, seconds: CALM_SECONDS, isKept })).slice(UNSETTLED_WINDOWS);
  describe(`${name} connections: before`, before);
  const rssMiB: number[] = [];
  let heapRatioMax = 0;
  const look = setInterval(async () => {
    rssMiB.push((usageOf(node.pid)?.rssBytes ?? 0) / MIB);
    heapRatioMax = Math.max(heapRatioMax, await node.metric("atoll_node_heap_ratio").catch(() => 0));
  }, 1_000);
  const beganMs = performance.now();
  const during = await crowd.ask({ perSecond: overloadOf(rate), seconds, isKept });
  clearInterval(look);
  const duringSeconds = (performance.now() - beganMs) / 1_000;
  describe(`${name} connections: ${factor} times`, during);
  const asked = KINDS.reduce((sum, kind) => sum + sumOf(during, kind).planned - sumOf(during, kind).late, 0);
  const times = asked / duringSeconds / rate;
  if (times < ASKED_SHARE_MIN * factor) {
    note(
      `The generators were too slow: the node was asked ${round(times)} times what it bears. Give it fewer --cores.`,
    );
  }
  const after = await crowd.ask({
    perSecond: calm,
    seconds: CALM_SECONDS_MAX,
    isKept,
    isOver: (windows) => windowsUntilRecovered(before, windows) !== null,
  });
  describe(`${name} connections: after`, after);
  const recovered = windowsUntilRecovered(before, after);
  const recoverySeconds = recovered === null ? Number.NaN : (recovered * WINDOW_MS) / 1_000;
  const searchesDiffer = givenRate === undefined ? 100 * (other / rate - 1) : null;
  const leasesEnded = (await ended()) - endedBefore;
  const windows = { before, during, after };
  return {
    name,
    rate,
    searchesDiffer,
    leaseMs,
    leasesEnded,
    ...windows,
    duringSeconds,
    recoverySeconds,
    rssMiB,
    heapRatioMax,
  };
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

/** Memory while the caches still fill is left out: the first fifth. */
function growthOf(samples: readonly number[]): number {
  const settled = samples.slice(Math.floor(samples.length / 5));
  const middle = Math.floor(settled.length / 2);
  return mean(settled.slice(middle)) / mean(settled.slice(0, middle));
}

function figuresOf(overload: Overload): Figure[] {
  const { name, rate, before, during, after, duringSeconds, recoverySeconds, rssMiB, heapRatioMax } = overload;
  const { renewal, write, lookup } = sums(during);
  // Those that were under way when it ended count, too.
  const renewals = sumOf([...during, ...after], "renewal");
  const always = sums([...before, ...during, ...after]);
  const all = [renewal, write, lookup];
  const total = (of: (sum: Sum) => number) => all.reduce((sum, one) => sum + of(one), 0);
  const figure = (what: string, value: number, unit: string, max: number | null = null): Figure => ({
    name: `${name} connections: ${what}`,
    value,
    unit,
    max,
  });
  const planned = (sum: Sum) => sum.planned;
  const failed = ({ failures }: Sum) => [...failures.values()].reduce((sum, count) => sum + count, 0);
  const sentAway = ({ failures }: Sum) => SENT_AWAY.reduce((sum, reason) => sum + (failures.get(reason) ?? 0), 0);
  const share = (part: number, whole: number) => (100 * part) / Math.max(1, whole);
  return [
    figure("sustainable rate of the mix", rate, "/s"),
    ...(overload.searchesDiffer === null
      ? []
      : [figure("two searches differ by", overload.searchesDiffer, "%", 100 * SPREAD_MAX)]),
    figure("asked, without what was late", total(({ planned, late }) => planned - late) / duringSeconds / rate, "x"),
    figure(
      "not sent, generators too late",
      share(
        total(({ late }) => late),
        total(planned),
      ),
      "%",
    ),
    figure(
      `renewals not acknowledged within ${TRY_TIMEOUT_MS / 1_000} s`,
      100 - share(renewals.acknowledged, renewals.ended),
      "%",
      100 - RENEWALS_MIN,
    ),
    figure("renewals told that they are unknown", always.renewal.unknown, "", 0),
    figure("renewals, p99 of the median window", renewal.p99Ms, "ms"),
    figure("renewals, p99 of the worst window", renewal.p99MsWorst, "ms"),
    figure("writes acknowledged", share(write.acknowledged, write.ended), "%"),
    figure("lookups answered", share(lookup.acknowledged, lookup.ended), "%"),
    figure("served, of what the node bears", total(({ acknowledged }) => acknowledged) / duringSeconds / rate, "x"),
    figure(
      "refusals without a time to come again",
      Object.values(always).reduce((sum, { refusedBarely }) => sum + refusedBarely, 0),
      "",
      0,
    ),
    figure(
      "not asked, since each of so many clients still waited",
      share(
        total(({ unsent }) => unsent),
        total(planned),
      ),
      "%",
    ),
    figure("connections closed at once, to ask another node", share(total(sentAway), total(planned)), "%"),
    figure("neither answered nor sent away in time", share(total(failed) - total(sentAway), total(planned)), "%"),
    figure("resident memory, at most", Math.max(...rssMiB), "MiB"),
    figure("memory, second half against the first", growthOf(rssMiB), "x", GROWTH_MAX),
    figure("live part of the heap's limit, at most", 100 * heapRatioMax, "%", 100),
    figure("until answered as before", recoverySeconds, "s", RECOVERY_SECONDS_MAX),
    figure("leases that ended", overload.leasesEnded, "", 0),
  ];
}

const env = heapMib === undefined ? {} : { NODE_OPTIONS: `--max-old-space-size=${heapMib}` };
const group = await ProcessGroup.create({ region: "overload", httpBase: HTTP_BASE, env });
let crowd: Crowd | undefined;
let share: CpuShare | string = "";
try {
  const node = group.add("alone");
  node.start();
  await node.ready();
  share = await limitCpu(node.pid, cores);
  if (typeof share === "string")
    note(`the node has all cores, so that ${factor} times its load may be out of reach: ${share}`);
  const { hostname, port } = new URL(node.http);
  crowd = new Crowd({ host: hostname, port: Number(port) }, agents);
  await crowd.open(SEARCH_LEASE_MS);
  await crowd.ask({ perSecond: mixAt(WARM_UP.rate), seconds: WARM_UP.seconds });
  const overloads: Overload[] = [];
  for (const name of connections) overloads.push(await overload(node, crowd, name));
  const figures = overloads.flatMap(figuresOf);
  const report = { bench: "overload", ...origin(), factor, seconds, agents, figures, overloads };
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${formatFigures(figures)}\n`);
  note(`Kept in ${saveReport(report)}`);
  judge(figures, note);
} finally {
  crowd?.stop();
  await group.destroy();
  if (typeof share !== "string") await share.remove();
}
