/**
 * How long one request keeps the event loop to itself, for everything that an agent may send to do harm.
 *
 *   npm run bench:floods -- [--replicas 10000] [--json]
 *
 * The faces of a node in this process, over a registry in memory: no disk, no network, no other node. Each request is sent
 * several times, and of their longest turns the median counts: the first ones are not compiled yet. The exit code is 1 when one
 * took more than 50 ms of processor time.
 */

import { parseArgs } from "node:util";
import Table from "cli-table3";
import { createTestApp } from "../test/support/api-app.ts";
import { addReplicas, BORNE, type Flood, REFUSED } from "../test/support/floods.ts";
import { aRecord } from "../test/unit/registry/fixtures.ts";
import { positiveInteger } from "./numbers.ts";
import { median } from "./pairs.ts";
import { origin, saveReport } from "./report.ts";
import { TurnWatch } from "./turn-watch.ts";

const TURN_MS_MAX = 50;
const ROUNDS = 5;

const { values } = parseArgs({
  options: { replicas: { type: "string", default: "10000" }, json: { type: "boolean", default: false } },
});
const replicas = positiveInteger("replicas", values.replicas);

interface FloodResult {
  readonly what: string;
  readonly bytes: number;
  readonly status: number;
  readonly longestTurnMs: number;
}

const note = (text: string) => process.stderr.write(`${text}\n`);
const { app, node, region } = await createTestApp();
note(`Registering ${replicas} replicas ...`);
await addReplicas(node.service, replicas, aRecord());
const results: FloodResult[] = [];
for (const flood of [...REFUSED, ...BORNE]) results.push(await measure(flood));
await app.close();

const report = { bench: "floods", ...origin(), replicas, turnMsMax: TURN_MS_MAX, results };
process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${format()}\n`);
note(`Kept in ${saveReport(report)}`);
const slow = results.filter(({ longestTurnMs }) => longestTurnMs > TURN_MS_MAX);
for (const { what, longestTurnMs } of slow) note(`FAILED: ${what} kept the event loop for ${longestTurnMs} ms`);
if (slow.length > 0) process.exitCode = 1;

async function measure(flood: Flood): Promise<FloodResult> {
  const { what, payload = "" } = flood;
  const longest: number[] = [];
  let status = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const turns = new TurnWatch();
    status = await send(fromAgent(flood, round));
    longest.push(turns.stop());
  }
  return { what, bytes: Buffer.byteLength(payload), status, longestTurnMs: Math.round(median(longest) * 10) / 10 };
}

/** As another agent in each round: what a node keeps about one it knows must not answer for one it does not. */
function fromAgent(flood: Flood, round: number): Flood {
  const { url, payload } = flood;
  const [from, to] = [/flooder-1/g, `flooder-${round + 1}`];
  return { ...flood, url: url.replace(from, to), ...(payload !== undefined && { payload: payload.replace(from, to) }) };
}

async function send({ method, url, payload, status, what }: Flood): Promise<number> {
  const headers = { "content-type": "application/json" };
  const answer = await region.clock.settled(
    app.inject({ method, url, headers, ...(payload !== undefined && { payload }) }),
  );
  if (answer.statusCode !== status) throw new Error(`${what}: ${answer.statusCode} ${answer.body.slice(0, 500)}`);
  return answer.statusCode;
}

function format(): string {
  const table = new Table({
    head: ["request", "bytes", "status", "longest turn ms"],
    colAligns: ["left", "right", "right", "right"],
    style: { head: [], border: [], compact: true },
  });
  for (const { what, bytes, status, longestTurnMs } of results)
    table.push([what, bytes, status, longestTurnMs.toFixed(1)]);
  return `floods at ${report.commit}, ${replicas} replicas\n${report.machine}\n${table.toString()}`;
}
