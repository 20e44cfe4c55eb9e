import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { comparisonHtml } from "../../../../bench/comparison/html.ts";
import { formatComparison, groups, missed, summaryOf } from "../../../../bench/comparison/report.ts";
import { COMPARISON_REPORT } from "../../../support/bench-reports.ts";

describe("the turns of a load", () => {
  it("are one row: the median rate, all failures, what each process used", () => {
    const [atoll, other] = groups(COMPARISON_REPORT.phases);
    assert.equal(other?.length, 1);
    assert.deepEqual(summaryOf(atoll!), [
      ...["lookup", "atoll", "closed", "64", "3", "600", "1.00", "2.00", "3.00", "2"],
      ...["generator 0.50, us-east-1 0.97", "250", "us-east-1"],
    ]);
  });
});

describe("a report", () => {
  it("has the commit with its size, the machine, and that its cores are shared", () => {
    const text = formatComparison(COMPARISON_REPORT);
    assert.match(text, /^lookup at abc1234 \(1 file changed\)\n2 x CPU\n/);
    assert.match(text, /share this machine, and its cores/);
    assert.doesNotMatch(text, /PARTIAL/);
    assert.match(formatComparison({ ...COMPARISON_REPORT, isPartial: true }), /PARTIAL/);
  });

  it("fails for figures that must be reached alone", () => {
    const row = COMPARISON_REPORT.rows[0]!;
    const low = { ...row, measured: { value: 1, detail: "" } };
    assert.deepEqual(missed([row, low, { ...low, must: null }, { ...row, measured: { notMeasured: "" } }]), [low]);
  });

  it("is one page that loads nothing and holds no text as HTML", () => {
    const html = comparisonHtml({ ...COMPARISON_REPORT, command: '<img src="x">' });
    assert.match(html, /default-src 'none'/);
    assert.doesNotMatch(html, /\b(?:src|href)="|@import|<img|<b>other/);
    assert.match(html, /&lt;b&gt;other/);
  });

  it("has no empty sections: where nothing was measured in turns, or no figure comes of it", () => {
    const [phase] = COMPARISON_REPORT.phases;
    const html = comparisonHtml({ ...COMPARISON_REPORT, rows: [], phases: [phase!] });
    assert.deepEqual(html.match(/<h2>.*<\/h2>/g), ["<h2>Loads</h2>"]);
    assert.doesNotMatch(html, /id="turns"/);
  });
});
