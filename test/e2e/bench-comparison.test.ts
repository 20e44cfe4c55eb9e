/**
 * `atoll bench throughput` as an operator runs it, without anybody to compare with: real processes, both files of the report,
 * and Ctrl-C in the middle.
 */

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import type { ComparisonReport } from "../../bench/comparison/report.ts";
import { BenchProcess, nobodyListens } from "../support/bench-process.ts";
import { runCommand } from "../support/run-command.ts";

const HTTP_BASE = 21_320;
const SHORT = ["--only", "heartbeats", "--pairs", "1", "--seconds", "1", "--clients", "8"];

it("atoll bench throughput measures Atoll beside bare fastify, and says what was not asked for", async () => {
  const folder = await mkdtemp(join(tmpdir(), "atoll-e2e-"));
  const out = join(folder, "report.json");
  try {
    const { code, printed, noted } = await runCommand(
      ...["bench", "throughput", ...SHORT, "--http-base", `${HTTP_BASE}`, "--out", out],
    );
    assert.equal(code, 0, noted);
    assert.match(printed, /not asked for: --peer/);
    const report: ComparisonReport = JSON.parse(await readFile(out, "utf8"));
    assert.equal(report.isPartial, false);
    const [peer, floor] = report.rows;
    assert.ok(peer !== undefined && "notMeasured" in peer.measured);
    assert.ok(floor !== undefined && "value" in floor.measured && floor.measured.value > 0);
    assert.deepEqual([...new Set(report.phases.map(({ subject }) => subject))], ["atoll", "bare fastify"]);
    for (const { costs, failed, requests } of report.phases) {
      assert.equal(failed, 0);
      assert.ok(requests > 0);
      assert.equal(costs.length, 2, "the generator and the server");
    }
    assert.match(await readFile(out.replace(".json", ".html"), "utf8"), /bare fastify/);
    await nobodyListens("a:3", HTTP_BASE);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

it("atoll bench throughput ends in order on Ctrl-C: what was measured is in a report that says it is partial", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "atoll-e2e-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const words = "--only heartbeats,renewals --pairs 1 --seconds 1 --clients 8 --http-base".split(" ");
  const bench = new BenchProcess<ComparisonReport>(join(folder, "partial.json"), [
    ...["throughput", ...words, `${HTTP_BASE}`],
  ]);
  t.after(() => bench.signal("SIGKILL"));
  await bench.until(() => bench.said.includes("renewals/s beside"), "the second scenario to load the nodes");
  bench.signal("SIGINT");
  assert.equal(await bench.ended(), 130, bench.said);
  const { isPartial, rows } = await bench.report();
  assert.equal(isPartial, true);
  const [, floor, held] = rows;
  assert.ok(floor !== undefined && "value" in floor.measured, "what was measured is kept");
  assert.deepEqual(held?.measured, { notMeasured: "interrupted by SIGINT" });
  assert.match(bench.printed, /PARTIAL/);
  await nobodyListens("a:3", HTTP_BASE);
});
