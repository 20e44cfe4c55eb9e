import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import type { Round } from "../../../../bench/failover/figures.ts";
import { formatFailover, ratiosOf } from "../../../../bench/failover/format.ts";
import { failoverHtml } from "../../../../bench/failover/html.ts";
import {
  aroundOf,
  distributionsOf,
  type FailoverReport,
  readReport,
  SCHEMA,
  systemReport,
  timelineOf,
} from "../../../../bench/failover/report.ts";
import type { RunResult } from "../../../../bench/failover/run.ts";
import type { OperationRecord } from "../../../../bench/failover/workload.ts";
import { formatJson, reportFiles, writeReport } from "../../../../bench/report-files.ts";

const STARTED_MS = 50_000;
const ROUND: Round = {
  fault: "kill-leader",
  round: 1,
  victim: "us-east-1",
  injectedMs: STARTED_MS + 2_000,
  releasedMs: STARTED_MS + 3_000,
  wholeMs: STARTED_MS + 3_500,
  endMs: STARTED_MS + 4_000,
  elections: 1,
};

function write(sinceMs: number, tookMs: number, facts: Partial<OperationRecord> = {}): OperationRecord {
  const intendedMs = STARTED_MS + sinceMs;
  const done = { isAcknowledged: true, isFirstAcknowledged: true };
  return { operation: "register", intendedMs, doneMs: intendedMs + tookMs, ...done, ...facts };
}

const RUN: RunResult = {
  setting: "us-east:3",
  startedMs: STARTED_MS,
  endedMs: STARTED_MS + 4_000,
  rounds: [ROUND],
  notInjected: [{ fault: "stall-disk", why: "no C compiler (cc) is installed" }],
  records: [write(1_000, 5), write(2_010, 700), write(3_900, 6)],
  acknowledged: [{ agent: 0, atMs: STARTED_MS + 2_710 }],
  lost: { checked: 1, missing: [] },
  behindMs: 3,
  endedEarly: undefined,
};

function reportOf(run: RunResult, more: Partial<FailoverReport> = {}): FailoverReport {
  return {
    schema: SCHEMA,
    bench: "failover",
    commit: "abc1234",
    machine: "2 x CPU",
    startedAt: "2026-11-21T17:00:00.000Z",
    command: "atoll bench failover",
    isPartial: false,
    options: {
      rounds: 1,
      rates: { register: 100, renew: 100, lookup: 100 },
      spacing: "even",
      seed: 1,
      clients: 64,
      holdMs: 1_000,
      settleMs: 500,
      tryTimeoutMs: 1_000,
      timeoutMs: 10_000,
      lateMs: 250,
    },
    systems: [systemReport("atoll", run, 250)],
    notMeasured: [{ peer: "etcd", why: "there is no program etcd here" }],
    ...more,
  };
}

describe("distributions", () => {
  it("keep operations under a fault apart from those without", () => {
    const [steady, fault, ...none] = distributionsOf(RUN.records, RUN.rounds);
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
    const text = formatFailover(reportOf(RUN));
    assert.match(text, /│ kill-leader │[\s\S]*first write, ms +│ +710 │/);
    assert.match(text, /stall-disk: not injected: no C compiler/);
    assert.match(text, /etcd: not measured: there is no program etcd here/);
    assert.match(text, /1 registrations were acknowledged, 0 of them lost/);
    assert.doesNotMatch(text, /PARTIAL/);
  });

  it("says that it is partial, and that nobody looked for lost writes", () => {
    const run: RunResult = { ...RUN, lost: null, endedEarly: "interrupted by SIGINT" };
    const report = reportOf(run, { isPartial: true });
    assert.match(formatFailover(report), /PARTIAL[\s\S]*nobody looked[\s\S]*ended early: interrupted by SIGINT/);
    assert.match(failoverHtml(report), /partial<\/strong>[\s\S]*ended early: interrupted by SIGINT/);
    assert.equal(report.systems[0]!.lost, null);
  });

  it("compares the medians of faults that both systems went through", () => {
    const [system] = reportOf(RUN).systems;
    const slower = systemReport("etcd", { ...RUN, records: [write(1_000, 5), write(2_010, 1_410)] }, 250);
    const ratios = ratiosOf(system!, slower).map(({ figure, ratio }) => [figure, ratio]);
    assert.deepEqual(ratios[0], ["first write, ms", 2]);
    assert.deepEqual(ratiosOf(system!, { ...slower, faults: [] }), []);
  });

  it("is one file of HTML that loads nothing", () => {
    const html = failoverHtml(reportOf(RUN), { name: "old", report: reportOf(RUN) });
    assert.match(html, /default-src 'none'/);
    assert.doesNotMatch(html, /\b(?:src|href)=|@import|url\(/);
    assert.match(html, /old: atoll/);
  });

  it("shows text from elsewhere as text", () => {
    const setting = "</script><img onerror=alert(1)>";
    const html = failoverHtml(reportOf({ ...RUN, setting }, { command: "<b>'\"&" }));
    assert.doesNotMatch(html, /<img|<b>/);
    assert.equal(html.match(/<\/script>/g)?.length, 2);
    assert.match(html, /&lt;b&gt;&#39;&quot;&amp;/);
  });

  it("is read again by --compare, which refuses what is no such report", () => {
    const files = reportFiles("failover", join(folder, "one.json"), "");
    assert.equal(files.html, join(folder, "one.html"));
    writeReport(files, reportOf(RUN), () => failoverHtml(reportOf(RUN)));
    assert.equal(formatJson(readReport(files.json)), formatJson(reportOf(RUN)));
    const other = join(folder, "other.json");
    writeFileSync(other, JSON.stringify({ schema: "atoll-bench-failover/0" }));
    assert.throws(() => readReport(other), /other\.json: not a report of this version/);
    assert.throws(() => readReport(files.html), /USAGE|one\.html/);
    assert.throws(() => readReport(join(folder, "absent.json")), /ENOENT/);
  });
});
