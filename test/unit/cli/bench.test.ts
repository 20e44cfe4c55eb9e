import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { SCENARIOS } from "../../../bench/comparison/command.ts";
import type { ComparisonReport } from "../../../bench/comparison/report.ts";
import { FAULT_NAMES } from "../../../bench/failover/faults.ts";
import { CLUSTERED_PEER_NAMES } from "../../../bench/peers/catalogue.ts";
import { runCommand } from "../../support/run-command.ts";

const failover = (...words: string[]) => runCommand("bench", "failover", ...words);

describe("atoll bench failover", () => {
  it("knows every fault and every peer that there is", async () => {
    const { code, printed } = await failover("--help");
    assert.equal(code, 0);
    const help = printed.replace(/\s+/g, "");
    assert.ok(help.includes(FAULT_NAMES.join(",")), printed);
    assert.ok(help.includes(CLUSTERED_PEER_NAMES.join(",")), printed);
  });

  it("refuses wrong words before it starts anything, and says what to write", async () => {
    const wrong: [string[], RegExp][] = [
      [["--faults", "kill-leader,meteor"], /no fault meteor: choose from kill-leader/],
      [["--peer", "zookeeper"], /no peer zookeeper: choose from etcd/],
      [["--rounds", "0"], /whole number from 1/],
      [["--target", "localhost:8000"], /"localhost:8000" is no HTTP address/],
      [["--spacing", "bursts"], /even, poisson/],
      [["--regions", "us-east:99"], /us-east:99/],
      [["--compare", "/no/such/file.json"], /--compare \/no\/such\/file\.json: ENOENT/],
      [["--no-such-flag"], /unknown option/],
    ];
    for (const [words, said] of wrong) {
      const { code, noted } = await failover(...words);
      assert.match(noted, said);
      assert.equal(code, 64, words.join(" "));
    }
  });

  it("refuses a file that can not be written before it starts anything", async () => {
    const { code, noted } = await failover("--out", join(import.meta.filename, "report.json"));
    assert.match(noted, /the report can not be written to .*bench\.test\.ts\/report\.json: .*--out/);
    assert.equal(code, 1);
  });
});

describe("atoll bench throughput, lookup, memory and all", () => {
  it("are the benches that there are", async () => {
    const { printed } = await runCommand("bench", "--help");
    for (const name of Object.keys(SCENARIOS)) assert.match(printed, new RegExp(`^ +${name} `, "m"));
  });

  it("refuse wrong words before they start anything, and say what to write", async () => {
    const wrong: [string[], RegExp][] = [
      [["throughput", "--only", "heartbeats,moon"], /--only: there is no moon: choose from durable-registrations/],
      [["lookup", "--only", "heartbeats"], /there is no heartbeats: choose from lookups/],
      [["memory", "--peer", "zookeeper"], /no peer zookeeper: choose from etcd, mcp-mesh-registry/],
      [["all", "--pairs", "0"], /whole number from 1 to 100/],
      [["all", "--clients", "257"], /whole number from 1 to 256/],
      [["all", "--steps", "1,4,many"], /whole number from 1 to 256/],
      [["all", "--agents", "10"], /whole number from 100 to 100000/],
      [["all", "--no-such-flag"], /unknown option/],
    ];
    for (const [words, said] of wrong) {
      const { code, noted } = await runCommand("bench", ...words);
      assert.match(noted, said);
      assert.equal(code, 64, words.join(" "));
    }
  });

  it("refuse a file that can not be written before they start anything", async () => {
    const { code, noted } = await runCommand("bench", "memory", "--out", join(import.meta.filename, "report.json"));
    assert.match(noted, /the report can not be written to .*bench\.test\.ts\/report\.json: .*--out/);
    assert.equal(code, 1);
  });

  it("leave a partial report where there is no room for what they write meanwhile", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "atoll-bench-cli-"));
    const { TMPDIR } = process.env;
    t.after(async () => {
      if (TMPDIR === undefined) delete process.env.TMPDIR;
      else process.env.TMPDIR = TMPDIR;
      await rm(folder, { recursive: true });
    });
    process.env.TMPDIR = join(folder, "absent");
    const out = join(folder, "report.json");
    const { code, printed, noted } = await runCommand("bench", "memory", "--only", "idle,start", "--out", out);
    assert.equal(code, 1);
    assert.match(noted, /NOT_MEASURED: the report is partial: ENOENT/);
    assert.match(printed, /PARTIAL/);
    const { isPartial, rows } = JSON.parse(await readFile(out, "utf8")) as ComparisonReport;
    assert.equal(isPartial, true);
    assert.ok(rows.length >= 2);
    for (const { measured } of rows) assert.match(JSON.stringify(measured), /failed: ENOENT/);
  });
});
