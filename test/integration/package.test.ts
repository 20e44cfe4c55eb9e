/** What is published works where nothing but it and its packages lies. */

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, describe, it } from "node:test";

const ROOT = join(import.meta.dirname, "../..");
const BIN = "node_modules/.bin";
const TIMEOUT_MS = 60_000;

interface Package {
  readonly bin: { readonly atoll: string };
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
  readonly files: readonly string[];
}

describe("the package", () => {
  const folder = mkdtempSync(join(tmpdir(), "atoll-package-"));
  const text = readFileSync(join(ROOT, "package.json"), "utf8");
  const { bin, exports, files } = JSON.parse(text) as Package;

  before(() => {
    const PATH = `${join(ROOT, BIN)}${delimiter}${process.env.PATH}`;
    const build = [join(ROOT, "src/build.mjs"), join(folder, "dist")];
    execFileSync(process.execPath, build, { env: { ...process.env, PATH }, timeout: TIMEOUT_MS });
    writeFileSync(join(folder, "package.json"), text);
    symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const atoll = (...words: string[]) =>
    new Promise<{ code: number; said: string }>((resolve) => {
      const env = { PATH: process.env.PATH, ATOLL_NO_SUCH_OPTION: "1" };
      execFile(process.execPath, [join(folder, bin.atoll), ...words], { cwd: folder, env }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code), said: stdout + stderr }),
      );
    });

  it("holds the files that package.json names", () => {
    assert.ok(files.includes("dist"));
    const targets = Object.values(exports).map((target) => (typeof target === "string" ? target : target.default));
    for (const target of [bin.atoll, ...targets]) assert.ok(existsSync(join(folder, target)), `${target} is missing`);
  });

  it("holds the program and its benchmarks, and nothing of the tests", () => {
    assert.deepEqual(readdirSync(join(folder, "dist")).sort(), ["bench", "src"]);
  });

  it("loads all that a node is made of: a wrong option is what stops it", async () => {
    const { code, said } = await atoll("start");
    assert.match(said, /ATOLL_NO_SUCH_OPTION: there is no such option/);
    assert.equal(code, 78);
  });

  it("loads all that a benchmark is made of: a node that is down is what stops it", async () => {
    const { code, said } = await atoll("bench", "failover", "--target", "http://127.0.0.1:1");
    assert.match(said, /TARGET_DOWN: http:\/\/127\.0\.0\.1:1: no answer/);
    assert.equal(code, 1);
  });
});
