import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { checkWritable, reportFiles, writeReport } from "../../../bench/report-files.ts";

describe("report files", () => {
  const folder = mkdtempSync(join(tmpdir(), "atoll-report-files-"));
  after(() => rmSync(folder, { recursive: true }));

  it("are a file for programs and one for people beside it", () => {
    const files = reportFiles("failover", join(folder, "one.json"), "");
    assert.deepEqual(files, { json: join(folder, "one.json"), html: join(folder, "one.html") });
    writeReport(files, { ms: 1.23456 }, () => "<p>");
    assert.deepEqual(JSON.parse(readFileSync(files.json, "utf8")), { ms: 1.235 });
    assert.equal(readFileSync(files.html, "utf8"), "<p>");
  });

  it("keep the figures when they can not be drawn", () => {
    const files = reportFiles("failover", join(folder, "figures.json"), "");
    const draw = () => {
      throw new Error("no canvas");
    };
    assert.throws(() => writeReport(files, { ms: 1 }, draw), /no canvas/);
    assert.deepEqual(JSON.parse(readFileSync(files.json, "utf8")), { ms: 1 });
  });

  it("have a name of their own for each bench and time", () => {
    const { json } = reportFiles("failover", undefined, "2026-11-21T17:00:00.000Z");
    assert.equal(json, join("bench", "out", "failover-2026-11-21T17-00-00-000Z.json"));
  });

  it("that can not be written are told of before the run, and looking leaves nothing behind", () => {
    const fine = reportFiles("failover", join(folder, "new", "two.json"), "");
    checkWritable(fine);
    assert.deepEqual(readdirSync(join(folder, "new")), []);
    writeFileSync(join(folder, "file"), "");
    const inFile = reportFiles("failover", join(folder, "file", "two.json"), "");
    assert.throws(() => checkWritable(inFile), { detail: { code: "REPORT_NOT_WRITTEN" } });
  });

  it("say so when the disk is full", { skip: process.platform !== "linux" && "there is no /dev/full" }, () => {
    const full = { json: "/dev/full", html: join(folder, "three.html") };
    checkWritable(full);
    assert.throws(() => writeReport(full, {}, () => ""), /can not be written to \/dev\/full: .*ENOSPC.*--out/);
  });
});
