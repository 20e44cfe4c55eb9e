/**
 * A whole region is killed under its agents, and started again: does anybody lose a registration, and how soon is all well?
 *
 *   npm run bench:restart -- [--agents 10000] [--seconds 60] [--json]
 *
 * Three processes are killed at once (SIGKILL) while the fleet heartbeats (`fleet.ts`), and started at once. The exit code is 1
 * when an agent was expired or told to register again, when one was not heard within two heartbeats after the region could
 * serve, or when a request waited longer than agents do. The fleet and the nodes share this machine.
 */

import { parseArgs } from "node:util";
import Table from "cli-table3";
import { FederationProcess } from "../test/support/federation-process.ts";
import { DEADLINE_MS, Fleet, HEARTBEAT_MS, type Second } from "./fleet.ts";
import { positiveInteger } from "./numbers.ts";
import { type Origin, origin, saveReport } from "./report.ts";

const HTTP_BASE = 20_800;
const REGION = "us-east";
const REGISTERING_CLIENTS = 64;
/** How long the fleet heartbeats before the region is killed. */
const WARM_UP_MS = 3 * HEARTBEAT_MS;
const WATCH_MS = 500;
const RECOVERY_MS_MAX = 2 * HEARTBEAT_MS;

const { values } = parseArgs({
  options: {
    agents: { type: "string", default: "10000" },
    seconds: { type: "string", default: "60" },
    json: { type: "boolean", default: false },
  },
});
const size = positiveInteger("agents", values.agents);
const seconds = positiveInteger("seconds", values.seconds);

interface NodeHealth {
  readonly unhealthy: number;
  readonly expired: number;
  readonly eventLoopP99Ms: number;
}

interface Facts {
  readonly agents: number;
  /** Acknowledged heartbeats before the region was killed. */
  readonly usualPerSecond: number;
  /** From the kill until every node could serve again. */
  readonly outageMs: number;
  /** From then until everybody had been heard; null when it took far too long. */
  readonly recoveredMs: number | null;
  readonly recoveredMsMax: number;
  readonly unhealthyMost: number;
  readonly expired: number;
  readonly lostLeases: number;
  readonly overDeadline: number;
  /** Requests in the busiest second since the kill. */
  readonly peakPerSecond: number;
  readonly slowestMs: number;
  /** Of the worst node since it was started again. */
  readonly eventLoopP99Ms: number;
}

interface RestartReport extends Origin {
  readonly bench: "restart";
  readonly facts: Facts;
  /** From the second of the kill on. */
  readonly timeline: readonly Second[];
  readonly failures: readonly string[];
}

const note = (text: string) => process.stderr.write(`${text}\n`);
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

