/**
 * Checks that a recorded history is linearizable: each operation seems to take effect at one moment between its invocation
 * and its completion (Herlihy & Wing 1990).
 *
 * Keys are independent registers, and a history is linearizable exactly when that of each key is (P-compositionality), so
 * each is searched alone (`register-search.ts`). Pure and synchronous, with nothing to set up: a simulator may call it for
 * each of its seeds.
 *
 * The answer is one of three. `undecided` means that the search gave up at its bound, and is no success. A violation comes
 * with a witness: operations of one key which can not be explained by themselves, whatever else happened, and the
 * completion that made it so.
 */

import assert from "node:assert/strict";
import { type HistoryEvent, type Operation, operationsOf, type Value } from "./history.ts";
import { type RegisterOperation, searchRegister } from "./register-search.ts";

export interface Violation {
  readonly verdict: "violation";
  readonly key: string;
  /** In the order of invocations: no order of these explains the answers. */
  readonly witness: readonly Operation[];
  /** Without this answer, the last one of the witness, the others can be explained. */
  readonly impossible: Operation;
  /** Writes of values that the witness sees, which were said to have had no effect. */
  readonly failedWrites: readonly Operation[];
}

export type Linearizability =
  | { readonly verdict: "linearizable"; readonly keys: number; readonly operations: number }
  | Violation
  | { readonly verdict: "undecided"; readonly key: string; readonly operations: number; readonly steps: number };

export interface CheckOptions {
  /** Configurations that the search tries for one key. */
  readonly stepsMax?: number;
}

const STEPS_MAX = 300_000;
/** Of a witness, when it is described: the operations before these are counted only. */
const DESCRIBED_MAX = 20;

/** @throws HistoryError when the events are no history */
export function checkLinearizability(
  events: readonly HistoryEvent[],
  { stepsMax = STEPS_MAX }: CheckOptions = {},
): Linearizability {
  const all = operationsOf(events);
  const operations = all.filter(matters);
  let undecided: Linearizability | undefined;
  const byKey = Map.groupBy(operations, ({ key }) => key);
  for (const [key, ofKey] of byKey) {
    const { verdict, steps } = search(ofKey, stepsMax);
    if (verdict === "violation") {
      const found = witnessIn(ofKey, stepsMax);
      return { verdict, key, ...found, failedWrites: failedWrites(all, key, found.witness) };
    }
    if (verdict === "undecided") undecided ??= { verdict, key, operations: ofKey.length, steps };
  }
  return undecided ?? { verdict: "linearizable", keys: byKey.size, operations: operations.length };
}

/** @throws AssertionError with the witness; also when the search gave up */
export function assertLinearizable(events: readonly HistoryEvent[], options?: CheckOptions): void {
  const result = checkLinearizability(events, options);
  if (result.verdict !== "linearizable") assert.fail(describeLinearizability(result));
}

/** The result in words, a witness with one operation a line. */
export function describeLinearizability(result: Linearizability): string {
  switch (result.verdict) {
    case "linearizable":
      return `linearizable: ${result.operations} operations on ${result.keys} keys`;
    case "undecided":
      return `undecided: key ${result.key} has ${result.operations} operations, and ${result.steps} configurations were not enough`;
    case "violation":
      return describeViolation(result);
  }
}

function describeViolation({ key, witness, impossible, failedWrites }: Violation): string {
  const shown = witness.slice(-DESCRIBED_MAX);
  const lines = shown.map(
    (operation) => describeOperation(operation) + (operation === impossible ? "  <- this one" : ""),
  );
  const left = witness.length - shown.length;
  return [
    `violation: key ${key}, no order of these ${witness.length} operations explains the answer that is marked`,
    ...(left === 0 ? [] : [`  ... ${left} earlier operations`]),
    ...lines.map((line) => `  ${line.trimEnd()}`),
    ...failedWrites.map((operation) => `  failed, yet seen:\n  ${describeOperation(operation).trimEnd()}`),
  ].join("\n");
}

function describeOperation({ process, f, value, outcome, invokedMs, completedMs, node, error }: Operation): string {
  const from = invokedMs.toFixed(3).padStart(11);
  const to = (Number.isFinite(completedMs) ? completedMs.toFixed(3) : "").padEnd(11);
  const what = `${f.padEnd(6)} ${JSON.stringify(value)}`.padEnd(20);
  const details = [node === undefined ? "" : `via ${node}`, error ?? ""].filter((part) => part !== "").join(", ");
  return `${from} .. ${to} process ${process}  ${what} ${outcome}  ${details}`;
}

/** What failed had no effect and gave no answer; a read of unknown outcome the same. */
function matters({ f, outcome }: Operation): boolean {
  return outcome === "ok" || (outcome === "info" && f !== "read");
}

