/**
 * The working tree beside a commit, in less than three minutes: what did a change do to the rates that matter?
 *
 *   npm run bench:quick -- [--against HEAD] [--pairs 5] [--seconds 2] [--fail-below 0.9] [--only registrations,start] [--json]
 *
 * Both are started as regions of three nodes on this machine, the commit from a worktree in a temporary folder with the same
 * node_modules, and measured in interleaved pairs. A ratio above 1 is better than the commit. The exit code is 0 whatever
 * the ratios are, unless `--fail-below` says from where on it is 1: a spread that reaches over 1 says that nothing was shown.
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "../src/util/clock.ts";
import { localLookup, registration } from "./comparison/atoll-requests.ts";
import { fill } from "./comparison/parts.ts";
import { untilServing } from "./comparison/serving.ts";
import { Session } from "./comparison/session.ts";
import { compare } from "./comparison/sides.ts";
import { round } from "./figures.ts";
import { listenForSignals } from "./interruption.ts";
import type { HttpRequest } from "./load/http-client.ts";
import { positiveNumber } from "./numbers.ts";
import { inPairs, median, ratioOf } from "./pairs.ts";
import { atollPeer } from "./peers/atoll.ts";
import { meshFastHeartbeat } from "./peers/mesh-requests.ts";
import type { PeerCluster } from "./peers/peer.ts";
import { origin } from "./report.ts";
import { formatTargets, type Measured, measuredRatio, type TargetRow, verdictOf } from "./targets.ts";

const ROOT = join(import.meta.dirname, "..");
const HTTP_BASE = 21_300;
const NODES = 3;
const CLIENTS = 64;
const AGENTS = 1_000;
const THIS = "working tree";

const KINDS = ["registrations", "renewals", "lookups", "start"] as const;
type Kind = (typeof KINDS)[number];

const { values } = parseArgs({
  options: {
    against: { type: "string", default: "HEAD" },
    pairs: { type: "string", default: "5" },
    seconds: { type: "string", default: "2" },
    "fail-below": { type: "string" },
    only: { type: "string", default: KINDS.join(",") },
    json: { type: "boolean", default: false },
  },
});
const pairs = positiveNumber("pairs", values.pairs);
const seconds = positiveNumber("seconds", values.seconds);
const failBelow = values["fail-below"] === undefined ? null : positiveNumber("fail-below", values["fail-below"]);
const kinds = values.only.split(",").map(kindOf);
const commit = git("rev-parse", "--short", `${values.against}^{commit}`);

const note = (text: string) => process.stderr.write(`${text}\n`);
const interruption = listenForSignals();
const { signal } = interruption;
const worktree = addWorktree();
const session = await Session.open(
  { pairs, seconds, clients: CLIENTS, agents: AGENTS, steps: [], httpBase: HTTP_BASE, peers: [] },
  { clock: systemClock, signal, parent: tmpdir(), note },
);
const rows: TargetRow[] = [];
try {
  const ours = await start(THIS, join(ROOT, "src/cli/main.ts"));
  const theirs = await start(commit, join(worktree, "src/cli/main.ts"));
  for (const kind of kinds) rows.push(rowOf(kind, await measure(kind, ours, theirs)));
} catch (error) {
  if (!signal.aborted) throw error;
  note("PARTIAL: interrupted");
  process.exitCode = 130;
} finally {
  await session.close();
  removeWorktree();
  interruption.end();
}
const report = { bench: "quick", ...origin(), against: commit, pairs, seconds, rows, phases: session.phases };
const { commit: here, machine } = report;
process.stdout.write(
  values.json ? `${JSON.stringify(report)}\n` : `${here} beside ${commit}\n${machine}\n${formatTargets(rows)}\n`,
);
if (rows.some((row) => verdictOf(row) === "MISSED")) process.exitCode = 1;

async function start(name: string, main: string): Promise<PeerCluster> {
  note(`Starting ${NODES} nodes of ${name} ...`);
  const cluster = await session.start(atollPeer({ main, hasStallableDisks: false }), NODES);
  await fill(session, name, cluster, AGENTS, registration);
  return cluster;
}

function measure(kind: Kind, ours: PeerCluster, theirs: PeerCluster): Promise<Measured> {
  const side = (subject: string, { nodes }: PeerCluster, next: (i: number) => HttpRequest) => ({
    subject,
    parties: nodes,
    next,
  });
  const both = (next: (i: number) => HttpRequest) =>
    compare(session, side(THIS, ours, next), side(commit, theirs, next), { phase: kind });
  if (kind === "registrations") return both((i) => registration(AGENTS + i));
  if (kind === "renewals") return both((i) => meshFastHeartbeat(i % AGENTS));
  if (kind === "lookups") return both((i) => localLookup(i % AGENTS));
  return measureStarts(ours, theirs);
}

/** One node of three that was stopped in order, until it serves again: the others go on meanwhile. */
async function measureStarts(ours: PeerCluster, theirs: PeerCluster): Promise<Measured> {
  note(`starts: ${THIS} and ${commit} ...`);
  const once = async ({ nodes: [node] }: PeerCluster) => {
    if (node === undefined) throw new Error("there is no node to start");
    await node.stop();
    const beganMs = systemClock.now();
    await node.start();
    await untilServing(node.url, session.context);
    return systemClock.now() - beganMs;
  };
  const times = await inPairs(
    pairs,
    () => once(ours),
    () => once(theirs),
  );
  const [a, b] = [times.map(([ms]) => ms), times.map(([, ms]) => ms)].map(median);
  const detail = `${THIS} ${round(a ?? 0)} ms, ${commit} ${round(b ?? 0)} ms`;
  return measuredRatio(ratioOf(times.map(([x, y]) => [y, x] as const)), detail);
}

function rowOf(kind: Kind, measured: Measured): TargetRow {
  const figure = kind === "start" ? "start of a node, times as fast" : `${kind}/s, 3 nodes, times as many`;
  const command = `npm run bench:quick -- --only ${kind} --against ${commit}`;
  return { figure, unit: "x", better: "more", must: failBelow, aim: null, command, measured };
}

/** @returns its folder */
function addWorktree(): string {
  const folder = join(mkdtempSync(join(tmpdir(), "atoll-quick-")), "tree");
  git("worktree", "add", "--quiet", "--detach", folder, commit);
  if (existsSync(join(ROOT, "node_modules"))) symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  return folder;
}

function removeWorktree(): void {
  git("worktree", "remove", "--force", worktree);
  rmSync(join(worktree, ".."), { recursive: true, force: true });
}

function kindOf(text: string): Kind {
  const kind = KINDS.find((known) => known === text.trim());
  if (kind !== undefined) return kind;
  throw new RangeError(`--only ${text}: choose from ${KINDS.join(", ")}`);
}

function git(...args: string[]): string {
  return execFileSync("git", args, { cwd: ROOT, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();
}
