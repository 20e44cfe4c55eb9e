/**
 * What clients asked of a register-like service, what they were answered, and in which order: recorded as Jepsen does.
 *
 * An operation is two events of one process: its invocation and its completion. A completion is
 *   ok    it took effect, and `value` is what it gave,
 *   fail  it certainly had no effect, now or later,
 *   info  nobody knows: it may take effect at any later time, or never. An invocation without a completion is the same.
 *
 * | f      | value when invoked | value when ok                                                     |
 * | ------ | ------------------ | ----------------------------------------------------------------- |
 * | write  | the new value      | the same                                                          |
 * | delete | null               | false when there was nothing to delete, which is also a read of absence |
 * | read   | null               | the value seen, null for absence                                  |
 *
 * The order of the events is the order in which they happened; times are for people. What was done to the service stands
 * between them as events of the process `nemesis`.
 *
 * Elsewhere: whether a history can be explained (`linearizability.ts`).
 */

import { appendFileSync, readFileSync, writeFileSync } from "node:fs";

/** What a register holds; null is absence. */
export type Value = string | number | null;

export type ClientFunction = "write" | "delete" | "read";

export interface HistoryEvent {
  readonly process: number | string;
  readonly type: "invoke" | "ok" | "fail" | "info";
  /** One of a client, or the name of a fault. */
  readonly f: string;
  readonly key: string;
  readonly value: Value | boolean;
  /** Milliseconds since the recording began. */
  readonly time: number;
  /** Through whom, and with which error: for people. */
  readonly node?: string;
  readonly error?: string;
}

/** An invocation together with its completion. */
export interface Operation {
  readonly process: number | string;
  readonly f: ClientFunction;
  readonly key: string;
  /** Written, or seen when it is known. */
  readonly value: Value | boolean;
  readonly outcome: "ok" | "fail" | "info";
  /** Positions in the history; Infinity for a completion that tells nothing of when it took effect. */
  readonly invokedAt: number;
  readonly completedAt: number;
  readonly invokedMs: number;
  /** Infinity when it was never answered. */
  readonly completedMs: number;
  readonly node?: string;
  readonly error?: string;
}

/** A history that can not be read: the message says where. */
export class HistoryError extends Error {
  override readonly name = "HistoryError";
}

export const NEMESIS = "nemesis";

const CLIENT_FUNCTIONS: ReadonlySet<string> = new Set<ClientFunction>(["write", "delete", "read"]);
const TYPES: ReadonlySet<unknown> = new Set<HistoryEvent["type"]>(["invoke", "ok", "fail", "info"]);

export interface RecorderOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Gets each event as a line of JSON, as soon as it happened. */
  readonly sink?: (line: string) => void;
}

/** Completes an operation, once. */
export interface OpenOperation {
  ok(value: Value | boolean): void;
  fail(error?: string): void;
  info(error?: string): void;
}

export class HistoryRecorder {
  readonly events: HistoryEvent[] = [];
  readonly #options: RecorderOptions;
  readonly #beganAt: number;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#beganAt = options.now();
  }

  /** To be called before anything of the operation leaves the client; its completion, after all of the answer was read. */
  invoke(process: number | string, f: ClientFunction, key: string, value: Value, node?: string): OpenOperation {
    const complete = (type: HistoryEvent["type"], value: Value | boolean, error?: string) =>
      this.#add({ process, type, f, key, value, ...(node === undefined ? {} : { node }) }, error);
    complete("invoke", value);
    return {
      ok: (seen) => complete("ok", seen),
      fail: (error) => complete("fail", value, error),
      info: (error) => complete("info", value, error),
    };
  }

  /** Notes what was done to the service: `target` is a node, a link, or whatever was hit. */
  fault(f: string, target: string): void {
    this.#add({ process: NEMESIS, type: "info", f, key: target, value: null });
  }

  #add(event: Omit<HistoryEvent, "time" | "error">, error?: string): void {
    const time = Math.round((this.#options.now() - this.#beganAt) * 1_000) / 1_000;
    const timed = { ...event, time, ...(error === undefined ? {} : { error }) };
    this.events.push(timed);
    this.#options.sink?.(JSON.stringify(timed));
  }
}

