/** The checker is what says that the registry is right: it is tested on histories whose answer is known. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { altered, staleAnswers } from "../../support/atomic-history.ts";
import { type HistoryEvent, type Operation, operationsOf, readHistory } from "../../support/history.ts";
import { assertLinearizable, checkLinearizability, describeLinearizability } from "../../support/linearizability.ts";
import { timelines } from "../../support/timelines.ts";

const GOOD: Readonly<Record<string, readonly string[]>> = {
  "no operation at all": [],
  "a read of absence before anything was written": ["[r -]"],
  "one after the other": ["[w a] [r a] [d] [r -] [w b] [r b]"],
  "a read sees a write that is still under way": [
    "[w a               ]", //
    "   [r a]",
  ],
  "a read does not see a write that is still under way": [
    "[w a               ]", //
    "   [r -]",
  ],
  "reads see a write under way come into effect once": [
    "[w a                     ]", //
    "   [r -]",
    "          [r -] [r a] [r a]",
  ],
  "concurrent writes take effect in either order": [
    "[w a   ]",
    "[w b   ]", //
    "         [r a]",
  ],
  "concurrent writes are seen one after the other": [
    "[w a       ]", //
    "[w b       ]",
    "  [r b] [r a]",
  ],
  "a write that was invoked first takes effect last": [
    "[w a                   ]", //
    "   [w b] [r b] [r b]",
    "                      [r a]",
  ],
  "a delete under way is seen by one reader and not yet by another": [
    "[w a] [d            ]", //
    "        [r a]",
    "              [r -]",
  ],
  "a delete that found nothing": ["[w a] [d] [d -] [r -]"],
  "a delete that found nothing because another one was first": [
    "[w a]    [d     ]", //
    "         [d -   ]",
  ],
  "a write of unknown outcome that is never seen": ["[w a] [w b ?", "              [r a] [r a]"],
  "a write of unknown outcome that is seen at once": ["[w a] [w b ?", "              [r b] [r b]"],
  "a write of unknown outcome that shows up late": ["[w a] [w b ?", "              [r a] [r a] [w c] [r c] [r b]"],
  "a write that was never answered and shows up late": ["[w a] [w b", "              [r a] [r a] [r b]"],
  "a delete of unknown outcome that shows up late": ["[w a] [d ?", "              [r a] [r a] [r -] [r -]"],
  "a delete of unknown outcome between two writes that are never deleted by anybody else": [
    "[w a] [d ?",
    "              [r a] [w b] [r b] [r -] [w c] [r c]",
  ],
  "a process that goes on after an unknown outcome": ["[w a ? [r -] [r a]"],
  "a failed write that is never seen": ["[w a] [w b ! [r a]"],
  "a read that failed says nothing": ["[w a] [r ! [r a]"],
  "a read of unknown outcome says nothing": ["[w a] [r ? [r a]"],
  "the same value written twice": ["[w a] [r a] [w b] [w a] [r a]"],
  "the same value written twice, once with unknown outcome": ["[w a] [w b] [w a ?", "                     [r b] [r a]"],
  "Herlihy and Wing 1990, figure 1: a register that two processes share": [
    "[w 0 ]   [w 1              ]", //
    "            [r 1]    [r 1]",
  ],
  "Wing and Gong 1993: an answer that only an operation invoked later explains": [
    "[r b          ]", //
    "   [w a] [w b]",
  ],
  "porcupine's register example": [
    "[w 100               ]", //
    "     [r 100         ]",
    "         [r -]",
  ],
};

const BAD: Readonly<Record<string, readonly string[]>> = {
  "stale read: a value that was overwritten before the read began": ["[w a] [w b] [r a]"],
  "stale read by another process": ["[w a] [w b]", "             [r a]"],
  "stale read of absence": ["[w a]", "      [r -]"],
  "lost write: acknowledged, then an older value is there": ["[w a] [w b] [r a] [r a]"],
  "lost write: acknowledged, then nothing is there": ["[w a] [r -]"],
  "a read of a value that was never written": ["[w a] [r z]"],
  "a read of a value before its write was invoked": [
    "[r a]", //
    "      [w a]",
  ],
  "resurrected delete: what was deleted comes back": ["[w a] [d] [r -] [r a]"],
  "resurrected delete, nobody looked in between": ["[w a] [d] [r a]"],
  "a delete that found nothing, though nobody had deleted": ["[w a] [d -]"],
  "two deletes found nothing, and one must have": [
    "[w a]    [d -   ]", //
    "         [d -   ]",
  ],
  "a write of unknown outcome that shows up and vanishes again": [
    "[w a] [w b ?", //
    "              [r a] [r b] [r a]",
  ],
  "a write of unknown outcome that shows up twice": [
    "[w a] [w b ?", //
    "              [r b] [w c] [r c] [r b]",
  ],
  "a write of unknown outcome that is seen before it was invoked": [
    "      [w b ?", //
    "[r b]",
  ],
  "a delete of unknown outcome that takes effect twice": [
    "[w a] [d ?", //
    "              [r -] [w b] [r b] [r -]",
  ],
  "a delete of unknown outcome that takes effect before it was invoked": [
    "[w a] [d ?                             [d ?",
    "              [r -] [w b] [r b] [r -]",
  ],
  "a failed write that is seen": ["[w a] [w b ! [r b]"],
  "a failed delete that took effect": ["[w a] [d ! [r -]"],
  "real-time order: two readers, one after the other, see a write come and go": [
    "[w a                   ]", //
    "   [r a]",
    "         [r -]",
  ],
  "real-time order: readers disagree on the order of two writes": [
    "[w a    ]",
    "[w b    ]", //
    "          [r a] [r b]",
  ],
  "real-time order: each of two readers sees its own order": [
    "[w a                      ]", //
    "[w b                      ]",
    "   [r a]       [r b]",
    "        [r b]       [r a]",
  ],
  "real-time order: a write that completed is ordered after one that began later": [
    "[w a]", //
    "      [w b]",
    "            [r b] [r a]",
  ],
  "Herlihy and Wing 1990, figure 1: the same register read out of order": [
    "[w 0 ]   [w 1              ]", //
    "            [r 1]    [r 0]",
  ],
  "porcupine's register example, read too late": [
    "[w 100               ]", //
    "     [r 100]",
    "              [r -]",
  ],
  "the same value written twice, and seen after what came last": ["[w a] [w b] [w a] [w c] [r a]"],
};

describe("linearizability", () => {
  for (const [name, lines] of Object.entries(GOOD)) {
    it(`accepts: ${name}`, () => assertLinearizable(timelines(...lines)));
  }

  for (const [name, lines] of Object.entries(BAD)) {
    it(`refuses: ${name}`, () => assert.equal(checkLinearizability(timelines(...lines)).verdict, "violation"));
  }

  it("checks each key by itself", () => {
    const events = timelines("[w a] [r a]", "      [w b] [r b]");
    const apart = events.map((event) => ({ ...event, key: `key-${event.process}` }));
    assert.deepEqual(checkLinearizability(apart), { verdict: "linearizable", keys: 2, operations: 4 });
    const other = timelines("[w c] [r -]").map((event) => ({ ...event, process: 9, key: "key-9" }));
    const result = checkLinearizability([...apart, ...other]);
    assert.equal(result.verdict === "violation" && result.key, "key-9");
  });

  it("shows a witness without what has nothing to do with it, and marks the answer that can not be explained", () => {
    const before = timelines("[w a] [r a] [w b] [r b] [d] [r -] [w c] [r c]", "   [w d  ] [r b  ? [w e !", "  [r -]");
    const core = shifted(timelines("[w x] [w y]", "             [r x]", "        [r x  ]"), before);
    const after = shifted(timelines("[w f] [r f] [r a] [w g  ]", "       [w h ]"), [...before, ...core]);
    const result = checkLinearizability([...before, ...core, ...after]);
    assert.equal(result.verdict, "violation");
    assert.deepEqual(
      result.witness.map(({ f, value }) => `${f} ${value}`),
      ["write x", "write y", "read x"],
    );
    assert.equal(result.impossible, result.witness[2]);
    const text = describeLinearizability(result);
    assert.match(text, /^violation: key k, no order of these 3 operations/);
    assert.match(text, /read {3}"x" .*<- this one$/m);
  });

  it("names the write that was said to have failed, when its value is seen", () => {
    const result = checkLinearizability(timelines("[w a] [w b ! [r b]"));
    assert.match(describeLinearizability(result), /this one\n {2}failed, yet seen:\n.*write {2}"b" .* fail$/);
  });

  it("tries no configuration twice: 12 concurrent writes, each of them seen, have 12! orders", () => {
    const names = Array.from({ length: 12 }, (_, i) => `v${i}`);
    const writes = names.map((name) => `[w ${name}          ]`);
    const reads = names.map((name) => `  [r ${name}          ]`);
    assertLinearizable(timelines(...writes, ...reads));
    const bothLast = timelines(...writes, ...reads, "                      [r v0] [r v1]");
    assert.equal(checkLinearizability(bothLast).verdict, "violation");
  });

  it("gives up at its bound, and says so as a failure", () => {
    const events = timelines(
      "[w a        ] [r a  ]", //
      "[w b        ] [r b  ]",
      "[w c        ] [r c  ]",
    );
    const result = checkLinearizability(events, { stepsMax: 1 });
    assert.equal(result.verdict, "undecided");
    assert.throws(() => assertLinearizable(events, { stepsMax: 1 }), /undecided: key k has 6 operations/);
  });
});

/** One key of a run of `npm run chaos`: three processes of its region, killed, frozen and cut off meanwhile. */
describe("linearizability of a history of real processes", () => {
  const events = readHistory(join(import.meta.dirname, "chaos-history.jsonl"));
  const answersOf = (f: string) =>
    [...events.keys()].filter((position) => events[position]!.f === f && events[position]!.type === "ok");

  it("accepts it, with a write that was given up and seen later", () => {
    assertLinearizable(events);
    const operations = operationsOf(events);
    const isSeenLater = (write: Operation) =>
      operations.some((read) => read.f === "read" && read.value === write.value && read.invokedMs > write.completedMs);
    assert.ok(operations.some((write) => write.f === "write" && write.outcome === "info" && isSeenLater(write)));
  });

  it("finds every read that is made stale", () => {
    const answers = staleAnswers(events);
    assert.ok(answers.length > 10);
    for (const answer of answers) {
      const result = checkLinearizability(altered(events, answer));
      assert.equal(result.verdict, "violation", `read at ${answer.position} made ${answer.value}`);
      assert.ok(result.witness.some(({ invokedAt }) => invokedAt === invocationOf(events, answer.position)));
    }
  });

  it("finds every read of a value that nobody wrote", () => {
    for (const position of answersOf("read")) {
      const result = checkLinearizability(altered(events, { position, value: "never" }));
      assert.equal(result.verdict, "violation");
    }
  });

  it("finds that a write is missing whose value was seen", () => {
    const seen = new Set(answersOf("read").map((position) => events[position]!.value));
    const writes = answersOf("write").filter((position) => seen.has(events[position]!.value));
    assert.ok(writes.length > 5);
    for (const position of writes) {
      const failed = events.with(position, { ...events[position]!, type: "fail" });
      assert.equal(checkLinearizability(failed).verdict, "violation");
    }
  });
});

function invocationOf(events: readonly HistoryEvent[], completion: number): number {
  const { process } = events[completion]!;
  return events.findLastIndex((event, i) => i < completion && event.process === process && event.type === "invoke");
}

/** Moved behind others. */
function shifted(events: readonly HistoryEvent[], others: readonly HistoryEvent[]): HistoryEvent[] {
  const by = Math.max(...others.map(({ time }) => time)) + 1;
  return events.map((event) => ({ ...event, process: Number(event.process) + 100 + by, time: event.time + by }));
}
