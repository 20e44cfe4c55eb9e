/**
 * What watchers cost those who write: registrations per second and their latency, without and with watchers, in turns.
 *
 *   npm run bench:watch -- [--watchers 1000] [--pairs 5] [--seconds 5] [--clients 64] [--all] [--json]
 *
 * All watchers are connected to the node that takes all writes. Each watches a capability of its own, and every registration
 * is of one that somebody watches; with `--all` each of them watches everything, which is as bad as it gets. The exit code
 * is 1 when a watcher missed a registration without being told so. Writers, watchers and nodes share this machine: the time
 * that it takes to read the events is in the figures too.
 */

import { Agent, type ClientRequest, request as httpRequest } from "node:http";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { FederationProcess } from "../test/support/federation-process.ts";
import { closedLoop, type LoadResult, type Request, warmUp } from "./load/closed-loop.ts";
import { median } from "./pairs.ts";
import { type Origin, origin, saveReport } from "./report.ts";

const HTTP_BASE = 21_200;
const WARM_UP_REQUESTS = 2_000;
const TOLD_TIMEOUT_MS = 20_000;
const POLL_MS = 50;
/** Watchers that connect at one time. */
const CONNECTING = 50;

const { values } = parseArgs({
  options: {
    watchers: { type: "string", default: "1000" },
    pairs: { type: "string", default: "5" },
    seconds: { type: "string", default: "5" },
    clients: { type: "string", default: "64" },
    all: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});
const [watchers, pairs, seconds, clients] = [values.watchers, values.pairs, values.seconds, values.clients].map(
  Number,
) as [number, number, number, number];

interface Pair {
  readonly without: LoadResult;
  readonly with: LoadResult;
  /** Events that the watchers read; each registration is one for each watcher that it concerns. */
  readonly told: number;
  readonly expected: number;
  readonly resyncs: number;
}

interface WatchReport extends Origin {
  readonly bench: "watch";
  readonly watchers: number;
  readonly watch: "one capability each" | "everything";
  readonly pairs: readonly Pair[];
  /** Registrations per second with watchers, as a share of those without: the median of the pairs. */
  readonly rateRatio: number;
  readonly p99Ratio: number;
}

/** Connections that do nothing but count what they are told. */
class Audience {
  registered = 0;
  resyncs = 0;
  readonly #requests: ClientRequest[] = [];
  readonly #agent = new Agent();

  async join(http: string, count: number): Promise<void> {
    for (let first = 0; first < count; first += CONNECTING) {
      const batch = Array.from({ length: Math.min(CONNECTING, count - first) }, (_, i) => this.#watch(http, first + i));
      await Promise.all(batch);
    }
  }

  leave(): void {
    for (const request of this.#requests.splice(0)) request.destroy();
  }

  #watch(http: string, i: number): Promise<void> {
    const filter = values.all ? "" : `?capability=${capability(i)}`;
    return new Promise((resolve, reject) => {
      const request = httpRequest(`${http}/v1/watch${filter}`, { agent: this.#agent }, (response) => {
        response.setEncoding("utf8");
        let rest = "";
        response.on("data", (piece: string) => {
          const end = piece.lastIndexOf("\n") + 1;
          const text = rest + piece.slice(0, end);
          rest = end === 0 ? rest + piece : piece.slice(end);
          if (end === 0) return;
          this.registered += occurrences(text, "event: registered");
          this.resyncs += occurrences(text, "event: resync");
          if (text.includes("event: ready")) resolve();
        });
        response.on("error", () => {});
      });
      request.on("error", reject);
      request.end();
      this.#requests.push(request);
    });
  }
}

const note = (text: string) => process.stderr.write(`${text}\n`);
const capability = (i: number) => `capability-${i % watchers}`;

note("Starting one region of three nodes ...");
const federation = await FederationProcess.start({ regions: "us-east:3", httpBase: HTTP_BASE });
const node = federation.node(federation.leaders.get("us-east") ?? "us-east-1");
let registrations = 0;
try {
  const report = await run();
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${format(report)}\n`);
  note(`Kept in ${saveReport(report)}`);
  const missed = report.pairs.filter(({ told, expected, resyncs }) => told < expected && resyncs === 0);
  if (missed.length > 0) {
    note(`FAILED: watchers missed ${missed.map(({ told, expected }) => expected - told).join(", ")} registrations`);
    process.exitCode = 1;
  }
} finally {
  await federation.stop();
}

async function run(): Promise<WatchReport> {
  await warmUp(clients, WARM_UP_REQUESTS, registration);
  const measured: Pair[] = [];
  for (let pair = 0; pair < pairs; pair++) {
    measured.push(await measure());
    note(`Pair ${pair + 1} of ${pairs}: ${describe(measured.at(-1)!)}`);
  }
  const watch = values.all ? "everything" : "one capability each";
  const rateRatio = median(measured.map((pair) => pair.with.perSecond / pair.without.perSecond));
  const p99Ratio = median(measured.map((pair) => pair.with.p99Ms / pair.without.p99Ms));
  return { bench: "watch", ...origin(), watchers, watch, pairs: measured, rateRatio, p99Ratio };
}

async function measure(): Promise<Pair> {
  const load = { clients, seconds };
  const without = await closedLoop("no watchers", load, registration);
  const audience = new Audience();
  await audience.join(node.http, watchers);
  const withWatchers = await closedLoop(`${watchers} watchers`, load, registration);
  const expected = (withWatchers.requests - withWatchers.failed) * (values.all ? watchers : 1);
  for (let waitedMs = 0; audience.registered < expected && waitedMs < TOLD_TIMEOUT_MS; waitedMs += POLL_MS) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  const { registered: told, resyncs } = audience;
  audience.leave();
  return { without, with: withWatchers, told, expected, resyncs };
}

function registration(): Request {
  const i = registrations++;
  const body = { endpoint: `http://agent-${i}:8080`, capabilities: [capability(i)], leaseMs: 3_600_000 };
  return { origin: node.http, method: "PUT", path: `/v1/agents/agent-${i}`, body };
}

function occurrences(text: string, part: string): number {
  return text.split(part).length - 1;
}

function describe({ without, with: other, told, expected }: Pair): string {
  return `${Math.round(without.perSecond)}/s, then ${Math.round(other.perSecond)}/s; ${told} of ${expected} told`;
}

function format({ commit, machine, watch, pairs, rateRatio, p99Ratio }: WatchReport): string {
  const table = new Table({
    head: ["pair", "watchers", "per second", "p50 ms", "p99 ms", "failed", "told", "resyncs"],
    style: { head: [], border: [] },
  });
  pairs.forEach((pair, i) => {
    const { without, with: other, told, expected, resyncs } = pair;
    const columns = ({ perSecond, p50Ms, p99Ms, failed }: LoadResult) => {
      return [Math.round(perSecond), p50Ms.toFixed(1), p99Ms.toFixed(1), failed];
    };
    table.push([i + 1, 0, ...columns(without), "", ""]);
    table.push([i + 1, watchers, ...columns(other), `${told} of ${expected}`, resyncs]);
  });
  const ratios = `with/without, median of pairs: rate ${rateRatio.toFixed(3)}, p99 ${p99Ratio.toFixed(3)}`;
  return `watch (${watch}) at ${commit}\n${machine}\n${table.toString()}\n${ratios}`;
}
