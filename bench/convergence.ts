/**
 * How soon regions agree: what one region registers, cuts and heals, as the others come to see it.
 *
 *   npm run bench:convergence -- [--wan-ms 40] [--samples 300] [--pairs 25] [--registrations 10000] [--outage-s 15] [--json]
 *
 * Seven processes in three regions, three nodes each in us-east and us-west and one in eu-west. The exit code is 1 when
 *   - half of all new capabilities are seen abroad later than 20 ms after the delay of the network, or one in a hundred
 *     later than 100 ms after it,
 *   - a second lookup abroad takes more than 1.2 times as long as one of this region,
 *   - a node that was down during the registrations does not have equal digests 2 s after it is ready again,
 *   - a lookup takes longer than its deadline while a region is unreachable, or does not say that it is missing.
 *
 * A capability is visible from the moment at which a lookup was asked that shows it; the answer itself takes a round trip
 * more. Lookups are asked at fixed times for that, `POLL_MS` apart, whatever became of those before. Nodes and clients share
 * this machine.
 */

import { Agent, request as httpRequest } from "node:http";
import { parseArgs } from "node:util";
import type { LookupView } from "../src/cli/api-client.ts";
import { type FederationNode, FederationProcess } from "../test/support/federation-process.ts";
import { isEqualAt, regionAt, sleep, untilTrue } from "./federation-view.ts";
import { type Figure, formatFigures, judge, quantile } from "./figures.ts";
import { closedLoop, type Request, warmUp } from "./load/closed-loop.ts";
import { positiveInteger } from "./numbers.ts";
import { type Origin, origin, saveReport } from "./report.ts";

const HTTP_BASE = 18_700;
const HOME = "us-east";
const NEAR = "us-west";
const FAR = "eu-west";
const LEASE_MS = 86_400_000;

const POLL_MS = 4;
/** A capability that is not seen by then is not coming. */
const VISIBLE_MS_MAX = 5_000;
/** Between two samples, at random up to this, so that they fall anywhere between two headers. */
const PAUSE_MS_MAX = 100;

/** Capabilities that lookups are compared on, of so many agents each. */
const COMPARED = 20;
const AGENTS_COMPARED = 10;
const LOOKUPS_PER_TURN = 500;

const CLIENTS = 64;
const OUTAGE_LOOKUPS_PER_SECOND = 10;
const OUTAGE_REGISTRATIONS = 100;
/** `ATOLL_FEDERATION_LOOKUP_DEADLINE_MS` as it is by default. */
const DEADLINE_MS = 1_000;
/** For the way to the node, and for a machine that does eight things at once. */
const DEADLINE_SLACK_MS = 100;

const RATIO_MAX = 1.2;
const RETURN_MS_MAX = 2_000;

const { values } = parseArgs({
  options: {
    "wan-ms": { type: "string", default: "40" },
    samples: { type: "string", default: "300" },
    pairs: { type: "string", default: "25" },
    registrations: { type: "string", default: "10000" },
    "outage-s": { type: "string", default: "15" },
    json: { type: "boolean", default: false },
  },
});
const wanMs = Number(values["wan-ms"]);
const samples = positiveInteger("samples", values.samples);
const pairs = positiveInteger("pairs", values.pairs);
const registrations = positiveInteger("registrations", values.registrations);
const outageLookups = OUTAGE_LOOKUPS_PER_SECOND * positiveInteger("outage-s", values["outage-s"]);

interface ConvergenceReport extends Origin {
  readonly bench: "convergence";
  readonly wanMs: number;
  readonly figures: readonly Figure[];
}

/** A lookup with when it was asked and how long its answer took. */
interface Asked {
  readonly askedAt: number;
  readonly tookMs: number;
  /** Undefined when the node refused or did not answer. */
  readonly answer: LookupView | undefined;
}

const note = (text: string) => process.stderr.write(`${text}\n`);
const http = new Agent({ keepAlive: true });

