/**
 * What the summary of a large region costs others: a change, a node that starts from nothing, a quiet day.
 *
 *   npm run bench:summaries -- [--capabilities 100000] [--wan-ms 40] [--quiet-s 60] [--changes 100] [--json]
 *
 * Two regions of three processes each. Bytes between them are counted by the relays of `atoll dev`, so with encryption,
 * framing, keep-alives and whatever gossip repeats, both ways together. The exit code is 1 when
 *   - a gossiped change is not under 1 KiB,
 *   - a node that holds nothing does not have the whole summary 5 s after its first link to the region,
 *   - the quiet federation carries 2 KiB/s or more between the two regions.
 */

import { parseArgs } from "node:util";
import { FederationProcess } from "../test/support/federation-process.ts";
import { isEqualAt, loggedAt, metric, regionAt, sleep, untilTrue } from "./federation-view.ts";
import { type Figure, formatFigures, judge, round } from "./figures.ts";
import { closedLoop, type Request } from "./load/closed-loop.ts";
import { positiveInteger } from "./numbers.ts";
import { replicaBytesPerCapability } from "./replica-memory.ts";
import { type Origin, origin, saveReport } from "./report.ts";

const HTTP_BASE = 18_700;
const HOME = "us-east";
const ABROAD = "us-west";
const CAPABILITIES_PER_AGENT = 100;
const CLIENTS = 16;
const LEASE_MS = 86_400_000;
/** So far apart that no two changes share a message, and a region that fell behind would show it. */
const CHANGE_INTERVAL_MS = 200;
/** Longer than nodes that have met ask for others in quick succession, and than the interval of pulls. */
const SETTLE_MS = 75_000;

const CHANGE_BYTES_MAX = 1_023;
const FRESH_MS_MAX = 5_000;
const QUIET_BYTES_PER_SECOND_MAX = 2 * 1_024;

const { values } = parseArgs({
  options: {
    capabilities: { type: "string", default: "100000" },
    "wan-ms": { type: "string", default: "40" },
    "quiet-s": { type: "string", default: "60" },
    changes: { type: "string", default: "100" },
    json: { type: "boolean", default: false },
  },
});
const capabilities = positiveInteger("capabilities", values.capabilities);
const quietMs = 1_000 * positiveInteger("quiet-s", values["quiet-s"]);
const changes = positiveInteger("changes", values.changes);
const wanMs = Number(values["wan-ms"]);

interface SummariesReport extends Origin {
  readonly bench: "summaries";
  readonly capabilities: number;
  readonly wanMs: number;
  readonly figures: readonly Figure[];
}

/** What a region's nodes counted, in all. */
interface Counted {
  readonly messages: number;
  readonly messageBytes: number;
  readonly pulls: number;
  readonly wireBytes: number;
  readonly atMs: number;
}

const note = (text: string) => process.stderr.write(`${text}\n`);

note("Starting two regions of three nodes ...");
const federation = await FederationProcess.start({
  regions: `${HOME}:3,${ABROAD}:3`,
  httpBase: HTTP_BASE,
  wanMs,
  env: { ATOLL_LOG_LEVEL: "debug" },
});
const home = federation.nodesOf(HOME).map(({ http }) => http);
const abroad = federation.nodesOf(ABROAD).map(({ http }) => http);
try {
  const figures = await run();
  const report: SummariesReport = { bench: "summaries", ...origin(), capabilities, wanMs, figures };
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${format(report)}\n`);
  note(`Kept in ${saveReport(report)}`);
  judge(figures, note);
} finally {
  await federation.stop();
}

async function run(): Promise<Figure[]> {
  await fill();
  const quiet = await measureQuiet();
  const change = await measureChanges(quiet);
  const fresh = await measureFresh();
  const memory: Figure = {
    ...{ name: "memory of a replica, per capability", unit: "bytes" },
    ...{ value: await replicaBytesPerCapability(capabilities), max: null },
  };
  return [...quiet.figures, ...change, ...fresh, memory];
}

/** Agents of many capabilities each fill a region faster than as many agents would; the summary is the same. */
async function fill(): Promise<void> {
  note(`Registering ${capabilities} capabilities ...`);
  const count = Math.ceil(capabilities / CAPABILITIES_PER_AGENT);
  const result = await closedLoop("fill", { clients: CLIENTS, count }, (i) => {
    const first = i * CAPABILITIES_PER_AGENT;
    const size = Math.min(CAPABILITIES_PER_AGENT, capabilities - first);
    return register(
      i,
      `filler-${i}`,
      Array.from({ length: size }, (_, j) => capability(`${first + j}`)),
    );
  });
  if (result.failed > 0) throw new Error(`${result.failed} registrations failed`);
  await untilEverywhere();
}

async function untilEverywhere(): Promise<void> {
  const { revision } = await regionAt(home[0]!, HOME);
  for (const http of abroad) {
    await untilTrue(() => isEqualAt(http, HOME, revision), `${http} to hold the summary of revision ${revision}`);
  }
}

/** Both regions say nothing but that they are there. */
async function measureQuiet(): Promise<{ figures: Figure[]; headerBytes: number; wireBytesPerMs: number }> {
  note("Settling ...");
  await sleep(SETTLE_MS);
  note(`Nothing happens for ${quietMs / 1_000} s ...`);
  const before = await count();
  await sleep(quietMs);
  const after = await count();
  const elapsedMs = after.atMs - before.atMs;
  const wireBytesPerMs = (after.wireBytes - before.wireBytes) / elapsedMs;
  const headers = after.messages - before.messages;
  const headerBytes = (after.messageBytes - before.messageBytes) / headers;
  const figures: Figure[] = [
    {
      ...{ name: "quiet, between two regions of three nodes", unit: "B/s" },
      ...{ value: 1_000 * wireBytesPerMs, max: QUIET_BYTES_PER_SECOND_MAX },
    },
    { name: "headers of both regions", value: (1_000 * headers) / elapsedMs, unit: "/s", max: null },
    { name: "bytes of a header", value: headerBytes, unit: "bytes", max: null },
    {
      ...{ name: "comparisons of all nodes of both regions", unit: "/s" },
      ...{ value: (1_000 * (after.pulls - before.pulls)) / elapsedMs, max: null },
    },
  ];
  return { figures, headerBytes, wireBytesPerMs };
}

/** One capability at a time, of an agent of its own. What a quiet time would have cost is taken off. */
async function measureChanges(quiet: { headerBytes: number; wireBytesPerMs: number }): Promise<Figure[]> {
  note(`${changes} changes ...`);
  const before = await count();
  for (let i = 0; i < changes; i++) {
    const { origin, path, body } = register(i, `changed-${i}`, [capability(`of-a-changed-agent-${i}`)]);
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${origin}${path}`, { method: "PUT", headers, body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`not registered: ${await response.text()}`);
    await sleep(CHANGE_INTERVAL_MS);
  }
  const after = await count();
  await untilEverywhere();
  const headers = after.messages - before.messages - changes;
  const messageBytes = after.messageBytes - before.messageBytes - headers * quiet.headerBytes;
  const wireBytes = after.wireBytes - before.wireBytes - (after.atMs - before.atMs) * quiet.wireBytesPerMs;
  return [
    { name: "a gossiped change", value: messageBytes / changes, unit: "bytes", max: CHANGE_BYTES_MAX },
    { name: "a gossiped change, on the wire in all its copies", value: wireBytes / changes, unit: "bytes", max: null },
  ];
}

