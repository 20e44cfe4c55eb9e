/**
 * The load under which faults are injected: registrations, renewals and lookups, each at a fixed rate of its own.
 *
 * Every registration is of an agent that nobody registered before, so that an acknowledged one which is missing later is lost,
 * and not overwritten. Lookups ask for what was acknowledged lately, so that an answer without it is stale, by at least the time
 * between the acknowledgement and the moment at which the lookup was sent.
 */

import type { Clock } from "../../src/util/clock.ts";
import { type Random, randomInteger } from "../../src/util/random.ts";
import { arrivals, type Spacing } from "../load/arrivals.ts";
import type { ClientPool } from "../load/client-pool.ts";
import { isAcknowledged } from "../load/http-client.ts";
import { OpenLoop } from "../load/open-loop.ts";
import type { Operation, PeerCluster } from "../peers/peer.ts";

export const OPERATIONS: readonly Operation[] = ["register", "renew", "lookup"];

/** Per second; 0 leaves an operation out. */
export type Rates = Readonly<Record<Operation, number>>;

/** What became of one operation. Times are milliseconds on the clock of the run. */
export interface OperationRecord {
  readonly operation: Operation;
  readonly intendedMs: number;
  readonly doneMs: number;
  readonly isAcknowledged: boolean;
  /** Whether the first attempt was: what a client that tries once would have seen. */
  readonly isFirstAcknowledged: boolean;
  /** Why the first attempt was not: a status, or a code such as ECONNREFUSED. */
  readonly firstFailure?: string;
  /** Of a lookup that misses an acknowledged agent: at least so old is what it shows. */
  readonly staleByMs?: number;
  /** How old the answer says that it may be. */
  readonly saidStalenessMs?: number;
}

export interface AcknowledgedAgent {
  readonly agent: number;
  readonly atMs: number;
}

export interface WorkloadOptions {
  readonly cluster: PeerCluster;
  readonly pool: ClientPool;
  readonly rates: Rates;
  readonly spacing: Spacing;
  readonly clock: Clock;
  readonly random: Random;
}

/** Lookups choose among so many of the agents that were acknowledged last. */
const LATELY = 64;

export class Workload {
  readonly records: OperationRecord[] = [];
  readonly acknowledged: AcknowledgedAgent[] = [];
  readonly #options: WorkloadOptions;
  readonly #loops: readonly OpenLoop[];
  #issued = 0;
  #nextAgent: number;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    const { cluster, rates, spacing, clock, random } = options;
    this.#nextAgent = cluster.firstAgent ?? 0;
    this.#loops = OPERATIONS.filter((operation) => rates[operation] > 0).map(
      (operation) =>
        new OpenLoop({
          clock,
          arrivals: arrivals(rates[operation], spacing, random),
          issue: (intendedMs) => this.#perform(operation, intendedMs),
        }),
    );
  }

  /** The longest that this process was behind its own plan: where it is long, the machine was too busy for this load. */
  get behindMs(): number {
    return Math.max(0, ...this.#loops.map((loop) => loop.behindMs));
  }

  start(): void {
    for (const loop of this.#loops) loop.start();
  }

  /** Sends nothing more. Resolves when all that was sent was answered or given up. */
  async stop(): Promise<void> {
    await Promise.all(this.#loops.map((loop) => loop.stop()));
  }

  #perform(operation: Operation, intendedMs: number): Promise<void> {
    if (operation === "register") return this.#register(intendedMs);
    return operation === "renew" ? this.#renew(intendedMs) : this.#lookup(intendedMs);
  }

  async #register(intendedMs: number): Promise<void> {
    const { cluster, pool } = this.#options;
    const agent = this.#nextAgent++;
    const { answer, first, doneMs } = await pool.send(this.#issued++, cluster.register(agent));
    if (isAcknowledged(answer)) this.acknowledged.push({ agent, atMs: doneMs });
    this.#record("register", intendedMs, { answer, first, doneMs });
  }

  async #renew(intendedMs: number): Promise<void> {
    const { cluster, pool } = this.#options;
    const known = this.#choose(0);
    // Nobody is registered yet: there is nothing to renew or to look up.
    if (known === undefined) return;
    this.#record("renew", intendedMs, await pool.send(this.#issued++, cluster.renew(known.agent)));
  }

  async #lookup(intendedMs: number): Promise<void> {
    const { cluster, pool } = this.#options;
    const known = this.#choose(this.acknowledged.length - LATELY);
    if (known === undefined) return;
    const sent = await pool.send(this.#issued++, cluster.lookup(known.agent));
    const { answer, lastSentMs } = sent;
    const isStale = isAcknowledged(answer) && !cluster.shows(answer, known.agent);
    const saidStalenessMs = cluster.stalenessMs(answer);
    this.#record("lookup", intendedMs, sent, {
      ...(isStale && { staleByMs: lastSentMs - known.atMs }),
      ...(saidStalenessMs !== undefined && { saidStalenessMs }),
    });
  }

  /** One of the acknowledged agents, from the `from`-th on. */
  #choose(from: number): AcknowledgedAgent | undefined {
    const last = this.acknowledged.length - 1;
    return this.acknowledged[randomInteger(this.#options.random, Math.max(0, from), last)];
  }

  #record(
    operation: Operation,
    intendedMs: number,
    { answer, first, doneMs }: Pick<Awaited<ReturnType<ClientPool["send"]>>, "answer" | "first" | "doneMs">,
    more: Pick<OperationRecord, "staleByMs" | "saidStalenessMs"> = {},
  ): void {
    this.records.push({
      operation,
      intendedMs,
      doneMs,
      isAcknowledged: isAcknowledged(answer),
      isFirstAcknowledged: isAcknowledged(first),
      ...(!isAcknowledged(first) && { firstFailure: first.failure ?? String(first.status) }),
      ...more,
    });
  }
}