note("Starting one region of three nodes ...");
const federation = await FederationProcess.start({ regions: `${REGION}:3`, httpBase: HTTP_BASE });
const fleet = new Fleet(
  federation.nodes.map(({ http }) => http),
  size,
);
try {
  const report = await run();
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${format(report)}\n`);
  note(`Kept in ${saveReport(report)}`);
  for (const failure of report.failures) note(`FAILED: ${failure}`);
  if (report.failures.length > 0) process.exitCode = 1;
} finally {
  fleet.stop();
  await federation.stop();
}

async function run(): Promise<RestartReport> {
  note(`Registering ${size} agents ...`);
  await fleet.start(REGISTERING_CLIENTS);
  note("Heartbeats ...");
  await sleep(WARM_UP_MS);
  const usualPerSecond = Math.round(fleet.rate(WARM_UP_MS / 2_000));
  note(`Killing all three nodes under ${usualPerSecond} heartbeats/s ...`);
  const killedSecond = fleet.timeline.length - 1;
  const killedAt = performance.now();
  await Promise.all(federation.nodes.map(({ name }) => federation.killByPid(name)));
  await federation.startStopped();
  const servingAt = performance.now();
  note(`Serving again after ${Math.round(servingAt - killedAt)} ms`);
  const [recoveredMs, worst] = await Promise.all([
    watchRecovery(servingAt, killedAt),
    watchHealth(servingAt + seconds * 1_000),
  ]);
  const timeline = fleet.timeline
    .slice(killedSecond, -1)
    .map((second) => ({ ...second, at: second.at - killedSecond }));
  const peakPerSecond = Math.max(...timeline.map(({ requests }) => requests));
  const facts: Facts = {
    agents: size,
    usualPerSecond,
    outageMs: Math.round(servingAt - killedAt),
    recoveredMs,
    recoveredMsMax: RECOVERY_MS_MAX,
    unhealthyMost: worst.unhealthy,
    expired: worst.expired,
    lostLeases: fleet.lostLeases,
    overDeadline: fleet.overDeadline,
    peakPerSecond,
    slowestMs: Math.max(...timeline.map(({ slowestMs }) => slowestMs)),
    eventLoopP99Ms: worst.eventLoopP99Ms,
  };
  return { bench: "restart", ...origin(), facts, timeline, failures: failuresOf(facts) };
}

/** Milliseconds from when the region could serve until everybody had been heard since it was killed; null when it took too long. */
async function watchRecovery(servingAt: number, killedAt: number): Promise<number | null> {
  for (;;) {
    const now = performance.now();
    if (fleet.silentSince(killedAt) === 0) return Math.round(now - servingAt);
    if (now - servingAt > 3 * RECOVERY_MS_MAX) return null;
    await sleep(50);
  }
}

/** The worst that any node showed until then. */
async function watchHealth(until: number): Promise<NodeHealth> {
  const worst = { unhealthy: 0, expired: 0, eventLoopP99Ms: 0 };
  while (performance.now() < until) {
    for (const { http } of federation.nodes) {
      const health = await healthOf(http);
      for (const field of ["unhealthy", "expired", "eventLoopP99Ms"] as const) {
        worst[field] = Math.max(worst[field], health[field]);
      }
    }
    await sleep(WATCH_MS);
  }
  return worst;
}

async function healthOf(http: string): Promise<NodeHealth> {
  const text = await (await fetch(`${http}/metrics`)).text();
  const value = (name: string) => {
    const [, found] = new RegExp(`^${name} (\\S+)$`, "m").exec(text) ?? [];
    if (found === undefined) throw new Error(`${http} has no metric ${name}`);
    return Number(found);
  };
  return {
    unhealthy: value('mcp_registry_agents_by_status\\{status="unhealthy"[^}]*\\}'),
    expired: value("atoll_registry_leases_expired_total(?:\\{[^}]*\\})?"),
    eventLoopP99Ms: Math.round(value("nodejs_eventloop_lag_p99_seconds(?:\\{[^}]*\\})?") * 1_000),
  };
}

function failuresOf(facts: Facts): string[] {
  const { recoveredMs, unhealthyMost, expired, lostLeases, overDeadline } = facts;
  return [
    ...(unhealthyMost === 0 ? [] : [`${unhealthyMost} agents were unhealthy at once`]),
    ...(expired === 0 ? [] : [`${expired} leases were ended`]),
    ...(lostLeases === 0 ? [] : [`${lostLeases} agents were told to register again`]),
    ...(overDeadline === 0 ? [] : [`${overDeadline} requests waited for ${DEADLINE_MS} ms`]),
    ...(recoveredMs !== null && recoveredMs <= RECOVERY_MS_MAX
      ? []
      : [`not everybody was heard within ${RECOVERY_MS_MAX} ms after the region could serve: ${recoveredMs}`]),
  ];
}

function format({ commit, machine, facts, timeline }: RestartReport): string {
  const table = new Table({
    head: ["second", "requests", "acknowledged", "refused (503)", "no node", "slowest ms"],
    colAligns: ["right", "right", "right", "right", "right", "right"],
    style: { head: [], border: [], compact: true },
  });
  const row = ({ at, requests, acknowledged, refused, lost, slowestMs }: Second) =>
    table.push([at, requests, acknowledged, refused, lost, slowestMs]);
  timeline.forEach(row);
  const told = Object.entries(facts).map(([name, value]) => `${name} ${value}`);
  return `restart at ${commit}\n${machine}\n${table.toString()}\n${told.join("\n")}`;
}
