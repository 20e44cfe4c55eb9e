/**
 * What clients of one region do all the time: change agents, renew leases, and look up, here and abroad.
 *
 * Every answer is held against what was acknowledged before it was asked for, as it comes. Requests are sent at moments fixed
 * beforehand (`OpenLoop`), and latency counts from these.
 */

import type { Clock } from "../../src/util/clock.ts";
import type { Random } from "../../src/util/random.ts";
import { LONG_LEASE_MS, registrationAs, renewalAs } from "../comparison/atoll-requests.ts";
import { arrivals } from "../load/arrivals.ts";
import { ClientPool, type Sender, type Sent } from "../load/client-pool.ts";
import { type HttpRequest, isAcknowledged } from "../load/http-client.ts";
import { Latencies } from "../load/latencies.ts";
import { OpenLoop } from "../load/open-loop.ts";
import type { SoakRegion } from "./cluster.ts";
import { Fleet, type RenewingAgent } from "./leases.ts";
import { type Change, contradiction, type Entry, Ledger } from "./ledger.ts";

export const OPERATIONS = ["write", "renew", "read", "lookup", "lookup-abroad"] as const;
export type Operation = (typeof OPERATIONS)[number];

/** Of all requests. Reads are linearizable, and cost the leader a round of its own. */
export const SHARES: Readonly<Record<Operation, number>> = {
  write: 0.25,
  renew: 0.3,
  read: 0.05,
  lookup: 0.25,
  "lookup-abroad": 0.15,
};

/** What was found to be wrong, in words; all of them must be empty. */
export interface Findings {
  /** Linearizable reads that did not show what was acknowledged. */
  readonly undone: string[];
  /** Lookups that were older than they said. */
  readonly understated: string[];
  /** Answers of 4xx to what should have been taken. */
  readonly refused: string[];
}

export interface RegionLoadOptions {
  readonly region: SoakRegion;
  readonly http: Sender;
  readonly clock: Clock;
  readonly random: Random;
  readonly leaseMs: number;
  /** Agents that come, change and go. */
  readonly population: number;
  readonly findings: Findings;
  /** When the run began. */
  readonly beganMs: number;
  readonly record: (record: OperationRecord) => void;
}

/** Times are milliseconds on the clock. */
export interface OperationRecord {
  readonly operation: Operation;
  readonly intendedMs: number;
  readonly doneMs: number;
  readonly isAcknowledged: boolean;
  readonly isFirstAcknowledged: boolean;
}

const CLIENTS = 64;
const TIMEOUT_MS = 10_000;
const CAPABILITIES = 100;
const JOINING_AT_ONCE = 16;
const GROW_TIMEOUT_MS = 60_000;
/** The way of gossip from region to region, which no node can know, is not in what it says. */
const GOSSIP_MS = 1_000;
const FINDINGS_MAX = 1_000;
const LOOKUP_LIMIT = 1_000;

export class RegionLoad {
  readonly region: SoakRegion;
  readonly ledger: Ledger;
  readonly fleet: Fleet;
  /** Of lookups abroad: answers that said that this region is missing. */
  missingAbroad = 0;
  readonly #options: RegionLoadOptions;
  readonly #pool: ClientPool;
  #loops: readonly OpenLoop[] = [];
  #issued = 0;
  /** Another one's nodes: lookups of this region's agents are asked of them. */
  abroad: RegionLoad | undefined;

