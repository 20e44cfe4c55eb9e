/** Real processes under faults at random: what their clients were told is linearizable. */

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { runChaos } from "../support/chaos.ts";
import { formatChaosReport, reportOf } from "../support/chaos-report.ts";

const SECONDS = Number(process.env.ATOLL_CHAOS_SECONDS ?? 25);
const SEED = Number(process.env.ATOLL_CHAOS_SEED ?? randomInt(2 ** 31));
/** Acknowledged operations of each kind, below which a run has shown nothing. */
const ENOUGH = 10;

describe("histories", () => {
  it("P1, P2: kill -9, frozen processes and cut links at random leave a linearizable history", async (t) => {
    const file = join(tmpdir(), `atoll-histories-${SEED}.jsonl`);
    const again = `ATOLL_CHAOS_SEED=${SEED}; history in ${file}, checked again by: npm run chaos -- --check ${file}`;
    t.diagnostic(again);
    const { recorder, exits } = await runChaos({ seed: SEED, seconds: SECONDS, file, httpBase: 22_600 });
    const report = reportOf(recorder.events);
    const text = formatChaosReport(report);
    t.diagnostic(text);
    assert.equal(report.result.verdict, "linearizable", `${text}\n${again}`);
    assert.deepEqual(exits, [], again);
    const acknowledged = (f: string) => report.operations.filter((o) => o.f === f && o.outcome === "ok").length;
    for (const f of ["write", "delete", "read"])
      assert.ok(acknowledged(f) > ENOUGH, `too few to say anything\n${text}`);
    rmSync(file);
  });
});
