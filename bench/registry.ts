/**
 * Registration, renewal and lookup through HTTP, on a federation of real processes on this machine.
 *
 *   npm run bench -- [--agents 1000] [--clients 64] [--wan-ms 0] [--json]
 *
 * Clients and all six nodes share the machine, so the figures are a floor of what it could do and good for comparing one
 * commit with another, in pairs.
 */

import { parseArgs } from "node:util";
import { FederationProcess } from "../test/support/federation-process.ts";
import { closedLoop, type LoadResult, type Request, warmUp } from "./load/closed-loop.ts";
import { createReport, formatReport, saveReport } from "./report.ts";

const HTTP_BASE = 20_000;
/** Distinct capabilities: a lookup finds `agents / CAPABILITIES` agents and answers with at most `LOOKUP_LIMIT`. */
const CAPABILITIES = 100;
const LOOKUP_LIMIT = 10;
/** Long enough that nothing expires during a run. */
const LEASE_MS = 600_000;

const { values } = parseArgs({
  options: {
    agents: { type: "string", default: "1000" },
    clients: { type: "string", default: "64" },
    "wan-ms": { type: "string", default: "0" },
    json: { type: "boolean", default: false },
  },
});
const agents = positive("agents", values.agents);
const clients = positive("clients", values.clients);
const wanMs = Number(values["wan-ms"]);

const note = (text: string) => process.stderr.write(`${text}\n`);
note("Starting two regions of three nodes ...");
const federation = await FederationProcess.start({ regions: "us-east:3,us-west:3", httpBase: HTTP_BASE, wanMs });
try {
  const results = await run();
  const report = createReport("registry", results);
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${formatReport(report)}\n`);
  note(`Kept in ${saveReport(report)}`);
} finally {
  await federation.stop();
}

async function run(): Promise<LoadResult[]> {
  const east = federation.nodesOf("us-east").map(({ http }) => http);
  const leader = federation.node(federation.leaders.get("us-east")!).http;
  const follower = east.find((http) => http !== leader)!;
  const abroad = federation.nodesOf("us-west")[0]!.http;
  const registerAt = (origins: readonly string[], prefix: string) => (i: number) =>
    register(origins[i % origins.length]!, `${prefix}-${i}`, i);
  const anAgent = (i: number) => `any-${i % agents}`;

  await warmUp(clients, Math.min(agents, 500), registerAt(east, "warm"));
  const results: LoadResult[] = [];
  const measure = async (phase: string, load: { clients: number; count: number }, next: (i: number) => Request) => {
    note(`${phase} ...`);
    results.push(await closedLoop(phase, load, next));
  };
  await measure("register, any node", { clients, count: agents }, registerAt(east, "any"));
  await measure("register, leader", { clients, count: agents }, registerAt([leader], "leader"));
  await measure("register, follower", { clients, count: agents }, registerAt([follower], "follower"));
  await measure("register, one client", { clients: 1, count: 200 }, registerAt([leader], "single"));
  await measure("renew", { clients, count: 5 * agents }, (i) => renew(east[i % 3]!, anAgent(i)));
  await measure("HEAD /heartbeat", { clients, count: 5 * agents }, (i) => head(east[i % 3]!, anAgent(i)));
  await measure("lookup, own region", { clients, count: 5 * agents }, (i) => lookup(follower, i, "&scope=region"));
  await measure("lookup, linearizable", { clients, count: agents }, (i) =>
    lookup(follower, i, "&scope=region&consistency=linearizable"),
  );
  // No kept answer is linearizable: each of these asks the other region, and that its leader.
  await measure("lookup abroad, asked anew", { clients, count: agents }, (i) =>
    lookup(abroad, i, "&region=us-east&consistency=linearizable"),
  );
  await measure("lookup abroad, kept", { clients, count: 5 * agents }, (i) => lookup(abroad, i, "&region=us-east"));
  return results;
}

function register(origin: string, id: string, i: number): Request {
  const capability = { name: `skill-${i % CAPABILITIES}`, version: "1.2.0", tags: ["english", "fast"] };
  const body = { endpoint: `http://${id}:8080`, capabilities: [capability], leaseMs: LEASE_MS };
  return { origin, method: "PUT", path: `/v1/agents/${id}`, body };
}

function renew(origin: string, id: string): Request {
  return { origin, method: "POST", path: `/v1/agents/${id}/renew`, body: {} };
}

function head(origin: string, id: string): Request {
  return { origin, method: "HEAD", path: `/heartbeat/${id}` };
}

function lookup(origin: string, i: number, more: string): Request {
  const path = `/v1/lookup?capability=skill-${i % CAPABILITIES}&limit=${LOOKUP_LIMIT}${more}`;
  return { origin, method: "GET", path };
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new RangeError(`--${name} ${text}: write an integer of at least 1`);
}