/** A sink that writes to a file, anew, and keeps what was recorded should this process die. */
export function historyFile(path: string): (line: string) => void {
  writeFileSync(path, "");
  return (line) => appendFileSync(path, `${line}\n`);
}

/** @throws HistoryError naming the line that is no event */
export function readHistory(path: string): HistoryEvent[] {
  return parseHistory(readFileSync(path, "utf8"));
}

/** @throws HistoryError naming the line that is no event */
export function parseHistory(text: string): HistoryEvent[] {
  return text
    .split("\n")
    .map((line, i) => ({ line, number: i + 1 }))
    .filter(({ line }) => line.trim() !== "")
    .map(({ line, number }) => {
      const event = parseJson(line);
      if (!isEvent(event)) throw new HistoryError(`line ${number} is no event of a history: ${line.slice(0, 200)}`);
      return event;
    });
}

/**
 * The operations of the clients, in the order of their invocations.
 *
 * @throws HistoryError when a process completes what it did not invoke, or invokes twice without a completion between
 */
export function operationsOf(events: readonly HistoryEvent[]): Operation[] {
  const operations: Operation[] = [];
  const open = new Map<number | string, number>();
  for (const [position, event] of events.entries()) {
    if (event.process === NEMESIS) continue;
    const index = open.get(event.process);
    if (event.type === "invoke") {
      if (index !== undefined) throw at(position, event, "invokes before its last operation was completed");
      open.set(event.process, operations.length);
      operations.push(invoked(event, position));
    } else {
      const operation = index === undefined ? undefined : operations[index];
      const isItsOwn = operation?.f === event.f && operation.key === event.key;
      if (index === undefined || operation === undefined || !isItsOwn) {
        throw at(position, event, "completes what it did not invoke");
      }
      open.delete(event.process);
      operations[index] = completed(operation, event, position);
    }
  }
  return operations;
}

function invoked(event: HistoryEvent, position: number): Operation {
  const { process, f, key, value, time, node } = event;
  if (!isClientFunction(f)) throw at(position, event, "invokes what no client can");
  if (f === "write" && (value === null || typeof value === "boolean")) throw at(position, event, "writes no value");
  return {
    process,
    f,
    key,
    value,
    outcome: "info",
    invokedAt: position,
    completedAt: Number.POSITIVE_INFINITY,
    invokedMs: time,
    completedMs: Number.POSITIVE_INFINITY,
    ...(node === undefined ? {} : { node }),
  };
}

function completed(operation: Operation, event: HistoryEvent, position: number): Operation {
  const { type, value, time, error } = event;
  if (type === "invoke") return operation;
  return {
    ...operation,
    outcome: type,
    value: type === "ok" && operation.f !== "write" ? value : operation.value,
    completedAt: type === "info" ? Number.POSITIVE_INFINITY : position,
    completedMs: time,
    ...(error === undefined ? {} : { error }),
  };
}

function isClientFunction(f: string): f is ClientFunction {
  return CLIENT_FUNCTIONS.has(f);
}

function isEvent(value: unknown): value is HistoryEvent {
  if (typeof value !== "object" || value === null) return false;
  const { process, type, f, key, value: held, time } = value as Record<string, unknown>;
  return (
    (typeof process === "number" || typeof process === "string") &&
    TYPES.has(type) &&
    typeof f === "string" &&
    typeof key === "string" &&
    (held === null || ["string", "number", "boolean"].includes(typeof held)) &&
    typeof time === "number"
  );
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function at(position: number, { process, f, key }: HistoryEvent, what: string): HistoryError {
  return new HistoryError(`event ${position}: process ${process} ${what} (${f} ${key})`);
}
