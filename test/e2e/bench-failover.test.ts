/** `atoll bench failover` as an operator runs it: a real federation, real faults, and Ctrl-C in the middle. */

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { FailoverReport } from "../../bench/failover/report.ts";
import { BenchProcess, nobodyListens } from "../support/bench-process.ts";
import { ProcessGroup, startRegion } from "../support/node-process.ts";
import { SmallDisk } from "../support/small-disk.ts";

const REGIONS = "us-east:3";
const HTTP_BASE = 22_660;
const LIGHT_LOAD = "--registrations 30 --renewals 30 --lookups 30 --clients 12".split(" ");

describe("atoll bench failover", () => {
  const running: BenchProcess<FailoverReport>[] = [];
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "atoll-bench-e2e-"));
  });
  after(async () => {
    for (const bench of running) bench.signal("SIGKILL");
    await rm(folder, { recursive: true });
  });

  function run(name: string, words: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const bench = new BenchProcess<FailoverReport>(join(folder, `${name}.json`), ["failover", ...words], env);
    running.push(bench);
    return bench;
  }

  /** On a region of its own. */
  function start(name: string, words: readonly string[], env: Readonly<Record<string, string>> = {}) {
    return run(name, ["--regions", REGIONS, "--http-base", `${HTTP_BASE}`, ...LIGHT_LOAD, ...words], env);
  }

  it("breaks a region twice, loses no acknowledged write, and leaves a report and no process", async () => {
    const short = ["--rounds", "1", "--hold-ms", "2000", "--settle-ms", "500"];
    const bench = start("whole", ["--faults", "kill-leader,stop-leader,cut-region", ...short, "--json"]);
    assert.equal(await bench.ended(), 0, bench.said);
    const report = await bench.report();
    assert.deepEqual(JSON.parse(bench.printed), report);
    assert.equal(report.isPartial, false);
    const [system] = report.systems;
    assert.ok(system !== undefined && system.acknowledged > 0);
    assert.equal(system.lost, 0);
    assert.deepEqual(
      system.faults.map(({ fault, rounds }) => [fault, rounds.length]),
      [
        ["kill-leader", 1],
        ["stop-leader", 1],
      ],
    );
    for (const { fault, figures } of system.faults) {
      assert.ok(
        figures.firstWriteMs !== null && figures.elections!.max >= 1,
        `${fault}: somebody else led, and took writes`,
      );
    }
    assert.match(system.notInjected.find(({ fault }) => fault === "cut-region")!.why, /one region only/);
    assert.match(await readFile(bench.out.replace(/json$/, "html"), "utf8"), /<!doctype html>[\s\S]*kill-leader/);
    await nobodyListens(REGIONS, HTTP_BASE);
  });

  it("ends in order on Ctrl-C: the report says that it is partial, the exit code that it was interrupted", async () => {
    const bench = start("partial", "--faults pause-leader --rounds 50 --hold-ms 1000 --settle-ms 300".split(" "));
    await bench.until(() => bench.said.includes("round 2"), "the second round to begin");
    bench.signal("SIGINT");
    assert.equal(await bench.ended(), 130, bench.said);
    const { isPartial, systems } = await bench.report();
    assert.equal(isPartial, true);
    assert.equal(systems[0]!.endedEarly, "interrupted by SIGINT");
    assert.equal(systems[0]!.lost, null, "nobody looked");
    assert.equal(systems[0]!.faults[0]!.rounds.length, 1, "what was measured is kept");
    assert.match(bench.printed, /PARTIAL/);
    await nobodyListens(REGIONS, HTTP_BASE);
  });

  it("says of a target that is down which one it is, in a report that is partial", async () => {
    const targets = ["--target", "http://127.0.0.1:9", "--target", "http://127.0.0.1:19"];
    const bench = run("down", targets);
    assert.equal(await bench.ended(), 1, bench.said);
    assert.match(bench.said, /TARGET_DOWN: http:\/\/127\.0\.0\.1:9, http:\/\/127\.0\.0\.1:19: no answer/);
    const { isPartial, systems, notMeasured } = await bench.report();
    assert.deepEqual([isPartial, systems, notMeasured.map(({ peer }) => peer)], [true, [], ["target"]]);
    assert.match(bench.printed, /PARTIAL[\s\S]*target: not measured: http:\/\/127\.0\.0\.1:9/);
  });

  it("says of a target that goes down in the middle that nobody looked, and does not wait for agents it can not take away", async (t) => {
    const group = await ProcessGroup.create({ region: "gone", httpBase: HTTP_BASE + 10 });
    t.after(() => group.destroy());
    const node = group.add("gone-1");
    await startRegion([node]);
    const bench = run("gone", [
      "--target",
      node.http,
      ...LIGHT_LOAD,
      "--rounds",
      "1",
      "--hold-ms",
      "1000",
      "--timeout-ms",
      "3000",
    ]);
    await node.untilRunning(async () => {
      const answer = await fetch(`${node.http}/v1/agents?limit=100`);
      return ((await answer.json()) as { agents: unknown[] }).agents.length === 100;
    }, "the load to have registered agents");
    await node.kill();
    assert.equal(await bench.ended(), 1, bench.said);
    assert.match(bench.said, /RUN_INCOMPLETE: .*nobody looked for lost writes: http:.*: no answer/);
    assert.equal((await bench.report()).isPartial, true);
  });

  it("leaves a partial report and no process where the disk of the nodes is full", async (t) => {
    const disk = await SmallDisk.mount(t, join(folder, "full"), 1);
    if (disk === null) return;
    await disk.fill();
    const bench = start("full-data", ["--rounds", "1"], { TMPDIR: join(folder, "full") });
    assert.equal(await bench.ended(), 1, bench.said);
    const { isPartial, notMeasured } = await bench.report();
    assert.deepEqual([isPartial, notMeasured.map(({ peer }) => peer)], [true, ["atoll"]]);
    await nobodyListens(REGIONS, HTTP_BASE);
  });

  it("prints what it measured where the report has no room, and says so", async (t) => {
    const disk = await SmallDisk.mount(t, join(folder, "small"), 1);
    if (disk === null) return;
    await disk.fill();
    const short = "--rounds 1 --faults kill-follower --hold-ms 300 --settle-ms 0".split(" ");
    const bench = start("small/report", short);
    assert.equal(await bench.ended(), 1, bench.said);
    assert.match(bench.printed, /kill-follower[\s\S]* 0 of them lost/);
    assert.match(bench.said, /REPORT_NOT_WRITTEN: .*small\/report\.json: ENOSPC.*--out/);
    await nobodyListens(REGIONS, HTTP_BASE);
  });
});
