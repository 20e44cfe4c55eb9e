/**
 * A process that asks one node at the rates it is told, until it is told others: apart from what it measures and from the other
 * generators, so that none waits for another's answers.
 *
 * A request goes out at a moment fixed beforehand (open loop). One that this process is more than `LATE_MS_MAX` late with is
 * not sent and counted as late; one that finds no connection free is not sent either, as its client would not have asked twice
 * at a time. Every `WINDOW_MS` it says what came of those that were answered since.
 */

import { sleep, systemClock } from "../../src/util/clock.ts";
import { seededRandom } from "../../src/util/random.ts";
import { localLookup, registration, registrationOf, renewal } from "../comparison/atoll-requests.ts";
import { arrivals } from "../load/arrivals.ts";
import type { HttpRequest } from "../load/http-client.ts";
import { OpenLoop } from "../load/open-loop.ts";
import { type Answered, Connection, type Place } from "./connections.ts";
import { type Outcome, Tally } from "./tally.ts";

export type Kind = "renewal" | "write" | "lookup";
export const KINDS: readonly Kind[] = ["renewal", "write", "lookup"];

/** What a generator is for, as the words of its command line. */
export interface Setting {
  readonly place: Place;
  readonly kinds: readonly Kind[];
  /** The fleet: each of its agents renews in turn, over a connection of its own that it keeps. */
  readonly agents: number;
}

export type Order =
  /** Renewers register their agents, others ask how the node is: over each connection, a few at a time. */
  | { readonly order: "open"; readonly leaseMs: number }
  /** From now on. */
  | {
      readonly order: "ask";
      readonly perSecond: Readonly<Partial<Record<Kind, number>>>;
      /** Whether writes and lookups keep their connections, or open one each. */
      readonly isKept: boolean;
    };

/** What came of one window of time. */
export interface Window {
  readonly said: "window";
  readonly outcomes: Readonly<Partial<Record<Kind, Outcome>>>;
  /** How late this process was at most: what it says of the node is no surer than that. */
  readonly behindMs: number;
}

export type Said = Window | { readonly said: "opened"; readonly failures: number };

export const WINDOW_MS = 500;
/** What the client library gives one try. */
export const TRY_TIMEOUT_MS = 3_000;
const LATE_MS_MAX = 250;
/** Writes, and as many lookups: the clients that there are. */
const CONNECTIONS_MAX = 2_048;
/** Writes change agents that are not of the fleet, again and again: what is registered has a bound. */
const CHANGED_AGENTS = 4_000;
const CHANGES = 50_000;
const OPENED_AT_A_TIME = 32;
const OPEN_TRIES = 10;
const OPEN_TIMEOUT_MS = 10_000;
const OPEN_AGAIN_MS = 1_000;
const HEALTH: HttpRequest = { method: "GET", path: "/health" };

/** Requests of one kind. */
class Stream {
  readonly kind: Kind;
  readonly #agents: number;
  readonly #connections: readonly Connection[];
  readonly #free: Connection[];
  #loop: OpenLoop | undefined;
  #isKept = true;
  #next = 0;
  #tally = new Tally();
  #behindMs = 0;

  constructor(kind: Kind, { place, agents }: Setting) {
    this.kind = kind;
    this.#agents = agents;
    const count = kind === "renewal" ? agents : CONNECTIONS_MAX;
    this.#connections = Array.from({ length: count }, (_, i) => new Connection(place, i));
    this.#free = kind === "renewal" ? [] : [...this.#connections];
  }

  /** @returns how many were answered otherwise than with 2xx */
  async open(leaseMs: number): Promise<number> {
    let [next, failures] = [0, 0];
    const opener = async () => {
      for (let i = next++; i < this.#connections.length; i = next++) {
        const request = this.kind === "renewal" ? registration(i, leaseMs) : HEALTH;
        if (!(await isAnswered(this.#connections[i]!, request))) failures++;
      }
    };
    await Promise.all(Array.from({ length: OPENED_AT_A_TIME }, opener));
    return failures;
  }

  follow(perSecond: number, isKept: boolean): void {
    void this.#loop?.stop();
    this.#isKept = this.kind === "renewal" || isKept;
    if (perSecond === 0) return;
    this.#loop = new OpenLoop({
      clock: systemClock,
      arrivals: arrivals(perSecond, "poisson", seededRandom(1 + KINDS.indexOf(this.kind))),
      issue: (intendedMs) => this.#issue(intendedMs),
    });
    this.#loop.start();
  }

  takeWindow(): { outcome: Outcome; behindMs: number } {
    const window = { outcome: this.#tally.outcome(), behindMs: this.#behindMs };
    this.#tally = new Tally();
    this.#behindMs = 0;
    return window;
  }

  #issue(intendedMs: number): void {
    const sentMs = systemClock.now();
    const tally = this.#tally;
    tally.planned++;
    this.#behindMs = Math.max(this.#behindMs, sentMs - intendedMs);
    const i = this.#next++;
    if (sentMs - intendedMs > LATE_MS_MAX) {
      tally.late++;
      return;
    }
    const connection = this.kind === "renewal" ? this.#connections[i % this.#agents] : this.#free.pop();
    if (connection === undefined || !connection.isFree) {
      tally.unsent++;
      return;
    }
    connection.ask(this.#request(i), { timeoutMs: TRY_TIMEOUT_MS, isKept: this.#isKept }, (answer) => {
      this.#tally.take(answer, systemClock.now() - sentMs);
      if (this.kind !== "renewal") this.#free.push(connection);
    });
  }

  #request(i: number): HttpRequest {
    if (this.kind === "renewal") return renewal(i % this.#agents);
    if (this.kind === "lookup") return localLookup(i % this.#agents);
    return registrationOf(this.#agents + (i % CHANGED_AGENTS), 1, Math.floor(i / CHANGED_AGENTS) % CHANGES);
  }
}

/** Patiently: a node that has just started refuses some of what comes at once. */
async function isAnswered(connection: Connection, request: HttpRequest): Promise<boolean> {
  for (let i = 0; i < OPEN_TRIES; i++) {
    const { status } = await new Promise<Answered>((resolve) =>
      connection.ask(request, { timeoutMs: OPEN_TIMEOUT_MS, isKept: true }, resolve),
    );
    if (status >= 200 && status < 300) return true;
    await sleep(systemClock, OPEN_AGAIN_MS);
  }
  return false;
}

/** @param setting - the first word of the command line, as JSON */
function run(setting: Setting): void {
  const streams = setting.kinds.map((kind) => new Stream(kind, setting));
  const tell = (words: Said) => process.send?.(words);
  process.on("message", async (order: Order) => {
    if (order.order === "ask") {
      for (const stream of streams) stream.follow(order.perSecond[stream.kind] ?? 0, order.isKept);
      return;
    }
    const failures = await Promise.all(streams.map((stream) => stream.open(order.leaseMs)));
    tell({ said: "opened", failures: failures.reduce((sum, count) => sum + count, 0) });
  });
  process.on("disconnect", () => process.exit());
  setInterval(() => {
    const windows = streams.map((stream) => ({ kind: stream.kind, ...stream.takeWindow() }));
    tell({
      said: "window",
      outcomes: Object.fromEntries(windows.map(({ kind, outcome }) => [kind, outcome])),
      behindMs: Math.max(...windows.map(({ behindMs }) => behindMs)),
    });
  }, WINDOW_MS);
}

if (import.meta.main) run(JSON.parse(process.argv[2] ?? ""));
