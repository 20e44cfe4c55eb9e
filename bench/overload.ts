/**
 * What a node does at several times the load that it can bear: whether renewals pass, what grows, and how soon it is itself
 * again (P12).
 *
 *   npm run bench:overload -- [--factor 4] [--seconds 30] [--agents 2000] [--json]
 *
 * One node, asked in an open loop. First the highest rate of the mix is found at which nothing fails and one renewal in a hundred
 * at most is later than 100 ms; then renewals go on at the rate that they had in it, and writes and lookups so often that all
 * together is `factor` times as much; then the mix is asked at 0.7 of that rate until a whole second passes without a refusal.
 * All figures are of one run, so that what slows the machine slows each. Renewals have connections of their own, as agents
 * have, and all connections are open before a phase begins: libuv accepts one in each turn of the loop, so that who connects
 * while turns are long waits for it. The exit code is 1 when a promise was missed.
 */

import { parseArgs } from "node:util";
import { build, type Histogram } from "hdr-histogram-js";
import { systemClock } from "../src/util/clock.ts";
import { increment } from "../src/util/counts.ts";
import { seededRandom } from "../src/util/random.ts";
import { type NodeProcess, ProcessGroup } from "../test/support/node-process.ts";
import { localLookup, registration, renewal } from "./comparison/atoll-requests.ts";
import { type Figure, formatFigures, isMissed } from "./figures.ts";
import { arrivals } from "./load/arrivals.ts";
import { type HttpAnswer, HttpClient, type HttpRequest, isAcknowledged } from "./load/http-client.ts";
import { OpenLoop } from "./load/open-loop.ts";
import { usageOf } from "./process-usage.ts";
import { origin, saveReport } from "./report.ts";

const HTTP_BASE = 19_740;
const SHARES = { renewal: 0.3, write: 0.2, lookup: 0.5 } as const;
type Kind = keyof typeof SHARES;
const KINDS: readonly Kind[] = ["renewal", "write", "lookup"];
/**
 * Agents renew over connections of their own. Of the others so many ask at a time; what more of them would ask is not sent, and
 * counts as asked: a generator that queues it has nothing left to ask with.
 */
const CONNECTIONS: Readonly<Record<Kind, number>> = { renewal: 2_048, write: 512, lookup: 512 };
/** Fastify keeps a connection for 72 s. */
const KEEP_ALIVE_MS = 60_000;
const TIMEOUT_MS = 5_000;
const HELD_P99_MS = 100;
const FIRST_RATE = 200;
const STEP = 1.5;
const TRIAL_SECONDS = 4;
const CALM_FACTOR = 0.7;
const CALM_SECONDS_MAX = 60;
/** Of acknowledged renewals, in percent. */
const RENEWALS_MIN = 99.9;
const RECOVERY_SECONDS_MAX = 15;
/** The second half of the overload may use so much more memory than the first. */
const GROWTH_MAX = 1.3;

const { values } = parseArgs({
  options: {
    factor: { type: "string", default: "4" },
    seconds: { type: "string", default: "30" },
    agents: { type: "string", default: "2000" },
    json: { type: "boolean", default: false },
  },
});
const [factor, seconds, agents] = [values.factor, values.seconds, values.agents].map(Number) as [
  number,
  number,
  number,
];

/** What became of the requests of one kind. */
class Tally {
  asked = 0;
  acknowledged = 0;
  /** Answered 503. */
  refused = 0;
  /** Answered otherwise, or not in time. */
  failed = 0;
  /** As many were under way as may. */
  unsent = 0;
  /** How often each thing was the reason. */
  readonly failures = new Map<string, number>();
  readonly #ms: Histogram = build({ highestTrackableValue: 60_000, numberOfSignificantValueDigits: 3 });

  take(answer: HttpAnswer, tookMs: number): void {
    if (isAcknowledged(answer)) {
      this.acknowledged++;
      this.#ms.recordValue(Math.max(1, Math.round(tookMs)));
    } else if (answer.status === 503) this.refused++;
    else {
      this.failed++;
      increment(this.failures, answer.failure ?? `${answer.status}`);
    }
  }

  get p99Ms(): number {
    return this.#ms.getValueAtPercentile(99);
  }
}

interface Phase {
  readonly what: string;
  readonly perSecond: Readonly<Record<Kind, number>>;
  readonly tallies: Readonly<Record<Kind, Tally>>;
  /** How far this generator was behind at most. */
  readonly behindMs: number;
  /** Resident memory of the node in each second. */
  readonly rssBytes: readonly number[];
}

