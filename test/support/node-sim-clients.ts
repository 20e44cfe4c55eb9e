/**
 * Clients that register, deregister, renew and read a few agents through random nodes, and note what they were told.
 *
 * A client asks one thing at a time. What is sure is recorded as such: an error that promises that nothing was written is a
 * `fail`, no answer is an `info`, and "unknown agent" is a read of absence, because it is only ever said when it is known to
 * be true (F18). What a node acknowledged, it shows from then on (P3).
 */

import { RegistryError } from "../../src/registry/errors.ts";
import { type AgentId, asAgentId } from "../../src/types/ids.ts";
import { type Random, randomInteger } from "../../src/util/random.ts";
import type { HistoryRecorder, OpenOperation } from "./history.ts";
import { type CommandLedger, recordOf } from "./node-sim-ledger.ts";
import type { NodeProcess } from "./node-sim-process.ts";
import { check } from "./raft-invariants.ts";

export const OPERATIONS = ["register", "purge", "deregister", "read", "read-here", "renew"] as const;
export type OperationKind = (typeof OPERATIONS)[number];

export interface ClientPlan {
  readonly clients: number;
  /** Mean pause between an answer and the next request. */
  readonly thinkMs: number;
  readonly keys: number;
  /** Chance to stay with the node that was asked last. */
  readonly stickiness: number;
  /** How often each operation is drawn. */
  readonly weights: Readonly<Record<OperationKind, number>>;
  readonly leaseMs: number;
  readonly paddingBytes: number;
  /** A client waits no longer for an answer. */
  readonly patienceMs: number;
}

/** What a client needs of the world. */
export interface ClientWorld {
  readonly ledger: CommandLedger;
  readonly history: HistoryRecorder;
  /** The highest index known committed by anybody. */
  readonly committed: number;
  anyProcess(random: Random): NodeProcess | undefined;
  schedule(delayMs: number, run: () => void): void;
  /** Asks, and hears once: the answer, the error, or that there was none in time. */
  ask<T>(
    process: NodeProcess,
    patienceMs: number,
    ask: (process: NodeProcess) => Promise<T>,
    hear: (answer: Answer<T>) => void,
  ): void;
  count(what: string): void;
}

export type Answer<T> =
  | { readonly is: "ok"; readonly value: T }
  | { readonly is: "error"; readonly error: unknown }
  | { readonly is: "lost" };

/** Codes which promise that nothing was written. */
const REFUSALS: ReadonlySet<string> = new Set(["NO_LEADER", "OVERLOADED", "STOPPING"]);

export class RegisterClient {
  readonly #name: string;
  readonly #plan: ClientPlan;
  readonly #random: Random;
  readonly #world: ClientWorld;
  readonly #draw: readonly OperationKind[];
  #process: NodeProcess | undefined;
  /** The last write that `#process` acknowledged. */
  #acknowledged = 0;
  #isBusy = false;
  #isThinking = false;

  constructor(name: string, plan: ClientPlan, random: Random, world: ClientWorld) {
    this.#name = name;
    this.#plan = plan;
    this.#random = random;
    this.#world = world;
    this.#draw = OPERATIONS.flatMap((kind) => Array.from({ length: plan.weights[kind] }, () => kind));
  }

  /** Asks one thing after the other from now on. */
  start(): void {
    this.#isThinking = true;
    this.#think();
  }

  /** Asks nothing more. */
  stop(): void {
    this.#isThinking = false;
  }

  /** Registers something through this process, unless it still waits for an answer. */
  write(process: NodeProcess): void {
    if (!this.#isBusy) this.#register(asAgentId("agent-1"), process);
  }

  #think(): void {
    if (!this.#isThinking) return;
    const { thinkMs } = this.#plan;
    this.#world.schedule(-thinkMs * Math.log(1 - this.#random.next()), () => {
      if (this.#isThinking) this.#act();
    });
  }

  #act(): void {
    const random = this.#random;
    const isStaying = this.#process?.isAlive && random.next() < this.#plan.stickiness;
    if (!isStaying) {
      this.#process = this.#world.anyProcess(random);
      this.#acknowledged = 0;
    }
    const kind = this.#draw[randomInteger(random, 0, this.#draw.length - 1)]!;
    const id = asAgentId(`agent-${randomInteger(random, 1, this.#plan.keys)}`);
    if (this.#process === undefined) this.#think();
    else this.#perform(kind, id, this.#process);
  }