function search(operations: readonly Operation[], stepsMax: number) {
  return searchRegister(operations.map(onRegister), stepsMax);
}

function onRegister({ f, value, invokedAt, completedAt }: Operation): RegisterOperation {
  const isLook = f === "read" || (f === "delete" && value === false);
  const held = f === "delete" ? null : (value as Value);
  return { kind: isLook ? "look" : "set", value: held, invokedAt, completedAt };
}

// -------------------------------------------------------------------------------------------------------- the witness

/** Cuts the history off at the answer that can not be explained, then leaves out what does not matter. */
function witnessIn(operations: readonly Operation[], stepsMax: number): Pick<Violation, "witness" | "impossible"> {
  const isViolation = (some: readonly Operation[]) => search(some, stepsMax).verdict === "violation";
  const cut = shortestPrefix(operations, isViolation);
  const left = withoutWhatIsDead(withoutReads(withoutValues(cut, isViolation), isViolation), isViolation);
  // With an answer left out that said no, what it might have explained while it was under way is impossible earlier.
  const witness = shortestPrefix(left, isViolation);
  const impossible = witness.reduce((last, operation) => (isLater(operation, last) ? operation : last));
  return { witness, impossible };
}

function failedWrites(all: readonly Operation[], key: string, witness: readonly Operation[]): Operation[] {
  const seen = new Set(witness.filter(({ f }) => f === "read").map(({ value }) => value));
  return all.filter((o) => o.key === key && o.f === "write" && o.outcome === "fail" && seen.has(o.value));
}

type Test = (operations: readonly Operation[]) => boolean;

/** The history until the first completion with which it is a violation: what a prefix breaks, the rest can not mend. */
function shortestPrefix(operations: readonly Operation[], isViolation: Test): Operation[] {
  const ends = operations.map(({ completedAt }) => completedAt).filter(Number.isFinite);
  ends.sort((a, b) => a - b);
  let [low, high] = [0, ends.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isViolation(until(operations, ends[middle]!))) high = middle;
    else low = middle + 1;
  }
  return until(operations, ends[high]!);
}

/** What was known at a position: operations still under way have no answer yet. */
function until(operations: readonly Operation[], position: number): Operation[] {
  return operations
    .filter(({ invokedAt }) => invokedAt < position)
    .map((operation): Operation => {
      if (operation.completedAt <= position) return operation;
      const { f, value } = operation;
      return {
        ...operation,
        outcome: "info",
        completedAt: Number.POSITIVE_INFINITY,
        value: f === "write" ? value : null,
      };
    })
    .filter(matters);
}

/**
 * Leaves out values, each with all that sets it and all that sees it. Allowed, because from an order that explains all
 * operations these can be taken out together.
 */
function withoutValues(operations: readonly Operation[], isViolation: Test): Operation[] {
  const groups = [...Map.groupBy(operations, (operation) => onRegister(operation).value).values()];
  return inOrder(shrink(groups, (left) => isViolation(inOrder(left.flat()))).flat());
}

/** Leaves out reads, each by itself: they change nothing. */
function withoutReads(operations: readonly Operation[], isViolation: Test): Operation[] {
  const isLook = (operation: Operation) => onRegister(operation).kind === "look";
  const sets = operations.filter((operation) => !isLook(operation));
  const looks = shrink(operations.filter(isLook), (left) => isViolation(inOrder([...sets, ...left])));
  return inOrder([...sets, ...looks]);
}

/** Leaves out writes and deletes that nobody sees, each by itself: whatever follows them hides them. */
function withoutWhatIsDead(operations: readonly Operation[], isViolation: Test): Operation[] {
  const onRegisters = operations.map(onRegister);
  const seen = new Set(onRegisters.filter(({ kind }) => kind === "look").map(({ value }) => value));
  const isDead = (operation: Operation) => !seen.has(onRegister(operation).value);
  const living = operations.filter((operation) => !isDead(operation));
  const dead = shrink(operations.filter(isDead), (left) => isViolation(inOrder([...living, ...left])));
  return inOrder([...living, ...dead]);
}

/** Drops parts for as long as the rest passes, large pieces first. */
function shrink<Part>(parts: readonly Part[], passes: (left: readonly Part[]) => boolean): Part[] {
  let left = [...parts];
  for (let size = left.length; size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < left.length; ) {
      const without = [...left.slice(0, from), ...left.slice(from + size)];
      if (passes(without)) left = without;
      else from += size;
    }
  }
  return left;
}

function inOrder(operations: readonly Operation[]): Operation[] {
  return [...operations].sort((a, b) => a.invokedAt - b.invokedAt);
}

function isLater(a: Operation, b: Operation): boolean {
  if (!Number.isFinite(a.completedAt)) return false;
  return !Number.isFinite(b.completedAt) || a.completedAt > b.completedAt;
}
