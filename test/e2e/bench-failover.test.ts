/** `atoll bench failover` as an operator runs it: a real federation, real faults, and Ctrl-C in the middle. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { FailoverReport } from "../../bench/failover/report.ts";
import { checkPortsAreFree } from "../../src/cli/dev/free-ports.ts";
import { parseRegions, planNodes } from "../../src/cli/dev/options.ts";
import { until } from "../support/waiting.ts";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
const REGIONS = "us-east:3";
const HTTP_BASE = 22_660;
const TIMEOUT_MS = 180_000;
const OUTPUT_CHARS_SHOWN = 3_000;
const LIGHT_LOAD = "--registrations 30 --renewals 30 --lookups 30 --clients 12".split(" ");

class BenchProcess {
  readonly out: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;
  printed = "";
  said = "";

  constructor(folder: string, name: string, ...words: string[]) {
    this.out = join(folder, `${name}.json`);
    const flags = ["--regions", REGIONS, "--http-base", `${HTTP_BASE}`, "--out", this.out, ...LIGHT_LOAD, ...words];
    this.#child = spawn(process.execPath, [MAIN, "bench", "failover", ...flags], { stdio: ["ignore", "pipe", "pipe"] });
    this.#child.stdout?.on("data", (piece) => {
      this.printed += piece;
    });
    this.#child.stderr?.on("data", (piece) => {
      this.said += piece;
    });
    this.#exited = once(this.#child, "close").then(([code]) => code);
  }

  async ended(): Promise<number | null> {
    await this.until(() => this.#child.exitCode !== null || this.#child.signalCode !== null, "it to end");
    return this.#exited;
  }

  until(isMet: () => boolean, what: string): Promise<void> {
    const show = () => `it said:\n${this.said.slice(-OUTPUT_CHARS_SHOWN)}`;
    return until(isMet, { what, timeoutMs: TIMEOUT_MS, show });
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async report(): Promise<FailoverReport> {
    return JSON.parse(await readFile(this.out, "utf8"));
  }
}

describe("atoll bench failover", () => {
  const running: BenchProcess[] = [];
  let folder = "";
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "atoll-bench-e2e-"));
  });
  after(async () => {
    for (const bench of running) bench.signal("SIGKILL");
    await rm(folder, { recursive: true });
  });

  function start(name: string, ...words: string[]): BenchProcess {
    const bench = new BenchProcess(folder, name, ...words);
    running.push(bench);
    return bench;
  }

  it("breaks a region twice, loses no acknowledged write, and leaves a report and no process", async () => {
    const short = ["--rounds", "1", "--hold-ms", "2000", "--settle-ms", "500"];
    const bench = start("whole", "--faults", "kill-leader,stop-leader,cut-region", ...short, "--json");
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
    await nobodyListens();
  });

  it("ends in order on Ctrl-C: the report says that it is partial, the exit code that it was interrupted", async () => {
    const bench = start(
      "partial",
      "--faults",
      "pause-leader",
      "--rounds",
      "50",
      "--hold-ms",
      "1000",
      "--settle-ms",
      "300",
    );
    await bench.until(() => bench.said.includes("round 2"), "the second round to begin");
    bench.signal("SIGINT");
    assert.equal(await bench.ended(), 130, bench.said);
    const { isPartial, systems } = await bench.report();
    assert.equal(isPartial, true);
    assert.equal(systems[0]!.endedEarly, "interrupted by SIGINT");
    assert.equal(systems[0]!.lost, null, "nobody looked");
    assert.equal(systems[0]!.faults[0]!.rounds.length, 1, "what was measured is kept");
    assert.match(bench.printed, /PARTIAL/);
    await nobodyListens();
  });
});

/** Every node is gone, also one that was paused. */
async function nobodyListens(): Promise<void> {
  await checkPortsAreFree(planNodes({ regions: parseRegions(REGIONS), httpBase: HTTP_BASE, dataDir: "none" }));
}