  constructor(options: RegionLoadOptions) {
    const { region, http, clock, random, leaseMs, population } = options;
    this.#options = options;
    this.region = region;
    this.ledger = new Ledger(region.name, { random, capabilities: CAPABILITIES, population });
    this.fleet = new Fleet(leaseMs);
    this.#pool = new ClientPool({
      http,
      origins: region.urls,
      clients: CLIENTS,
      timeoutMs: TIMEOUT_MS,
      clock,
      random,
    });
  }

  /** The longest that this process was behind its own plan since `start`. */
  get behindMs(): number {
    return Math.max(0, ...this.#loops.map(({ behindMs }) => behindMs));
  }

  /** @param perSecond - of all operations together */
  start(perSecond: number): void {
    const { clock, random } = this.#options;
    this.#loops = OPERATIONS.map((operation) => {
      const issue = (intendedMs: number) => this.#perform(operation, intendedMs);
      return new OpenLoop({ clock, arrivals: arrivals(perSecond * SHARES[operation], "poisson", random), issue });
    });
    for (const loop of this.#loops) loop.start();
  }

  /** Sends nothing more. Resolves when all that was sent was answered or given up. */
  async stop(): Promise<void> {
    await Promise.all(this.#loops.map((loop) => loop.stop()));
  }

  /** Spreads clients over all nodes again. */
  spread(): void {
    this.#pool.spread();
  }

  /** Resolves when so many agents renew. @throws Error when they are not taken in time; the signal's reason */
  async growFleet(count: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const deadlineMs = clock.now() + GROW_TIMEOUT_MS;
    const missing = () => count - this.fleet.renewing.length;
    while (missing() > 0) {
      signal.throwIfAborted();
      if (clock.now() > deadlineMs) {
        throw new Error(
          `${this.region.name} has ${this.fleet.renewing.length} of ${count} agents after ${GROW_TIMEOUT_MS} ms`,
        );
      }
      await Promise.all(Array.from({ length: Math.min(JOINING_AT_ONCE, missing()) }, () => this.join()));
    }
  }

  /** One more agent that renews; none when nobody took it. */
  async join(): Promise<void> {
    const id = this.fleet.nextId(this.region.name);
    const body = {
      endpoint: `http://${id}:8080`,
      capabilities: [`fleet-${this.region.name}`],
      leaseMs: this.fleet.leaseMs,
    };
    const sent = await this.#send(registrationAs(id, body));
    if (!isAcknowledged(sent.answer)) return;
    const { incarnation } = JSON.parse(sent.answer.body) as { incarnation: number };
    this.fleet.joined(id, incarnation, { sentMs: sent.lastSentMs, acknowledgedMs: sent.doneMs });
  }

  /** Tries to take away an agent whose lease ended: if it stays, as unhealthy, that is no harm. */
  async remove(id: string): Promise<void> {
    await this.#send({ method: "DELETE", path: `/v1/agents/${id}` });
  }

  /** Asks for one agent, linearizably. @returns its health; null when it is not there, undefined when nobody said */
  async healthOf(id: string): Promise<string | null | undefined> {
    const { answer } = await this.#send({ method: "GET", path: `/v1/agents/${id}?consistency=linearizable` });
    if (answer.status === 404) return null;
    return isAcknowledged(answer) ? (JSON.parse(answer.body) as { health: string }).health : undefined;
  }

  async #perform(operation: Operation, intendedMs: number): Promise<void> {
    const sent = await this.#performOne(operation);
    if (sent === undefined) return;
    this.#options.record({
      operation,
      intendedMs,
      doneMs: sent.doneMs,
      isAcknowledged: isTaken(operation, sent),
      isFirstAcknowledged: sent.attempts === 1 && isTaken(operation, sent),
    });
  }

  #performOne(operation: Operation): Promise<Sent | undefined> {
    if (operation === "write") return this.#write();
    if (operation === "renew") return this.#renew();
    if (operation === "read") return this.#read();
    return operation === "lookup" ? this.#lookup() : this.#lookupAbroad();
  }

  async #write(): Promise<Sent> {
    const { change, entry } = this.ledger.begin(this.#options.clock.now());
    const sent = await this.#send(requestOf(change, entry));
    const isAmbiguous = sent.attempts > 1 || sent.answer.status === 0;
    const isDone = change === "unregistered" ? isGone(sent) : isAcknowledged(sent.answer);
    this.ledger.end(entry, change, { isAcknowledged: isDone, isAmbiguous, doneMs: sent.doneMs });
    if (!isDone) this.#noteRefusal(sent, `${change} ${entry.id}`);
    return sent;
  }

  /** Both faces, in turns. */
  async #renew(): Promise<Sent | undefined> {
    const agent = this.fleet.next();
    if (agent === undefined) return undefined;
    agent.underWay++;
    agent.tries++;
    const sent = await this.#send(this.#issued % 2 === 0 ? nativeRenewal(agent) : meshRenewal(agent));
    agent.underWay--;
    const { answer, lastSentMs, doneMs } = sent;
    if (isAcknowledged(answer)) this.fleet.renewed(agent, lastSentMs, doneMs);
    else if (answer.status === 404 || answer.status === 410) {
      this.fleet.seenEnded(agent.id, lastSentMs, `told ${answer.status}`);
    } else this.#noteRefusal(sent, `renewal of ${agent.id}`);
    return sent;
  }

  async #read(): Promise<Sent | undefined> {
    const entry = this.ledger.recent();
    if (entry === undefined) return undefined;
    const sent = await this.#send({ method: "GET", path: `/v1/agents/${entry.id}?consistency=linearizable` });
    const { answer, lastSentMs } = sent;
    if (isAcknowledged(answer))
      note(this.#options.findings.undone, contradiction(entry, lastSentMs, versionOf(answer.body)));
    else if (answer.status === 404) note(this.#options.findings.undone, contradiction(entry, lastSentMs, null));
    else this.#noteRefusal(sent, `read of ${entry.id}`);
    return sent;
  }

  async #lookup(): Promise<Sent | undefined> {
    const entry = this.ledger.recent();
    if (entry === undefined) return undefined;
    const sent = await this.#send(lookupOf(entry, "region"));
    if (isAcknowledged(sent.answer)) this.#judgeLookup(entry, sent, 0);
    else this.#noteRefusal(sent, `lookup of ${entry.capability}`);
    return sent;
  }

  /** Of this region's agents, asked by clients of the other one. */
  async #lookupAbroad(): Promise<Sent | undefined> {
    const entry = this.ledger.recent();
    if (entry === undefined || this.abroad === undefined) return undefined;
    const sent = await this.abroad.#send(lookupOf(entry, "federation"));
    if (isAcknowledged(sent.answer)) this.#judgeLookup(entry, sent, GOSSIP_MS);
    else this.#noteRefusal(sent, `lookup of ${entry.capability} abroad`);
    return sent;
  }

  #judgeLookup(entry: Entry, { answer, lastSentMs }: Sent, toleranceMs: number): void {
    const { agents, regions, complete } = JSON.parse(answer.body) as LookupAnswer;
    const home = regions.find(({ region }) => region === this.region.name);
    const found = agents.find(({ id }) => id === entry.id)?.metadata.v ?? null;
    const { findings } = this.#options;
    // A region that its summary rules out has answered, too: that nobody is there.
    if (home === undefined || (home.source === "none" && home.error !== undefined)) {
      this.missingAbroad++;
      const why = home?.error?.code ?? "it is not known";
      if (complete)
        note(findings.understated, `${this.region.name} is missing (${why}) in an answer that is said to be complete`);
      return;
    }
    const wrong = contradiction(entry, lastSentMs - home.stalenessMs - toleranceMs, found);
    const said = ` (at most ${home.stalenessMs} ms old, ${home.source}, of ${answer.headers["x-atoll-node"]})`;
    if (wrong !== undefined) note(findings.understated, wrong + said + ageOf(entry, lastSentMs));
  }

  #noteRefusal({ answer, doneMs }: Sent, what: string): void {
    if (answer.status < 400 || answer.status >= 500) return;
    const sinceS = ((doneMs - this.#options.beganMs) / 1_000).toFixed(1);
    const where = `${answer.headers["x-atoll-node"]}, at ${sinceS} s`;
    note(this.#options.findings.refused, `${what}: ${answer.status} of ${where}: ${answer.body.slice(0, 160)}`);
  }

  #send(request: HttpRequest): Promise<Sent> {
    const headers = { ...request.headers, authorization: `Bearer ${this.region.agentToken.token}` };
    return this.#pool.send(this.#issued++, { ...request, headers });
  }
}