/** Summaries are held in memory only, so a node that was killed holds nothing when it comes back. */
async function measureFresh(): Promise<Figure[]> {
  const { name, http } = federation.nodesOf(ABROAD).find((node) => node.name !== federation.leaders.get(ABROAD))!;
  note(`${name} starts with nothing ...`);
  const { revision } = await regionAt(home[0]!, HOME);
  await federation.kill(name);
  const carriedBefore = await federation.carriedBytes(HOME, ABROAD);
  const startedAtMs = Date.now();
  const restarted = federation.restart(name);
  await untilTrue(() => isEqualAt(http, HOME, revision), `${name} to hold the summary`);
  const equalAtMs = Date.now();
  await restarted;
  const carried = (await federation.carriedBytes(HOME, ABROAD)) - carriedBefore;
  const linkedAtMs = await loggedAt(federation, name, { code: "PEER_UP", region: HOME, sinceMs: startedAtMs });
  // Asked for first: it is the longest since it was asked for last.
  const longestStopMs = 1_000 * (await metric(http, "nodejs_eventloop_lag_max_seconds"));
  const { capabilities: held } = await regionAt(http, HOME);
  note(`${name} holds ${held} capabilities`);
  return [
    {
      name: "a fresh node: from its first link to equal digests",
      value: equalAtMs - linkedAtMs,
      unit: "ms",
      max: FRESH_MS_MAX,
    },
    { name: "a fresh node: from its start to equal digests", value: equalAtMs - startedAtMs, unit: "ms", max: null },
    {
      ...{ name: "a fresh node: answers to its pulls", unit: "answers", max: null },
      value: await metric(http, "atoll_federation_pull_rounds_total"),
    },
    { name: "a fresh node: carried meanwhile", value: carried / 2 ** 20, unit: "MiB", max: null },
    {
      name: "a fresh node: longest stop of its event loop, its start included",
      value: longestStopMs,
      unit: "ms",
      max: null,
    },
  ];
}

async function count(): Promise<Counted> {
  const sum = async (name: string) => {
    const counts = await Promise.all([...home, ...abroad].map((http) => metric(http, name)));
    return counts.reduce((total, value) => total + value, 0);
  };
  return {
    messages: await sum("atoll_federation_summaries_published_total"),
    messageBytes: await sum("atoll_federation_published_bytes_total"),
    pulls: await sum("atoll_federation_pulls_total"),
    wireBytes: await federation.carriedBytes(HOME, ABROAD),
    atMs: performance.now(),
  };
}

function register(i: number, id: string, offered: readonly object[]): Request & { body: object } {
  const body = { endpoint: `http://${id}:8080`, capabilities: offered, leaseMs: LEASE_MS };
  return { origin: home[i % home.length]!, method: "PUT", path: `/v1/agents/${id}`, body };
}

/** Of a size as agents have them: a name of two or three words, a version, two tags. */
function capability(name: string): object {
  return { name: `document-search-${name}`, version: "1.2.0", tags: ["english", "fast"] };
}

function format({ commit, machine, capabilities, wanMs, figures }: SummariesReport): string {
  const title = `summaries of ${capabilities} capabilities, ${round(wanMs)} ms one way, at ${commit}`;
  return `${title}\n${machine}\n${formatFigures(figures)}`;
}
