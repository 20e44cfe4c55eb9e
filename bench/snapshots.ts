/**
 * A region with many agents, one of whose members lost its disk: what it costs to bring that member back by snapshot while
 * writes go on.
 *
 *   npm run bench:snapshots -- [--agents 100000] [--bytes 1024] [--writes-per-second 50] [--json]
 *
 * Three processes on this machine, and a client that writes at fixed times, so that a stall shows in every write that
 * falls into it. Event-loop delays are the processes' own (a timer every 10 ms, so 10 ms is none); memory is resident size.
 */

import { rm } from "node:fs/promises";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { build } from "hdr-histogram-js";
import { type NodeProcess, ProcessGroup, startRegion } from "../test/support/node-process.ts";
import { closedLoop, type Request } from "./load/closed-loop.ts";
import { positiveInteger } from "./numbers.ts";
import { origin, saveReport } from "./report.ts";

const HTTP_BASE = 18_600;
const CLIENTS = 64;
const LEASE_MS = 600_000;
const SAMPLE_MS = 500;
const QUIET_SECONDS = 15;

const { values } = parseArgs({
  options: {
    agents: { type: "string", default: "100000" },
    bytes: { type: "string", default: "1024" },
    "writes-per-second": { type: "string", default: "50" },
    json: { type: "boolean", default: false },
  },
});
const agents = positiveInteger("agents", values.agents);
const bytes = positiveInteger("bytes", values.bytes);
const writesPerSecond = positiveInteger("writes-per-second", values["writes-per-second"]);

interface Phase {
  readonly phase: string;
  readonly seconds: number;
  readonly writes: number;
  readonly failed: number;
  readonly writeP50Ms: number;
  readonly writeP99Ms: number;
  readonly writeMaxMs: number;
  readonly nodes: readonly {
    readonly name: string;
    readonly loopDelayMaxMs: number;
    readonly residentMaxMib: number;
  }[];
}

