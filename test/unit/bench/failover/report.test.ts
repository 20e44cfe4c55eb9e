import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { formatFailover, ratiosOf } from "../../../../bench/failover/format.ts";
import { failoverHtml } from "../../../../bench/failover/html.ts";
import { aroundOf, distributionsOf, readReport, systemReport, timelineOf } from "../../../../bench/failover/report.ts";
import type { RunResult } from "../../../../bench/failover/run.ts";
import { formatJson, reportFiles, writeReport } from "../../../../bench/report-files.ts";
import { FAILOVER_RUN, failoverReport, ROUND, STARTED_MS, write } from "../../../support/bench-reports.ts";

describe("distributions", () => {
  it("keep operations under a fault apart from those without", () => {
    const [steady, fault, ...none] = distributionsOf(FAILOVER_RUN.records, FAILOVER_RUN.rounds);
    assert.deepEqual([steady?.phase, steady?.count, fault?.phase, fault?.count], ["steady", 1, "fault", 2]);
    assert.deepEqual(none, []);
  });

  it("rise to the whole, and know each latency to a tenth of a percent", () => {
    const records = Array.from({ length: 1_000 }, (_, i) => write(0, i + 1));
    const [{ points } = { points: [] }] = distributionsOf(records, []);
    assert.ok(points.every(([ms, share], i) => i === 0 || (ms > points[i - 1]![0] && share > points[i - 1]![1])));
    const [lastMs, lastShare] = points.at(-1)!;
    assert.deepEqual([Math.round(lastMs), lastShare], [1_000, 1]);
    const median = points.find(([, share]) => share === 0.5)!;
    assert.ok(Math.abs(median[0] - 500) <= 1, `${median[0]}`);
  });
});

describe("timeline", () => {
  it("has the slowest operation of each bucket, by when it was meant to be sent", () => {
    const failed = { isAcknowledged: false, isFirstAcknowledged: false };
    const { worstMs, failed: failures } = timelineOf(
      [write(0, 5), write(99, 7), write(250, 9_000, failed)],
      STARTED_MS,
    );
    assert.deepEqual(worstMs.register, [7, null, 9_000]);
    assert.deepEqual(worstMs.lookup, [null, null, null]);
    assert.deepEqual(failures, [0, 0, 1]);
  });

  it("has the slowest registration of all rounds around a fault", () => {
    const second = { ...ROUND, injectedMs: ROUND.injectedMs + 5_000, endMs: ROUND.endMs + 5_000 };
    const { fromMs, bucketMs, worstMs } = aroundOf(
      [ROUND, second],
      [write(2_010, 700), write(7_010, 900), write(9_000, 1)],
    );
    const at = (ms: number) => worstMs[Math.floor((ms - fromMs) / bucketMs)];
    assert.deepEqual([at(10), at(-500)], [900, null]);
    assert.equal(worstMs.flatMap((ms) => ms ?? []).length, 1, "what came after the window is left out");
  });
});

describe("report", () => {
  const folder = mkdtempSync(join(tmpdir(), "atoll-report-"));
  after(() => rmSync(folder, { recursive: true }));

  it("shows the figures of each fault, what was not injected, and what was not measured", () => {
    const text = formatFailover(failoverReport(FAILOVER_RUN));
    assert.match(text, /│ kill-leader │[\s\S]*first write, ms +│ +710 │/);
    assert.match(text, /stall-disk: not injected: no C compiler/);
    assert.match(text, /etcd: not measured: there is no program etcd here/);
    assert.match(text, /1 registrations were acknowledged, 0 of them lost/);
    assert.doesNotMatch(text, /PARTIAL/);
  });

  it("says that it is partial, and that nobody looked for lost writes", () => {
    const run: RunResult = { ...FAILOVER_RUN, lost: null, endedEarly: "interrupted by SIGINT" };
    const report = failoverReport(run, { isPartial: true });
    assert.match(formatFailover(report), /PARTIAL[\s\S]*nobody looked[\s\S]*ended early: interrupted by SIGINT/);
    assert.match(failoverHtml(report), /partial<\/strong>[\s\S]*ended early: interrupted by SIGINT/);
    assert.equal(report.systems[0]!.lost, null);
  });

  it("compares the medians of faults that both systems went through", () => {
    const [system] = failoverReport(FAILOVER_RUN).systems;
    const slower = systemReport("etcd", { ...FAILOVER_RUN, records: [write(1_000, 5), write(2_010, 1_410)] }, 250);
    const ratios = ratiosOf(system!, slower).map(({ figure, ratio }) => [figure, ratio]);
    assert.deepEqual(ratios[0], ["first write, ms", 2]);
    assert.deepEqual(ratiosOf(system!, { ...slower, faults: [] }), []);
  });

  it("is one file of HTML that loads nothing", () => {
    const html = failoverHtml(failoverReport(FAILOVER_RUN), { name: "old", report: failoverReport(FAILOVER_RUN) });
    assert.match(html, /default-src 'none'/);
    assert.doesNotMatch(html, /\b(?:src|href)=|@import|url\(/);
    assert.match(html, /old: atoll/);
  });

  it("has no empty sections where the run ended before anything was asked", () => {
    const html = failoverHtml({ ...failoverReport(FAILOVER_RUN), systems: [], isPartial: true });
    assert.doesNotMatch(html, /<h2>|id="/);
    const unbroken = failoverReport({ ...FAILOVER_RUN, rounds: [] });
    assert.doesNotMatch(failoverHtml(unbroken), /id="around"/);
    assert.match(failoverHtml(unbroken), /id="timelines"/);
  });

  it("shows text from elsewhere as text", () => {
    const setting = "</script><img onerror=alert(1)>";
    const html = failoverHtml(failoverReport({ ...FAILOVER_RUN, setting }, { command: "<b>'\"&" }));
    assert.doesNotMatch(html, /<img|<b>/);
    assert.equal(html.match(/<\/script>/g)?.length, 2);
    assert.match(html, /&lt;b&gt;&#39;&quot;&amp;/);
  });

  it("is read again by --compare, which refuses what is no such report", () => {
    const files = reportFiles("failover", join(folder, "one.json"), "");
    assert.equal(files.html, join(folder, "one.html"));
    writeReport(files, failoverReport(FAILOVER_RUN), () => failoverHtml(failoverReport(FAILOVER_RUN)));
    assert.equal(formatJson(readReport(files.json)), formatJson(failoverReport(FAILOVER_RUN)));
    const other = join(folder, "other.json");
    writeFileSync(other, JSON.stringify({ schema: "atoll-bench-failover/0" }));
    assert.throws(() => readReport(other), /other\.json: not a report of this version/);
    assert.throws(() => readReport(files.html), /USAGE|one\.html/);
    assert.throws(() => readReport(join(folder, "absent.json")), /ENOENT/);
  });
});
