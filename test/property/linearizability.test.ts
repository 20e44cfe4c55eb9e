import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { seededRandom } from "../../src/util/random.ts";
import { type AtomicHistoryOptions, altered, atomicHistory, staleAnswers } from "../support/atomic-history.ts";
import { type HistoryEvent, type Operation, operationsOf, type Value } from "../support/history.ts";
import { assertLinearizable, checkLinearizability } from "../support/linearizability.ts";

/** Tries every order, and every choice of what took effect of that which is not known to have. */
function isExplained(operations: readonly Operation[], held: Value = null): boolean {
  if (operations.every(({ outcome }) => outcome !== "ok")) return true;
  const limit = Math.min(...operations.map(({ completedAt }) => completedAt));
  return operations.some((next) => {
    if (next.invokedAt > limit) return false;
    const { f, value, outcome } = next;
    const found = f === "read" ? value : null;
    const isLook = f === "read" || (f === "delete" && outcome === "ok" && value === false);
    if (isLook && found !== held) return false;
    const left = operations.filter((operation) => operation !== next);
    return isExplained(left, isLook ? held : f === "write" ? (value as Value) : null);
  });
}

function isExplainedByBruteForce(events: readonly HistoryEvent[]): boolean {
  const operations = operationsOf(events);
  return isExplained(operations.filter(({ f, outcome }) => outcome !== "fail" && (f !== "read" || outcome === "ok")));
}

/** What is left of an operation when its answer is not known. */
function unanswered(operation: Operation): Operation[] {
  const isLook = operation.f === "read";
  return isLook ? [] : [{ ...operation, outcome: "info", completedAt: Number.POSITIVE_INFINITY }];
}

/** Anything that clients may have been told, most of it wrong. */
const anyHistory = fc
  .array(
    fc.record({
      f: fc.constantFrom("write", "write", "read", "read", "read", "delete", "delete"),
      written: fc.constantFrom("a", "b", "c"),
      seen: fc.constantFrom("a", "a", "b", "c", null, null),
      found: fc.boolean(),
      type: fc.constantFrom("ok", "ok", "ok", "ok", "ok", "info", "info", "fail"),
      begins: fc.nat(20),
      takes: fc.nat(10),
    }),
    { minLength: 2, maxLength: 8 },
  )
  .map((drafts) =>
    drafts
      .flatMap(({ f, written, seen, found, type, begins, takes }, process): HistoryEvent[] => {
        const given = f === "write" ? written : null;
        const answered = f === "write" ? written : f === "read" ? seen : found;
        const event = { process, f, key: "k" };
        return [
          { ...event, type: "invoke", value: given, time: begins },
          { ...event, type: type as "ok", value: type === "ok" ? answered : given, time: begins + takes + 0.5 },
        ];
      })
      .sort((a, b) => a.time - b.time),
  );

const seeds = fc.noShrink(fc.integer({ min: 1 }));

function history(seed: number, options: Partial<AtomicHistoryOptions>): HistoryEvent[] {
  const defaults = { operations: 6, processes: 3, keys: 1, infoShare: 0.2, failShare: 0.1 };
  return atomicHistory(seededRandom(seed), { ...defaults, ...options });
}

describe("property linearizability", () => {
  it("says what trying every order says", () => {
    const said = { linearizable: 0, violation: 0, undecided: 0 };
    const test = (events: HistoryEvent[]) => {
      const { verdict } = checkLinearizability(events);
      said[verdict]++;
      assert.equal(verdict, isExplainedByBruteForce(events) ? "linearizable" : "violation");
    };
    fc.assert(fc.property(anyHistory, test), { numRuns: 5_000 });
    assert.ok(said.linearizable > 500 && said.violation > 500, `one-sided: ${JSON.stringify(said)}`);
  });

  it("shows a witness that is a violation by itself", () => {
    const test = (events: HistoryEvent[]) => {
      const result = checkLinearizability(events);
      fc.pre(result.verdict === "violation");
      assert.ok(!isExplained(result.witness));
      assert.ok(isExplained(result.witness.flatMap((o) => (o === result.impossible ? unanswered(o) : o))));
    };
    fc.assert(fc.property(anyHistory, test), { numRuns: 500, maxSkipsPerRun: 1_000 });
  });

  it("accepts what an atomic register did, and of a changed read says what trying every order says", () => {
    const test = (seed: number, values: number, which: number, seen: Value) => {
      const events = history(seed, { values });
      assertLinearizable(events);
      const reads = [...events.keys()].filter((i) => events[i]!.type === "ok" && events[i]!.f === "read");
      fc.pre(reads.length > 0);
      const position = reads[which % reads.length]!;
      const changed = altered(events, { position, value: seen });
      const expected = isExplainedByBruteForce(changed) ? "linearizable" : "violation";
      assert.equal(checkLinearizability(changed).verdict, expected);
    };
    const values = fc.integer({ min: 1, max: 6 });
    const seen = fc.oneof(fc.constant(null), fc.integer({ min: 1, max: 6 }));
    fc.assert(fc.property(seeds, values, fc.nat(), seen, test), { numRuns: 2_000 });
  });

  it("accepts long histories of an atomic register, on one key and on many", () => {
    const test = (seed: number, processes: number, keys: number, infoShare: number) => {
      assertLinearizable(history(seed, { operations: 1_000, processes, keys, infoShare }));
    };
    const shares = fc.constantFrom(0, 0.02, 0.3);
    const counts = fc.integer({ min: 1, max: 20 });
    fc.assert(fc.property(seeds, counts, counts, shares, test), { numRuns: 100 });
  });

  it("accepts long histories in which values are written again and again", () => {
    const test = (seed: number, processes: number, values: number) => {
      assertLinearizable(history(seed, { operations: 300, processes, values, infoShare: 0.02 }));
    };
    const counts = fc.integer({ min: 1, max: 8 });
    fc.assert(fc.property(seeds, counts, counts, test), { numRuns: 100 });
  });

  it("finds every stale read in long histories", () => {
    const test = (seed: number, processes: number, keys: number, which: number) => {
      const events = history(seed, { operations: 400, processes, keys });
      const answers = staleAnswers(events);
      fc.pre(answers.length > 0);
      const stale = altered(events, answers[which % answers.length]!);
      assert.equal(checkLinearizability(stale).verdict, "violation");
    };
    const counts = fc.integer({ min: 1, max: 20 });
    fc.assert(fc.property(seeds, counts, counts, fc.nat(), test), { numRuns: 100 });
  });

  it("decides a key of 5,000 operations, 20 of them at a time, within its bound", () => {
    const events = history(7, { operations: 5_000, processes: 20, infoShare: 0.005 });
    assertLinearizable(events);
    const stale = altered(events, staleAnswers(events).at(-1)!);
    assert.equal(checkLinearizability(stale).verdict, "violation");
  });
});