const note = (text: string) => process.stderr.write(`${text}\n`);
const group = await ProcessGroup.create({ region: "bench", httpBase: HTTP_BASE });
try {
  const nodes = ["a", "b", "c"].map((name) => group.add(name));
  await startRegion(nodes);
  note(`Registering ${agents} agents of ${bytes} bytes ...`);
  const filled = await closedLoop("fill", { clients: CLIENTS, count: agents }, (i) =>
    register(nodes[i % nodes.length]!.http, `agent-${i}`),
  );
  note(`${Math.round(filled.perSecond)} a second, ${filled.failed} failed`);

  const { leader: leaderName } = await nodes[0]!.api.members();
  const leader = nodes.find(({ name }) => name === leaderName)!;
  const lost = nodes.find((node) => node !== leader)!;
  const others = nodes.filter((node) => node !== lost);
  const quiet = await measure("writes alone", nodes, others, () => pause(QUIET_SECONDS * 1_000));
  const former = (await lost.member(leader))!.nodeId;
  await lost.kill();
  await rm(lost.dataDir, { recursive: true });
  note(`${lost.name} lost its disk and comes back while ${leader.name} leads ...`);
  const catchingUp = await measure("a member catches up", nodes, others, async () => {
    lost.start(others);
    await lost.untilRunning(async () => {
      const member = await lost.member(leader);
      return member?.role === "voter" && member.nodeId !== former;
    }, `${lost.name} to vote again`);
  });
  const report = {
    ...{ bench: "snapshots", ...origin(), agents, bytes, writesPerSecond },
    ...{ leader: leader.name, lost: lost.name, phases: [quiet, catchingUp] },
  };
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${format(report.phases)}\n`);
  note(`Kept in ${saveReport(report)}`);
} finally {
  await group.destroy();
}

/** Writes at fixed times through `writers` and samples the nodes while `task` lasts. */
async function measure(
  phase: string,
  nodes: readonly NodeProcess[],
  writers: readonly NodeProcess[],
  task: () => Promise<void>,
): Promise<Phase> {
  note(`${phase} ...`);
  const microseconds = build({ lowestDiscernibleValue: 1, highestTrackableValue: 60_000_000 });
  const peaks = new Map(nodes.map(({ name }) => [name, { loopDelayMaxMs: 0, residentMaxMib: 0 }]));
  // What was before is not this phase's: a node's delay is that since it was asked last.
  for (const node of nodes) if (node.isRunning) await node.metric("nodejs_eventloop_lag_max_seconds");
  const began = performance.now();
  let isDone = false;
  let writes = 0;
  let failed = 0;
  const writing: Promise<void>[] = [];
  const write = async (dueAt: number) => {
    const node = writers[writes % writers.length]!;
    const { path, body } = register(node.http, `written-${began}-${writes++}`);
    const headers = { "content-type": "application/json" };
    try {
      const response = await fetch(`${node.http}${path}`, { method: "PUT", headers, body: JSON.stringify(body) });
      await response.body?.cancel();
      if (!response.ok) failed++;
    } catch {
      failed++;
    }
    microseconds.recordValue(Math.max(1, Math.round((performance.now() - dueAt) * 1_000)));
  };
  const pacer = (async () => {
    for (let i = 0; !isDone; i++) {
      const dueAt = began + (i * 1_000) / writesPerSecond;
      await pause(dueAt - performance.now());
      writing.push(write(dueAt));
    }
  })();
  const sampler = (async () => {
    while (!isDone) {
      await pause(SAMPLE_MS);
      for (const node of nodes) {
        if (!node.isRunning) continue;
        const peak = peaks.get(node.name)!;
        // It may end, or have yet to listen.
        const delay = await node.metric("nodejs_eventloop_lag_max_seconds").catch(() => 0);
        const resident = await node.metric("process_resident_memory_bytes").catch(() => 0);
        peak.loopDelayMaxMs = Math.max(peak.loopDelayMaxMs, delay * 1_000);
        peak.residentMaxMib = Math.max(peak.residentMaxMib, resident / 2 ** 20);
      }
    }
  })();
  await task();
  isDone = true;
  await Promise.all([pacer, sampler]);
  await Promise.all(writing);
  const at = (percentile: number) => microseconds.getValueAtPercentile(percentile) / 1_000;
  return {
    ...{ phase, seconds: (performance.now() - began) / 1_000, writes, failed },
    ...{ writeP50Ms: at(50), writeP99Ms: at(99), writeMaxMs: microseconds.maxValue / 1_000 },
    nodes: [...peaks].map(([name, peak]) => ({ name, ...peak })),
  };
}

function register(origin: string, id: string): Request & { body: object } {
  const capability = { name: `skill-${id.length % 7}`, version: "1.2.0", tags: ["english"] };
  const body = { endpoint: `http://${id}:8080`, capabilities: [capability], leaseMs: LEASE_MS, metadata: {} };
  const padding = Math.max(0, bytes - JSON.stringify(body).length);
  return {
    origin,
    method: "PUT",
    path: `/v1/agents/${id}`,
    body: { ...body, metadata: { padding: "x".repeat(padding) } },
  };
}

function format(phases: readonly Phase[]): string {
  const head = [
    "phase",
    "seconds",
    "writes",
    "failed",
    "p50 ms",
    "p99 ms",
    "max ms",
    "loop delay max ms",
    "resident MiB",
  ];
  const table = new Table({ head, style: { head: [], border: [] } });
  for (const { phase, seconds, writes, failed, writeP50Ms, writeP99Ms, writeMaxMs, nodes } of phases) {
    const times = [writeP50Ms, writeP99Ms, writeMaxMs].map((ms) => ms.toFixed(1));
    const perNode = (value: (node: Phase["nodes"][number]) => number) =>
      nodes.map((node) => `${node.name} ${Math.round(value(node))}`).join("  ");
    const loop = perNode(({ loopDelayMaxMs }) => loopDelayMaxMs);
    table.push([phase, seconds.toFixed(1), writes, failed, ...times, loop, perNode((node) => node.residentMaxMib)]);
  }
  return table.toString();
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));
}