const note = (text: string) => process.stderr.write(`${text}\n`);
const random = seededRandom(1);
let written = agents;

/** Asks at these rates for so long, or until `isOver` says so at the end of a second. */
async function ask(
  node: NodeProcess,
  what: string,
  total: { readonly perSecond: Readonly<Record<Kind, number>>; readonly seconds: number },
  isOver: (second: Readonly<Record<Kind, Tally>>) => boolean = () => false,
): Promise<Phase> {
  const { perSecond } = total;
  const sides = KINDS.map((kind) => new Side(node.http, kind, perSecond[kind]));
  const rssBytes: number[] = [];
  for (const side of sides) await side.connect();
  for (const side of sides) side.start();
  for (let second = 0; second < total.seconds; second++) {
    for (const side of sides) side.lastSecond = new Tally();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    rssBytes.push(usageOf(node.pid)?.rssBytes ?? 0);
    if (isOver(byKind(sides, (side) => side.lastSecond))) break;
  }
  await Promise.all(sides.map((side) => side.stop()));
  const behindMs = Math.max(...sides.map((side) => side.behindMs));
  const phase = { what, perSecond, tallies: byKind(sides, (side) => side.tally), behindMs, rssBytes };
  note(describe(phase));
  return phase;
}

/** One kind of request, at its rate and over its connections. */
class Side {
  readonly kind: Kind;
  readonly tally = new Tally();
  lastSecond = new Tally();
  readonly #origin: string;
  readonly #http: HttpClient;
  readonly #loop: OpenLoop;
  readonly #underWay = new Set<Promise<void>>();

  constructor(at: string, kind: Kind, perSecond: number) {
    this.kind = kind;
    this.#origin = at;
    this.#http = new HttpClient({
      connectionsMax: CONNECTIONS[kind],
      timeoutMs: TIMEOUT_MS,
      keepAliveMs: KEEP_ALIVE_MS,
    });
    this.#loop = new OpenLoop({
      clock: systemClock,
      arrivals: arrivals(perSecond, "poisson", random),
      issue: (intendedMs) => this.#issue(intendedMs),
    });
  }

  get behindMs(): number {
    return this.#loop.behindMs;
  }

  /** Opens all connections: as many questions at one time, which cost the node nothing else. */
  async connect(): Promise<void> {
    const probes = Array.from({ length: CONNECTIONS[this.kind] }, () =>
      this.#http.send(this.#origin, { method: "GET", path: "/health" }),
    );
    await Promise.all(probes);
  }

  start(): void {
    this.#loop.start();
  }

  async stop(): Promise<void> {
    this.#loop.stop();
    await Promise.all(this.#underWay);
    await this.#http.close();
  }

  #issue(intendedMs: number): void {
    const tallies = [this.tally, this.lastSecond];
    const isSent = this.#underWay.size < CONNECTIONS[this.kind];
    for (const tally of tallies) {
      tally.asked++;
      if (!isSent) tally.unsent++;
    }
    if (!isSent) return;
    const sent = this.#http.send(this.#origin, requestOf(this.kind)).then((answer) => {
      for (const tally of tallies) tally.take(answer, systemClock.now() - intendedMs);
      this.#underWay.delete(sent);
    });
    this.#underWay.add(sent);
  }
}

function byKind<Value>(sides: readonly Side[], of: (side: Side) => Value): Record<Kind, Value> {
  return Object.fromEntries(sides.map((side) => [side.kind, of(side)])) as Record<Kind, Value>;
}

function requestOf(kind: Kind): HttpRequest {
  const any = Math.floor(random.next() * agents);
  if (kind === "renewal") return renewal(any);
  return kind === "lookup" ? localLookup(any) : registration(written++);
}

function mixAt(rate: number): Record<Kind, number> {
  return { renewal: SHARES.renewal * rate, write: SHARES.write * rate, lookup: SHARES.lookup * rate };
}

/** Renewals as before; the rest makes up for it, in the proportion that it has. */
function overloadOf(rate: number): Record<Kind, number> {
  const renewals = SHARES.renewal * rate;
  const others = (factor * rate - renewals) / (SHARES.write + SHARES.lookup);
  return { renewal: renewals, write: SHARES.write * others, lookup: SHARES.lookup * others };
}

function isHeld({ tallies }: Phase): boolean {
  const all = KINDS.map((kind) => tallies[kind]);
  return (
    all.every(({ refused, failed, unsent }) => refused + failed + unsent === 0) && tallies.renewal.p99Ms <= HELD_P99_MS
  );
}

