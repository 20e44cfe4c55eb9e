import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";

const SCRIPT = join(import.meta.dirname, "../../src/cli/ensure-installed.mjs");

/** Stands where npm would: writes down how it was called, and ends as it is told to. */
const FAKE_NPM = `
  import { writeFileSync } from "node:fs";
  writeFileSync("npm-was-called", process.argv.slice(2).join(" "));
  process.exit(Number(process.env.FAKE_NPM_EXIT ?? 0));
`;

const LOCK = {
  "": { version: "0.0.1" },
  "node_modules/fastify": { version: "5.0.0", integrity: "sha512-a" },
  "node_modules/only-on-windows": { version: "1.0.0", integrity: "sha512-b", optional: true },
};
const INSTALLED = { "node_modules/fastify": LOCK["node_modules/fastify"] };

describe("ensure-installed", () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "atoll-install-"));
    mkdirSync(join(root, "src/cli"), { recursive: true });
    mkdirSync(join(root, "node_modules"));
    copyFileSync(SCRIPT, join(root, "src/cli/ensure-installed.mjs"));
    writeFileSync(join(root, "npm.mjs"), FAKE_NPM);
    writePackages("package-lock.json", LOCK);
  });

  afterEach(() => rmSync(root, { recursive: true }));

  function writePackages(path: string, packages: object): void {
    writeFileSync(join(root, path), JSON.stringify({ packages }));
  }

  /** How npm was called, null when it was not; and how the script ended. */
  function run(npmExit = 0): { npm: string | null; status: number | null; said: string } {
    const { status, stderr } = spawnSync(process.execPath, [join(root, "src/cli/ensure-installed.mjs")], {
      env: { npm_execpath: join(root, "npm.mjs"), FAKE_NPM_EXIT: String(npmExit) },
      encoding: "utf8",
    });
    const called = join(root, "npm-was-called");
    return { npm: existsSync(called) ? readFileSync(called, "utf8") : null, status, said: stderr };
  }

  it("does nothing when all that the lock file asks for is installed, but for optional packages", () => {
    writePackages("node_modules/.package-lock.json", INSTALLED);
    assert.deepEqual(run(), { npm: null, status: 0, said: "" });
  });

  it("installs from the lock file, development packages included, when nothing is installed", () => {
    const { npm, status } = run();
    assert.match(npm ?? "", /^ci .*--include=dev/);
    assert.equal(status, 0);
  });

  it("installs when a package is there in another version", () => {
    writePackages("node_modules/.package-lock.json", {
      "node_modules/fastify": { version: "4.0.0", integrity: "sha512-z" },
    });
    assert.match(run().npm ?? "", /^ci /);
  });

  it("installs when a package of the lock file is new", () => {
    writePackages("node_modules/.package-lock.json", INSTALLED);
    writePackages("package-lock.json", { ...LOCK, "node_modules/new": { version: "1.0.0" } });
    assert.match(run().npm ?? "", /^ci /);
  });

  it("installs again when an install was cut short", () => {
    writeFileSync(join(root, "node_modules/.package-lock.json"), '{"packages":{"node_mod');
    assert.match(run().npm ?? "", /^ci /);
  });

  it("fails as npm fails, so that nothing starts on half an install", () => {
    const { status, said } = run(7);
    assert.equal(status, 7);
    assert.match(said, /npm ci failed/);
  });

  it("does nothing without a lock file, as in a published package", () => {
    rmSync(join(root, "package-lock.json"));
    assert.deepEqual(run(), { npm: null, status: 0, said: "" });
  });
});
