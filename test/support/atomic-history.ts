/**
 * Histories that are linearizable by construction: clients of a register that takes each operation at one moment between
 * its invocation and its completion. From a seed, so that a failing one can be looked at again.
 */

import { type Random, randomInteger } from "../../src/util/random.ts";
import type { ClientFunction, HistoryEvent, Value } from "./history.ts";

export interface AtomicHistoryOptions {
  /** At least so many operations are invoked. */
  readonly operations: number;
  /** Operations under way at a time, on all keys together. */
  readonly processes: number;
  readonly keys: number;
  /** Values to choose from; each write has one of its own when absent. */
  readonly values?: number;
  /** Of the writes and deletes: how many end with unknown outcome, and how many fail; shares of 1. */
  readonly infoShare: number;
  readonly failShare: number;
}

const TAKES_MAX = 1_000;
const PAUSE_MAX = 100;
/** An operation of unknown outcome may take effect long after it was given up. */
const LATE_MAX = 10 * TAKES_MAX;
const READ_SHARE = 0.5;
const DELETE_SHARE = 0.3;

interface Moment {
  readonly time: number;
  readonly happen: () => void;
}

/** Plays the clients against an ideal register, event by event. */
export function atomicHistory(random: Random, options: AtomicHistoryOptions): HistoryEvent[] {
  const events: HistoryEvent[] = [];
  const registers = new Map<string, Value>();
  const moments: Moment[] = [];
  let now = 0;
  let invoked = 0;

  const after = (delay: number, happen: () => void) => insert(moments, { time: now + delay, happen });
  const chance = (share: number) => random.next() < share;
  const start = (process: number) => {
    if (invoked >= options.operations) return;
    const key = `key-${randomInteger(random, 1, options.keys)}`;
    const f: ClientFunction = chance(READ_SHARE) ? "read" : chance(DELETE_SHARE) ? "delete" : "write";
    const number = ++invoked;
    const { values } = options;
    const given = f === "write" ? (values === undefined ? number : randomInteger(random, 1, values)) : null;
    const note = (type: HistoryEvent["type"], value: HistoryEvent["value"]) =>
      events.push({ process, type, f, key, value, time: now });
    const goOn = () => after(randomInteger(random, 0, PAUSE_MAX), () => start(process));
    const complete = (type: HistoryEvent["type"], value: HistoryEvent["value"]) => {
      note(type, value);
      goOn();
    };

    note("invoke", given);
    const takes = 2 + randomInteger(random, 0, TAKES_MAX);
    if (chance(options.failShare)) return after(takes, () => complete("fail", given));
    let answer: HistoryEvent["value"] = null;
    const takeEffect = () => {
      const held = registers.get(key) ?? null;
      if (f !== "read") registers.set(key, given);
      answer = f === "read" ? held : f === "delete" ? held !== null : given;
    };
    if (chance(options.infoShare)) {
      if (chance(0.5)) after(randomInteger(random, 1, LATE_MAX), takeEffect);
      return after(takes, () => complete("info", given));
    }
    after(randomInteger(random, 1, takes - 1), takeEffect);
    after(takes, () => complete("ok", answer));
  };

  for (let process = 0; process < options.processes; process++) start(process);
  for (let moment = moments.pop(); moment !== undefined; moment = moments.pop()) {
    now = moment.time;
    moment.happen();
  }
  return events;
}

/** Keeps the next moment last. */
function insert(moments: Moment[], moment: Moment): void {
  let at = moments.length;
  while (at > 0 && moments[at - 1]!.time <= moment.time) at--;
  moments.splice(at, 0, moment);
}

/** A read that may be made wrong: the position of its answer, and a value that had been overwritten before it began. */
export interface StaleAnswer {
  readonly position: number;
  readonly value: HistoryEvent["value"];
}

/**
 * For each read that allows it, a stale answer. With any one of them the history is a violation, whatever else it holds,
 * when no value is written twice.
 */
export function staleAnswers(events: readonly HistoryEvent[]): StaleAnswer[] {
  const open = new Map<number | string, number>();
  /** Acknowledged writes of each key, in the order of their completions. */
  const writes = new Map<string, { value: HistoryEvent["value"]; invokedAt: number; completedAt: number }[]>();
  const answers: StaleAnswer[] = [];
  for (const [position, { process, type, f, key, value }] of events.entries()) {
    if (type === "invoke") open.set(process, position);
    const invokedAt = open.get(process);
    if (type !== "ok" || invokedAt === undefined) continue;
    const ofKey = writes.get(key) ?? [];
    writes.set(key, ofKey);
    if (f === "write") ofKey.push({ value, invokedAt, completedAt: position });
    if (f !== "read") continue;
    const seen = ofKey.findLast((write) => write.value === value && write.completedAt < invokedAt);
    const older = seen && ofKey.find((write) => write.completedAt < seen.invokedAt);
    if (older !== undefined) answers.push({ position, value: older.value });
  }
  return answers;
}

/** The history with another answer to one operation. */
export function altered(events: readonly HistoryEvent[], { position, value }: StaleAnswer): HistoryEvent[] {
  return events.with(position, { ...events[position]!, value });
}