/** The highest of the rates tried that is held; each is tried once more when it is not. */
async function sustainableRate(node: NodeProcess): Promise<number> {
  await ask(node, "warm-up", { perSecond: mixAt(FIRST_RATE), seconds: TRIAL_SECONDS });
  let held = 0;
  for (let rate = FIRST_RATE; ; rate *= STEP) {
    const trial = () =>
      ask(node, `the mix at ${Math.round(rate)}/s`, { perSecond: mixAt(rate), seconds: TRIAL_SECONDS });
    if (!isHeld(await trial()) && !isHeld(await trial())) return held;
    held = rate;
  }
}

function describe({ what, tallies, behindMs }: Phase): string {
  const parts = KINDS.map((kind) => {
    const { asked, acknowledged, refused, failed, failures, unsent, p99Ms } = tallies[kind];
    const reasons = [...failures].map(([reason, count]) => ` (${count} ${reason})`).join("");
    return `${kind}s ${acknowledged}/${asked}, ${refused} refused, ${failed} failed${reasons}, ${unsent} not sent, p99 ${p99Ms} ms`;
  });
  return `${what}: ${parts.join("; ")}; generator at most ${Math.round(behindMs)} ms behind`;
}

const percent = ({ acknowledged, asked }: Tally) => (100 * acknowledged) / Math.max(1, asked);

function mean(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

/** Memory while the caches still fill is left out: the first fifth. */
function growthOf(rssBytes: readonly number[]): number {
  const settled = rssBytes.slice(Math.floor(rssBytes.length / 5));
  const middle = Math.floor(settled.length / 2);
  return mean(settled.slice(middle)) / mean(settled.slice(0, middle));
}

function figuresOf(rate: number, overload: Phase, calm: Phase): Figure[] {
  const { tallies, rssBytes } = overload;
  const unanswered = 100 - RENEWALS_MIN;
  const figure = (name: string, value: number, unit: string, max: number | null): Figure => ({
    name,
    value,
    unit,
    max,
  });
  return [
    figure("sustainable rate of the mix", rate, "/s", null),
    figure("asked, as a multiple of it", factor, "x", null),
    figure("renewals not acknowledged", 100 - percent(tallies.renewal), "%", unanswered),
    figure("renewals, p99", tallies.renewal.p99Ms, "ms", null),
    figure("writes acknowledged", percent(tallies.write), "%", null),
    figure("lookups answered", percent(tallies.lookup), "%", null),
    figure("requests that were neither answered nor refused", tallies.write.failed + tallies.lookup.failed, "", null),
    figure("memory, second half of it against the first", growthOf(rssBytes), "x", GROWTH_MAX),
    figure("until a second without a refusal", calm.rssBytes.length, "s", RECOVERY_SECONDS_MAX),
  ];
}

const group = await ProcessGroup.create({ region: "overload", httpBase: HTTP_BASE });
try {
  const node = group.add("alone");
  node.start();
  await node.ready();
  const http = new HttpClient({ connectionsMax: 16, timeoutMs: 30_000 });
  for (let i = 0; i < agents; i += 16) {
    const batch = Array.from({ length: Math.min(16, agents - i) }, (_, j) => http.send(node.http, registration(i + j)));
    if (!(await Promise.all(batch)).every(isAcknowledged)) throw new Error("an agent was not registered");
  }
  await http.close();
  const rate = await sustainableRate(node);
  if (rate === 0) throw new Error(`this machine does not hold ${FIRST_RATE} requests per second`);
  const overload = await ask(node, `${factor} times ${Math.round(rate)}/s`, { perSecond: overloadOf(rate), seconds });
  const calm = await ask(
    node,
    `${CALM_FACTOR} of ${Math.round(rate)}/s`,
    { perSecond: mixAt(CALM_FACTOR * rate), seconds: CALM_SECONDS_MAX },
    (second) =>
      KINDS.every((kind) => second[kind].acknowledged > 0 && second[kind].refused + second[kind].failed === 0),
  );
  const figures = figuresOf(rate, overload, calm);
  const report = { bench: "overload", ...origin(), factor, seconds, agents, figures, behindMs: overload.behindMs };
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${formatFigures(figures)}\n`);
  note(`Kept in ${saveReport(report)}`);
  if (figures.some(isMissed)) process.exitCode = 1;
} finally {
  await group.destroy();
}
