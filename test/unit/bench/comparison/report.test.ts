import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { comparisonHtml } from "../../../../bench/comparison/html.ts";
import {
  type ComparisonReport,
  formatComparison,
  groups,
  missed,
  SCHEMA,
  summaryOf,
} from "../../../../bench/comparison/report.ts";
import { GENERATOR, type Phase } from "../../../../bench/comparison/session.ts";

const PHASE: Phase = {
  ...{ phase: "lookup", subject: "atoll", loop: "closed", clients: 64, requests: 1_000, failed: 0, perSecond: 500 },
  ...{ p50Ms: 1, p99Ms: 2, maxMs: 3, limit: "us-east-1" },
  costs: [
    { name: GENERATOR, cores: 0.5, cpuMs: 500, rssMiB: 90 },
    { name: "us-east-1", cores: 0.97, cpuMs: 970, rssMiB: 250.4 },
  ],
};
const TARGET = { figure: "lookups", unit: "x", better: "more", must: 2, aim: 3, command: "atoll bench all" } as const;
const REPORT: ComparisonReport = {
  ...{ schema: SCHEMA, bench: "lookup", commit: "abc1234", commitSize: "1 file changed", machine: "2 x CPU" },
  ...{ startedAt: "2026-01-01T00:00:00.000Z", command: "atoll bench lookup", isPartial: false },
  options: { pairs: 5, seconds: 4, clients: 64 },
  rows: [{ ...TARGET, measured: { value: 2.5, spread: [2, 3], detail: "atoll 500/s" } }],
  phases: [
    PHASE,
    { ...PHASE, subject: "<b>other" },
    { ...PHASE, perSecond: 700, failed: 2 },
    { ...PHASE, perSecond: 600 },
  ],
};

describe("the turns of a load", () => {
  it("are one row: the median rate, all failures, what each process used", () => {
    const [atoll, other] = groups(REPORT.phases);
    assert.equal(other?.length, 1);
    assert.deepEqual(summaryOf(atoll!), [
      ...["lookup", "atoll", "closed", "64", "3", "600", "1.00", "2.00", "3.00", "2"],
      ...["generator 0.50, us-east-1 0.97", "250", "us-east-1"],
    ]);
  });
});

describe("a report", () => {
  it("has the commit with its size, the machine, and that its cores are shared", () => {
    const text = formatComparison(REPORT);
    assert.match(text, /^lookup at abc1234 \(1 file changed\)\n2 x CPU\n/);
    assert.match(text, /share this machine, and its cores/);
    assert.doesNotMatch(text, /PARTIAL/);
    assert.match(formatComparison({ ...REPORT, isPartial: true }), /PARTIAL/);
  });

  it("fails for figures that must be reached alone", () => {
    const row = REPORT.rows[0]!;
    const low = { ...row, measured: { value: 1, detail: "" } };
    assert.deepEqual(missed([row, low, { ...low, must: null }, { ...row, measured: { notMeasured: "" } }]), [low]);
  });

  it("is one page that loads nothing and holds no text as HTML", () => {
    const html = comparisonHtml({ ...REPORT, command: '<img src="x">' });
    assert.match(html, /default-src 'none'/);
    assert.doesNotMatch(html, /\b(?:src|href)="|@import|<img|<b>other/);
    assert.match(html, /&lt;b&gt;other/);
  });
});
