import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isMissed } from "../../../../bench/figures.ts";
import { formatSoak } from "../../../../bench/soak/format.ts";
import { soakHtml } from "../../../../bench/soak/html.ts";
import { soakReport } from "../../../support/bench-reports.ts";

const END = { node: "us-east-1", atMs: 61_000, how: "1" };

function missed(report: ReturnType<typeof soakReport>): string[] {
  return report.figures.filter(isMissed).map(({ name }) => name);
}

describe("report of a soak", () => {
  it("misses nothing when nothing was found", () => {
    const report = soakReport();
    assert.deepEqual(missed(report), []);
    assert.equal(report.isPartial, false);
    assert.doesNotMatch(formatSoak(report), /PARTIAL|MISSED/);
  });

  it("says that it is partial, and why, and misses what nobody looked for", () => {
    const report = soakReport({ endedEarly: "interrupted by SIGINT", outOfSync: null });
    assert.equal(report.isPartial, true);
    assert.match(formatSoak(report), /PARTIAL: interrupted by SIGINT/);
    assert.match(soakHtml(report), /partial: interrupted by SIGINT/);
    assert.deepEqual(missed(report), ["nodes that do not agree at the end"]);
    assert.match(formatSoak(report), /nodes that do not agree at the end +│ +not measured/);
  });

  it("misses what had not agreed when the time was up", () => {
    const report = soakReport({ outOfSync: ["us-east-1 is not in sync with us-west"] });
    assert.deepEqual(missed(report), ["nodes that do not agree at the end"]);
    assert.match(formatSoak(report), /us-east-1 is not in sync with us-west/);
  });

  it("lets a node end by itself only while its disk is full", () => {
    assert.deepEqual(missed(soakReport({ endedByThemselves: [END] })), ["nodes that ended by themselves"]);
    const rounds = soakReport().faults.map((round) => ({ ...round, fault: "fill-leaders-disk" as const }));
    assert.deepEqual(missed(soakReport({ endedByThemselves: [END], rounds })), []);
  });
});
