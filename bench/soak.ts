/**
 * Everything at once for a long time, with both cores full: does a region that nothing is wrong with keep its leader?
 *
 *   npm run soak -- [--minutes 10] [--agents 2000] [--clients 64] [--json]
 *
 * Two regions of three processes each. Clients register, renew, deregister and look up, near and far, through every node,
 * as fast as they are answered. Each minute prints what was done and how many elections were held; one is too many: the
 * exit code says so, and the nodes' own words say why.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { FederationProcess } from "../test/support/federation-process.ts";
import { closedLoop, type LoadResult, type Request } from "./load/closed-loop.ts";
import { createReport, formatReport, saveReport } from "./report.ts";

const HTTP_BASE = 20_400;
const CAPABILITIES = 200;
const LEASE_MS = 600_000;
const ELECTION_METRICS = ["atoll_raft_elections_total", "atoll_raft_leader_changes_total"];

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    agents: { type: "string", default: "2000" },
    clients: { type: "string", default: "64" },
    json: { type: "boolean", default: false },
  },
});
const [minutes, agents, clients] = [values.minutes, values.agents, values.clients].map(positive) as [
  number,
  number,
  number,
];

const note = (text: string) => process.stderr.write(`${text}\n`);
note("Starting two regions of three nodes ...");
const federation = await FederationProcess.start({ regions: "us-east:3,us-west:3", httpBase: HTTP_BASE });
try {
  const nodes = federation.nodes.map(({ http }) => http);
  await closedLoop("register all", { clients, count: agents }, (i) => register(nodes[i % nodes.length]!, i));
  const before = await elections(nodes);
  const results: LoadResult[] = [];
  for (let minute = 1; minute <= minutes; minute++) {
    const result = await closedLoop(`minute ${minute}`, { clients, seconds: 60 }, (i) => anything(nodes, i));
    results.push(result);
    const held = (await elections(nodes)) - before;
    note(`minute ${minute}: ${Math.round(result.perSecond)} requests/s, ${result.failed} failed, ${held} elections`);
  }
  const held = (await elections(nodes)) - before;
  const report = createReport("soak", results);
  process.stdout.write(
    values.json
      ? `${JSON.stringify({ ...report, elections: held })}\n`
      : `${formatReport(report)}\n${held} elections\n`,
  );
  note(`Kept in ${saveReport(report)}`);
  if (held > 0) {
    process.exitCode = 1;
    for (const { name } of federation.nodes) note(lossesOf(name));
  }
} finally {
  await federation.stop();
}

/** What the node's log says of leaders that it lost, and of its own stalls. */
function lossesOf(node: string): string {
  const lines = readFileSync(join(federation.dataDir, "nodes", `${node}.log`), "utf8").split("\n");
  return lines.filter((line) => /"RAFT_(LEADER_LOST|STALLED)"/.test(line)).join("\n");
}

/** Of 20 requests 8 renew, 7 look up (one of them linearizably, one abroad), 4 register and 1 deregisters. */
function anything(nodes: readonly string[], i: number): Request {
  const agent = Math.floor(i / 20) % agents;
  const home = nodes[agent % nodes.length]!;
  const any = nodes[i % nodes.length]!;
  const kind = i % 20;
  if (kind < 8) return renew(nodes, (i * 7) % agents);
  if (kind < 13) return lookup(any, i, "&scope=region");
  if (kind === 13) return lookup(any, i, "&scope=region&consistency=linearizable");
  if (kind === 14) return lookup(any, i, "");
  if (kind < 19) return register(home, agent);
  return { origin: home, method: "DELETE", path: `/v1/agents/agent-${agent}`, expected: [404] };
}

/** Of an agent that may have been deregistered a moment ago. */
function renew(nodes: readonly string[], agent: number): Request {
  const origin = nodes[agent % nodes.length]!;
  return { origin, method: "POST", path: `/v1/agents/agent-${agent}/renew`, body: {}, expected: [404, 410] };
}

function register(origin: string, i: number): Request {
  const id = `agent-${i}`;
  const capability = { name: `skill-${i % CAPABILITIES}`, version: "1.2.0", tags: ["english", "fast"] };
  // Data of its own each time, so that it is a write and not only a renewal.
  const metadata = { registeredFor: `${performance.now()}` };
  const body = { endpoint: `http://${id}:8080`, capabilities: [capability], metadata, leaseMs: LEASE_MS };
  return { origin, method: "PUT", path: `/v1/agents/${id}`, body };
}

function lookup(origin: string, i: number, more: string): Request {
  return { origin, method: "GET", path: `/v1/lookup?capability=skill-${i % CAPABILITIES}&limit=10${more}` };
}

/** Elections begun and leaders changed, on all nodes since they started. */
async function elections(nodes: readonly string[]): Promise<number> {
  let sum = 0;
  for (const node of nodes) {
    const text = await (await fetch(`${node}/metrics`)).text();
    for (const line of text.split("\n")) {
      if (ELECTION_METRICS.some((name) => line.startsWith(name))) sum += Number(line.split(" ").at(-1));
    }
  }
  return sum;
}

function positive(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new RangeError(`${text}: write an integer of at least 1`);
}