  #perform(kind: OperationKind, id: AgentId, process: NodeProcess): void {
    switch (kind) {
      case "register":
        return this.#register(id, process);
      case "purge":
        return this.#purge(id, process);
      case "deregister":
        return this.#deregister(id, process);
      case "read":
        return this.#read(id, process);
      case "read-here":
        return this.#readHere(process);
      case "renew":
        return this.#renew(id, process);
    }
  }

  #register(id: AgentId, process: NodeProcess): void {
    const { ledger } = this.#world;
    const { leaseMs, paddingBytes } = this.#plan;
    const value = ledger.newValue();
    const record = recordOf(value, leaseMs, { paddingBytes, place: randomInteger(this.#random, 1, 3) });
    const operation = this.#invoke("write", id, value);
    this.#ask(
      process,
      ({ registry }) => registry.register(id, record),
      (answer) => {
        if (answer.is === "ok") {
          const { revision } = answer.value.agent;
          ledger.acknowledged(value, revision);
          this.#acknowledged = revision;
          operation.ok(value);
          this.#world.count("ok: register");
        } else if (this.#failWrite(operation, answer)) ledger.refused(value);
      },
    );
  }

  #purge(id: AgentId, process: NodeProcess): void {
    const operation = this.#invoke("delete", id, null);
    this.#ask(
      process,
      ({ registry }) => registry.deregister(id, "purge"),
      (answer) => {
        if (answer.is === "ok") {
          operation.ok(answer.value);
          this.#world.count("ok: purge");
        } else this.#failWrite(operation, answer);
      },
    );
  }

  /** Leaves the record in place, so it is a read: of absence when there was none. */
  #deregister(id: AgentId, process: NodeProcess): void {
    const operation = this.#invoke("read", id, null);
    this.#ask(
      process,
      ({ registry }) => registry.deregister(id, "keep"),
      (answer) => {
        if (answer.is === "ok" && !answer.value) operation.ok(null);
        else operation.fail();
        if (answer.is === "ok") this.#world.count("ok: deregister");
      },
    );
  }

  #read(id: AgentId, process: NodeProcess): void {
    const operation = this.#invoke("read", id, null);
    const floor = this.#world.committed;
    const ask = async ({ registry }: NodeProcess) => {
      const { revision } = await registry.read("linearizable");
      return { revision, value: registry.get(id)?.record.version ?? null };
    };
    this.#ask(process, ask, (answer) => {
      if (answer.is !== "ok") return operation.fail();
      const { revision, value } = answer.value;
      check(revision >= floor, `${process.id} reads at ${revision} what was asked after ${floor} was committed (P2)`);
      operation.ok(value);
      this.#world.count("ok: read");
    });
  }

  #readHere(process: NodeProcess): void {
    const floor = this.#acknowledged;
    this.#ask(
      process,
      ({ registry }) => registry.read("stale"),
      (answer) => {
        if (answer.is !== "ok") return;
        const { revision } = answer.value;
        check(revision >= floor, `${process.id} shows ${revision} to a client whose ${floor} it acknowledged (P3)`);
        this.#world.count("ok: read here");
      },
    );
  }

  #renew(id: AgentId, process: NodeProcess): void {
    const operation = this.#invoke("read", id, null);
    this.#ask(
      process,
      ({ registry }) => registry.renew(id, null),
      (answer) => {
        if (answer.is === "error" && codeOf(answer.error) === "UNKNOWN_AGENT") operation.ok(null);
        else operation.fail();
        if (answer.is === "ok") this.#world.count("ok: renew");
      },
    );
  }

  #invoke(f: "write" | "delete" | "read", id: AgentId, value: string | null): OpenOperation {
    return this.#world.history.invoke(this.#name, f, id, value, this.#process?.id);
  }

  #ask<T>(process: NodeProcess, ask: (process: NodeProcess) => Promise<T>, hear: (answer: Answer<T>) => void): void {
    this.#isBusy = true;
    this.#world.ask(process, this.#plan.patienceMs, ask, (answer) => {
      this.#isBusy = false;
      if (answer.is !== "ok") this.#world.count(answer.is === "lost" ? "no answer" : `error: ${codeOf(answer.error)}`);
      hear(answer);
      this.#think();
    });
  }

  /** @returns whether it is certain that nothing was written */
  #failWrite(operation: OpenOperation, answer: Exclude<Answer<unknown>, { is: "ok" }>): boolean {
    const code = answer.is === "lost" ? "LOST" : codeOf(answer.error);
    const isRefused = REFUSALS.has(code);
    if (isRefused) operation.fail(code);
    else operation.info(code);
    return isRefused;
  }
}

/** @throws whatever is not a refusal of the registry: a bug */
export function codeOf(error: unknown): string {
  if (error instanceof RegistryError) return error.detail.code;
  throw error;
}
