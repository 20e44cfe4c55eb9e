/**
 * How long a snapshot keeps the event loop to itself: the processor time of each turn of the loop while a store of many
 * agents is read, sent, received, proved and restored, in one process and without a network.
 *
 *   npm run bench:turns -- [--agents 100000] [--bytes 1024] [--json]
 *
 * A turn of more than 20 ms fails it. Processor time and not time on the clock, so that a busy machine does not count; collections of garbage do.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { RegistryStateMachine } from "../src/registry/registry-state-machine.ts";
import { LevelStore } from "../src/storage/level-store.ts";
import { RaftStore } from "../src/storage/raft-store.ts";
import { asClusterId, asNodeId, asNodeName, asRegionId } from "../src/types/ids.ts";
import { foundingMembership } from "../src/types/membership.ts";
import { silentLogger } from "../src/util/logger.ts";
import { origin, saveReport } from "./report.ts";

/** What a turn may take. */
const BOUND_MS = 20;
const PER_WRITE = 256;
const CLUSTER = asClusterId("bench");
const MEMBERS = foundingMembership([{ id: asNodeId("a"), name: asNodeName("a") }]);

const { values } = parseArgs({
  options: {
    agents: { type: "string", default: "100000" },
    bytes: { type: "string", default: "1024" },
    json: { type: "boolean", default: false },
  },
});
const [agents, bytes] = [Number(values.agents), Number(values.bytes)];

interface Step {
  readonly step: string;
  readonly cpuMs: number;
  readonly turns: number;
  readonly longestMs: number;
  readonly over20Ms: number;
  readonly residentMib: number;
}

const folder = await mkdtemp(join(tmpdir(), "atoll-bench-"));
try {
  const steps = await run();
  const report = { bench: "snapshot-turns", ...origin(), agents, bytes, steps };
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${format(steps)}\n`);
  if (steps.some(({ over20Ms }) => over20Ms > 0)) process.exitCode = 1;
  process.stderr.write(`Kept in ${saveReport(report)}\n`);
} finally {
  await rm(folder, { recursive: true });
}

async function run(): Promise<Step[]> {
  const level = await LevelStore.open(join(folder, "sender"), silentLogger);
  const sender = new RaftStore(level, silentLogger);
  await sender.found(CLUSTER, MEMBERS);
  process.stderr.write(`Writing ${agents} agents of ${bytes} bytes ...\n`);
  await fill(sender);
  const chunks: Uint8Array[] = [];
  const steps: Step[] = [];
  const measured = async (step: string, task: () => Promise<void>) => steps.push(await measure(step, task));

  await measured("take and read a snapshot", async () => {
    const view = sender.openSnapshot();
    for await (const chunk of view.chunks()) chunks.push(Uint8Array.from(chunk));
    await view.close();
  });
  const receiverLevel = await LevelStore.open(join(folder, "receiver"), silentLogger);
  const receiver = new RaftStore(receiverLevel, silentLogger);
  await receiver.found(CLUSTER, MEMBERS);
  await measured("receive it and put it in place", async () => {
    const header = { cluster: CLUSTER, term: 1, lastIndex: agents, lastTerm: 1, membership: MEMBERS };
    const install = await receiver.beginInstall(header);
    for (const chunk of chunks) await install.write(chunk);
    await install.commit({ term: 1, votedFor: null, commit: agents });
  });
  await measured("restore the registry from it", () =>
    new RegistryStateMachine(asRegionId("bench")).restore(receiver.readState()),
  );
  await receiverLevel.close();
  await measured("prove it at a restart", async () => {
    const reopened = await LevelStore.open(join(folder, "receiver"), silentLogger);
    await new RaftStore(reopened, silentLogger).load();
    await reopened.close();
  });
  await level.close();
  return steps;
}

async function fill(store: RaftStore): Promise<void> {
  for (let first = 1; first <= agents; first += PER_WRITE) {
    const last = Math.min(agents, first + PER_WRITE - 1);
    const indexes = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    await store.write({
      hardState: { term: 1, votedFor: null, commit: last },
      entries: indexes.map((index) => ({ index, term: 1, kind: "empty", data: new Uint8Array(0) })),
      state: {
        writes: indexes.map((index) => ({ key: `agent/agent-${index}`, value: agent(index) })),
        appliedIndex: last,
        membership: MEMBERS,
      },
    });
  }
}

function agent(index: number) {
  const record = {
    name: `agent-${index}`,
    namespace: "default",
    type: "mcp_agent",
    runtime: "python",
    version: "1.0.0",
    endpoint: `http://agent-${index}:8080`,
    labels: {},
    metadata: { padding: "x".repeat(Math.max(0, bytes - 500)) },
    capabilities: [{ name: `skill-${index % 200}`, functionName: "run", version: "1.2.0", tags: ["fast"] }],
    dependencies: [],
    leaseMs: 600_000,
  };
  const times = { registeredAtMs: 0, changedAtMs: 0, incarnatedAtMs: 0 };
  return { id: `agent-${index}`, record, incarnation: index, health: "healthy", revision: index, ...times };
}

/** Looks at the thread's processor time once in each turn of the loop. */
async function measure(step: string, task: () => Promise<void>): Promise<Step> {
  const cpuMs = () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1_000;
  };
  const began = cpuMs();
  let before = began;
  let isDone = false;
  let turns = 0;
  let longestMs = 0;
  let over20Ms = 0;
  let residentMib = 0;
  const look = () => {
    const now = cpuMs();
    const tookMs = now - before;
    before = now;
    turns++;
    longestMs = Math.max(longestMs, tookMs);
    if (tookMs > BOUND_MS) over20Ms++;
    if (turns % 100 === 0) residentMib = Math.max(residentMib, process.memoryUsage.rss() / 2 ** 20);
    if (!isDone) setImmediate(look);
  };
  setImmediate(look);
  await task();
  isDone = true;
  return { step, cpuMs: cpuMs() - began, turns, longestMs, over20Ms, residentMib };
}

function format(steps: readonly Step[]): string {
  const head = ["step", "processor ms", "turns", "longest ms", `turns over ${BOUND_MS} ms`, "resident MiB"];
  const table = new Table({ head, style: { head: [], border: [] } });
  for (const { step, cpuMs, turns, longestMs, over20Ms, residentMib } of steps) {
    table.push([step, Math.round(cpuMs), turns, longestMs.toFixed(1), over20Ms, Math.round(residentMib)]);
  }
  return table.toString();
}