note("Starting seven nodes in three regions ...");
const federation = await FederationProcess.start({
  regions: `${HOME}:3,${NEAR}:3,${FAR}:1`,
  httpBase: HTTP_BASE,
  wanMs,
});
const home = federation.nodesOf(HOME);
const near = federation.nodesOf(NEAR);
const abroad = [...near, ...federation.nodesOf(FAR)];
try {
  const figures = [
    ...(await measureVisibility()),
    ...(await measureKept()),
    ...(await measureReturn()),
    ...(await measureOutage()),
  ];
  const report: ConvergenceReport = { bench: "convergence", ...origin(), wanMs, figures };
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${format(report)}\n`);
  note(`Kept in ${saveReport(report)}`);
  judge(figures, note);
} finally {
  http.destroy();
  await federation.stop();
}

async function measureVisibility(): Promise<Figure[]> {
  note(`${samples} new capabilities, looked up abroad ...`);
  for (const node of abroad) await warmUp(4, 200, (i) => getLookup(node, `not-offered-${i}`));
  await warmUp(4, 100, (i) => registration(home[i % home.length]!, `warm-${i}`, `warm-${i}`));
  await untilEverywhere(abroad, await revisionOf(HOME));
  const visibleMs: number[] = [];
  for (let i = 0; i < samples; i++) {
    visibleMs.push(await visibilityOf(`new-${i}`, home[i % home.length]!, abroad[i % abroad.length]!));
    await sleep(Math.random() * PAUSE_MS_MAX);
  }
  const figure = (name: string, share: number, max: number | null): Figure => {
    return { name: `new capability visible abroad, ${name}`, value: quantile(visibleMs, share), unit: "ms", max };
  };
  return [
    figure("p50", 0.5, wanMs + 20),
    figure("p90", 0.9, null),
    figure("p99", 0.99, wanMs + 100),
    figure("max", 1, null),
  ];
}

/** Milliseconds from the acknowledgement of a registration until the first lookup was asked abroad that shows it. */
async function visibilityOf(capability: string, at: FederationNode, from: FederationNode): Promise<number> {
  await put(registration(at, `${capability}-agent`, capability));
  const acknowledgedAt = performance.now();
  const asked: Promise<Asked>[] = [];
  let isSeen = false;
  for (let i = 0; !isSeen && i * POLL_MS < VISIBLE_MS_MAX; i++) {
    const poll = lookup(from, capability);
    asked.push(poll);
    void poll.then(({ answer }) => {
      isSeen ||= shows(answer);
    });
    await sleep(acknowledgedAt + (i + 1) * POLL_MS - performance.now());
  }
  const first = (await Promise.all(asked)).find(({ answer }) => shows(answer));
  return first === undefined ? Number.POSITIVE_INFINITY : first.askedAt - acknowledgedAt;
}

/** The same question to the same node, of capabilities that only another region offers, and that only its own does. */
async function measureKept(): Promise<Figure[]> {
  note(`${pairs} pairs of ${LOOKUPS_PER_TURN} lookups, kept and local ...`);
  const asked = near[0]!;
  const count = COMPARED * AGENTS_COMPARED;
  for (const [where, node] of [["there", home[0]!] as const, ["here", asked] as const]) {
    await warmUp(8, count, (i) => registration(node, `${where}-${i}`, `${where}-${i % COMPARED}`));
  }
  await untilEverywhere([asked], await revisionOf(HOME));
  const turn = (where: string) =>
    closedLoop(where, { clients: 1, count: LOOKUPS_PER_TURN }, (i) => getLookup(asked, `${where}-${i % COMPARED}`));
  for (const where of ["there", "here", "there", "here"]) await turn(where);
  const measured: { kept: number; local: number }[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    // Each comes first as often, so that what slows the machine down meanwhile slows both.
    const isKeptFirst = pair % 2 === 0;
    const first = await turn(isKeptFirst ? "there" : "here");
    const second = await turn(isKeptFirst ? "here" : "there");
    const [kept, local] = isKeptFirst ? [first, second] : [second, first];
    if (kept.failed + local.failed > 0) throw new Error("lookups failed");
    measured.push({ kept: kept.p50Ms, local: local.p50Ms });
  }
  const { answer } = await lookup(asked, "there-0");
  if (answer?.regions.find(({ region }) => region === HOME)?.source !== "cached") {
    throw new Error("the second lookup abroad was not answered by a kept answer");
  }
  const median = (of: (pair: { kept: number; local: number }) => number) => quantile(measured.map(of), 0.5);
  const ratio = median(({ kept, local }) => kept / local);
  return [
    { name: "second lookup abroad / local lookup, median of pairs", value: ratio, unit: "x", max: RATIO_MAX },
    { name: "second lookup abroad, p50", value: median(({ kept }) => kept), unit: "ms", max: null },
    { name: "local lookup, p50", value: median(({ local }) => local), unit: "ms", max: null },
  ];
}

/** A node misses everything, and its memory of other regions is gone with its process. */
async function measureReturn(): Promise<Figure[]> {
  const node = near.find(({ name }) => name !== federation.leaders.get(NEAR))!;
  await federation.kill(node.name);
  note(`${node.name} is down during ${registrations} registrations in ${HOME} ...`);
  const load = { clients: CLIENTS, count: registrations };
  const { failed } = await closedLoop("registrations", load, (i) =>
    registration(home[i % home.length]!, `missed-${i}`, `missed-${i}`),
  );
  if (failed > 0) throw new Error(`${failed} registrations failed`);
  const revisions = new Map([
    [HOME, await revisionOf(HOME)],
    [FAR, await revisionOf(FAR)],
  ]);
  note(`${node.name} comes back ...`);
  const startedAt = performance.now();
  const restarted = federation.restart(node.name);
  const isReady = async () => (await fetch(`${node.http}/ready`)).ok;
  const areEqual = async () => {
    const equal = [...revisions].map(([region, revision]) => isEqualAt(node.http, region, revision));
    return (await Promise.all(equal)).every(Boolean);
  };
  const at = async (isMet: () => Promise<boolean>, what: string) => {
    await untilTrue(isMet, `${node.name} ${what}`);
    return performance.now();
  };
  const [readyAt, equalAt] = await Promise.all([at(isReady, "to be ready"), at(areEqual, "to have equal digests")]);
  await restarted;
  const returnMs = Math.max(0, equalAt - readyAt);
  return [
    {
      name: `back after ${registrations} missed, ready until digests are equal`,
      value: returnMs,
      unit: "ms",
      max: RETURN_MS_MAX,
    },
    { name: "back: started until digests are equal", value: equalAt - startedAt, unit: "ms", max: null },
  ];
}

/** One region is cut from both others. Nobody kept an answer to what is asked, so it can only be told to be missing. */
async function measureOutage(): Promise<Figure[]> {
  const asked = near[0]!;
  note(`${HOME} is unreachable, ${outageLookups} lookups at ${asked.name} ...`);
  await untilEverywhere(abroad, await revisionOf(HOME));
  await Promise.all([federation.cut(HOME, NEAR), federation.cut(HOME, FAR)]);
  const cutAt = performance.now();
  const pending: Promise<Asked>[] = [];
  for (let i = 0; i < outageLookups; i++) {
    pending.push(lookup(asked, `missed-${i % registrations}`));
    await sleep(cutAt + ((i + 1) * 1_000) / OUTAGE_LOOKUPS_PER_SECOND - performance.now());
  }
  const all = await Promise.all(pending);
  const silent = all.filter(({ answer }) => answer === undefined).length;
  const hidden = all.filter(({ answer }) => answer !== undefined && !isHomeMissing(answer)).length;
  const tookMs = all.map((one) => one.tookMs);
  await warmUp(CLIENTS, OUTAGE_REGISTRATIONS, (i) => registration(home[0]!, `cut-off-${i}`, `cut-off-${i}`));
  const revision = await revisionOf(HOME);
  note("healing ...");
  const healedAt = performance.now();
  await Promise.all([federation.heal(HOME, NEAR), federation.heal(HOME, FAR)]);
  await untilEverywhere(abroad, revision);
  const healedMs = performance.now() - healedAt;
  const slowest = Math.max(...tookMs);
  return [
    { name: "region unreachable: slowest lookup", value: slowest, unit: "ms", max: DEADLINE_MS + DEADLINE_SLACK_MS },
    { name: "region unreachable: median lookup", value: quantile(tookMs, 0.5), unit: "ms", max: null },
    { name: "region unreachable: lookups not answered", value: silent, unit: "lookups", max: 0 },
    { name: "region unreachable: answers that hide it", value: hidden, unit: "lookups", max: 0 },
    { name: "healed until all nodes abroad have equal digests", value: healedMs, unit: "ms", max: null },
  ];
}

function isHomeMissing({ complete, regions }: LookupView): boolean {
  return !complete && regions.some(({ region, error }) => region === HOME && error !== undefined);
}

function shows(answer: LookupView | undefined): boolean {
  return answer !== undefined && answer.agents.length > 0;
}

async function untilEverywhere(nodes: readonly FederationNode[], revision: number): Promise<void> {
  for (const node of nodes) {
    await untilTrue(() => isEqualAt(node.http, HOME, revision), `${node.name} to hold ${HOME} as of ${revision}`);
  }
}

async function revisionOf(region: string): Promise<number> {
  const views = await Promise.all(federation.nodesOf(region).map((node) => regionAt(node.http, region)));
  return Math.max(...views.map(({ revision }) => revision));
}

async function put({ origin, path, body }: Request): Promise<void> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${origin}${path}`, { method: "PUT", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`not registered: ${await response.text()}`);
  await response.body?.cancel();
}

