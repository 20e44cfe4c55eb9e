import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CommitSpans } from "../../../src/raft/commit-spans.ts";
import type { LogEntry } from "../../../src/types/raft.ts";
import { FakeTracing, traceparent } from "../../support/fake-tracing.ts";

const entry = (index: number, term: number): LogEntry => ({ index, term, kind: "command", data: new Uint8Array(0) });

describe("raft/commit-spans", () => {
  it("spans what is traced from the log to its application, as part of its proposer's trace", () => {
    const tracing = new FakeTracing();
    const spans = new CommitSpans(tracing);
    spans.begin(5, 2, [traceparent(1), null, traceparent(3)]);
    assert.deepEqual(
      tracing.started.map(({ parent, attributes }) => [parent, attributes?.["atoll.raft.index"]]),
      [
        [traceparent(1), 5],
        [traceparent(3), 7],
      ],
    );
    for (const index of [4, 5, 6]) spans.applied(entry(index, 2));
    assert.deepEqual(tracing.ended, [{ name: "raft commit" }]);
  });

  it("ends with an error where a newer leader's entry took the place, where it stops, and beyond its bound", () => {
    const tracing = new FakeTracing();
    const spans = new CommitSpans(tracing);
    spans.begin(5, 2, [traceparent(1), traceparent(2), traceparent(3)]);
    spans.applied(entry(5, 3));
    spans.begin(6, 4, [traceparent(4)]);
    spans.stop();
    assert.deepEqual(
      tracing.ended.map(({ error }) => error),
      ["replaced", "replaced", "stopped", "stopped"],
    );
    spans.begin(
      1,
      5,
      Array.from({ length: 10_001 }, () => traceparent(9)),
    );
    assert.equal(tracing.ended.at(-1)?.error, "given up");
    assert.equal(tracing.ended.length, 5);
  });
});
