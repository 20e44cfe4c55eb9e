import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { HistoryRecorder, historyFile, operationsOf, parseHistory, readHistory } from "../../support/history.ts";
import { timelines } from "../../support/timelines.ts";

const folder = mkdtempSync(join(tmpdir(), "atoll-history-"));
after(() => rmSync(folder, { recursive: true }));

describe("history", () => {
  it("records invocations, completions and faults in order, and reads back what it wrote", () => {
    const path = join(folder, "history.jsonl");
    let nowMs = 5_000;
    const recorder = new HistoryRecorder({ now: () => nowMs, sink: historyFile(path) });
    const write = recorder.invoke(1, "write", "k", "a", "node-1");
    nowMs += 1.5;
    recorder.fault("kill", "node-2");
    write.info("timeout");
    recorder.invoke(2, "read", "k", null).ok("a");
    assert.deepEqual(recorder.events, [
      { process: 1, type: "invoke", f: "write", key: "k", value: "a", node: "node-1", time: 0 },
      { process: "nemesis", type: "info", f: "kill", key: "node-2", value: null, time: 1.5 },
      { process: 1, type: "info", f: "write", key: "k", value: "a", node: "node-1", time: 1.5, error: "timeout" },
      { process: 2, type: "invoke", f: "read", key: "k", value: null, time: 1.5 },
      { process: 2, type: "ok", f: "read", key: "k", value: "a", time: 1.5 },
    ]);
    assert.deepEqual(readHistory(path), recorder.events);
  });

  it("pairs each invocation with its completion; what is unknown, or never answered, is open to the end", () => {
    const operations = operationsOf(timelines("[w a] [d -] [w b ? [r a]", "   [w c ! [d"));
    const open = Number.POSITIVE_INFINITY;
    assert.deepEqual(
      operations.map(({ f, value, outcome, completedAt }) => [f, value, outcome, completedAt === open]),
      [
        ["write", "a", "ok", false],
        ["write", "c", "fail", false],
        ["delete", false, "ok", false],
        ["delete", null, "info", true],
        ["write", "b", "info", true],
        ["read", "a", "ok", false],
      ],
    );
  });

  it("refuses what is no history, and says where", () => {
    const [invoke, ok] = timelines("[w a]");
    assert.throws(() => operationsOf([ok!]), /event 0: process 0 completes what it did not invoke/);
    assert.throws(() => operationsOf([invoke!, invoke!]), /event 1: process 0 invokes before its last/);
    assert.throws(() => operationsOf([invoke!, { ...ok!, key: "other" }]), /event 1: process 0 completes what/);
    assert.throws(() => operationsOf([{ ...invoke!, value: null }]), /event 0: process 0 writes no value/);
    assert.throws(() => operationsOf([{ ...invoke!, f: "append" }]), /event 0: process 0 invokes what no client can/);
    const lines = [JSON.stringify(invoke), '{"process":1,"type":"ok"', ""].join("\n");
    assert.throws(() => parseHistory(lines), /line 2 is no event of a history/);
    assert.throws(() => parseHistory(JSON.stringify({ ...invoke, type: "maybe" })), /line 1 is no event/);
  });
});