/** Never rejects: what a node does not answer is part of what is measured. */
function lookup(node: FederationNode, capability: string): Promise<Asked> {
  const { origin, path } = getLookup(node, capability);
  const askedAt = performance.now();
  return new Promise((resolve) => {
    const end = (answer: LookupView | undefined) => resolve({ askedAt, tookMs: performance.now() - askedAt, answer });
    const sent = httpRequest(`${origin}${path}`, { agent: http }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (piece: string) => {
        text += piece;
      });
      response.once("error", () => end(undefined));
      response.once("end", () => end(response.statusCode === 200 ? (JSON.parse(text) as LookupView) : undefined));
    });
    sent.once("error", () => end(undefined));
    sent.end();
  });
}

function getLookup(node: FederationNode, capability: string): Request {
  return { origin: node.http, method: "GET", path: `/v1/lookup?capability=${capability}` };
}

function registration(node: FederationNode, id: string, capability: string): Request {
  const offered = { name: capability, version: "1.2.0", tags: ["english", "fast"] };
  const body = { endpoint: `http://${id}:8080`, capabilities: [offered], leaseMs: LEASE_MS };
  return { origin: node.http, method: "PUT", path: `/v1/agents/${id}`, body };
}

function format({ commit, machine, wanMs, figures }: ConvergenceReport): string {
  return `convergence, ${wanMs} ms one way, at ${commit}\n${machine}\n${formatFigures(figures)}`;
}