/** Counts of operations, and how long they took, over some time. */
export class Tally {
  failed = 0;
  failedFirst = 0;
  readonly latencies = new Latencies();

  take({ intendedMs, doneMs, isAcknowledged, isFirstAcknowledged }: OperationRecord): void {
    if (!isAcknowledged) this.failed++;
    if (!isFirstAcknowledged) this.failedFirst++;
    this.latencies.add(doneMs - intendedMs);
  }
}

interface LookupAnswer {
  readonly agents: readonly { readonly id: string; readonly metadata: { readonly v?: number } }[];
  readonly regions: readonly {
    readonly region: string;
    readonly source: string;
    readonly stalenessMs: number;
    readonly error?: { readonly code: string };
  }[];
  readonly complete: boolean;
}

/** An agent's own version in what a node shows of it. */
function versionOf(body: string): number | null {
  return (JSON.parse(body) as { metadata: { v?: number } }).metadata.v ?? null;
}

function requestOf(change: Change, { id, capability, attempted }: Entry): HttpRequest {
  if (change === "unregistered") return { method: "DELETE", path: `/v1/agents/${id}` };
  const capabilities = [{ name: capability, version: "1.2.0", tags: ["english", "fast"] }];
  return registrationAs(id, {
    endpoint: `http://${id}:8080`,
    capabilities,
    metadata: { v: attempted },
    leaseMs: LONG_LEASE_MS,
  });
}

function nativeRenewal({ id, incarnation }: RenewingAgent): HttpRequest {
  return renewalAs(id, { incarnation });
}

function meshRenewal({ id }: RenewingAgent): HttpRequest {
  return { method: "HEAD", path: `/heartbeat/${id}` };
}

function lookupOf({ capability }: Entry, scope: "region" | "federation"): HttpRequest {
  return { method: "GET", path: `/v1/lookup?capability=${capability}&scope=${scope}&limit=${LOOKUP_LIMIT}` };
}

/** Also when an earlier attempt took it away and could not say so. */
function isGone({ answer, attempts }: Sent): boolean {
  return isAcknowledged(answer) || (answer.status === 404 && attempts > 1);
}

/** "Not there" is an answer, too, where agents come and go: whether it may be is judged elsewhere. */
function isTaken(operation: Operation, sent: Sent): boolean {
  return isGone(sent) || (operation === "read" && sent.answer.status === 404);
}

function ageOf({ acknowledged }: Entry, nowMs: number): string {
  const known = acknowledged.map(({ version, atMs }) => `${version} ${Math.round(nowMs - atMs)} ms before`);
  return `; acknowledged were ${known.slice(-3).join(", ")}`;
}

function note(findings: string[], text: string | undefined): void {
  if (text !== undefined && findings.length < FINDINGS_MAX) findings.push(text);
}
