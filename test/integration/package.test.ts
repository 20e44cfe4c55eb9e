/** What is published works where nothing but it and its packages lies. */

import assert from "node:assert/strict";
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { minVersion, satisfies } from "semver";
import { until } from "../support/waiting.ts";

const ROOT = join(import.meta.dirname, "../..");
const BIN = "node_modules/.bin";
const TIMEOUT_MS = 120_000;

/** Packages that are not in npm's cache are fetched. */
const INSTALL_TIMEOUT_MS = 240_000;
const PACKED_BYTES_MAX = 2 * 1024 * 1024;
const NETWORK_CODES = /E(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|HOSTUNREACH|NETUNREACH)/;
const HTTP_BASE = 21_950;

interface Package {
  readonly version: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly bin: { readonly atoll: string };
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
  readonly files: readonly string[];
  readonly engines: { readonly node: string };
}

const text = readFileSync(join(ROOT, "package.json"), "utf8");
const { version, scripts, bin, exports, files, engines } = JSON.parse(text) as Package;

/** Where this machine's own programs are, and not those that npm found for this test. */
const olderPath = `${process.env.PATH}`
  .split(delimiter)
  .filter((part) => !part.includes("node_modules"))
  .join(delimiter);
const NO_OLDER_NODE = whyNoOlderNode();

describe("the package", () => {
  const folder = mkdtempSync(join(tmpdir(), "atoll-package-"));
  const PATH = `${join(ROOT, BIN)}${delimiter}${process.env.PATH}`;

  before(() => {
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

  describe("as npm packs it", () => {
    const clean = join(folder, "clean");
    const tarball = `atoll-${version}.tgz`;
    let packed: { readonly size: number; readonly files: readonly { readonly path: string }[] };

    before(() => {
      for (const name of ["README.md", "LICENSE"]) cpSync(join(ROOT, name), join(folder, name));
      const pack = ["pack", "--json", "--ignore-scripts"];
      const options = { cwd: folder, env: { ...process.env, PATH }, timeout: TIMEOUT_MS, stdio: "pipe" } as const;
      [packed] = JSON.parse(execFileSync("npm", pack, { ...options, encoding: "utf8" }));
      mkdirSync(clean);
      cpSync(join(folder, tarball), join(clean, tarball));
    });

    it("is built first, and holds nothing that running it does not need", () => {
      assert.equal(scripts.prepack, scripts.build);
      const paths = packed.files.map(({ path }) => path);
      assert.deepEqual(
        paths.filter((path) => /(^|\/)test\/|\.test\.|\.map$|(?<!\.d)\.ts$|\.mjs$/.test(path)),
        [],
      );
      for (const path of ["dist/src/api/dashboard/page/index.html", "dist/bench/failover/command.js", "README.md"]) {
        assert.ok(paths.includes(path), `${path} is missing`);
      }
      assert.ok(packed.size < PACKED_BYTES_MAX, `${packed.size} bytes`);
    });

    it("is what npx runs in a folder that holds nothing else: help, benchmarks, a federation and its dashboard", async (t) => {
      const npx = npxIn(clean, { folder, PATH });
      const installed = await npx.run(tarball, "--help");
      if (NETWORK_CODES.test(installed.said)) return t.skip("its dependencies can not be fetched here");
      assert.match(installed.said, /Usage: atoll/);
      assert.equal(installed.code, 0);
      assert.match((await npx.run(tarball, "bench", "failover", "--help")).said, /break a cluster under load/);
      assert.equal((await npx.run(tarball, "--version")).said.trim(), version);
      const federation = npx.start(t, tarball, "dev", "--regions", "here:1", "--http-base", `${HTTP_BASE}`);
      await federation.untilReady();
      const page = await fetch(`http://127.0.0.1:${HTTP_BASE}/`, { headers: { accept: "text/html" } });
      assert.match(`${page.headers.get("content-type")}`, /text\/html/);
      assert.match(await page.text(), /<title>/);
    });

    it("is what npx runs with an older Node, too: npm brings a newer one", { skip: NO_OLDER_NODE }, async (t) => {
      // Apart from `folder`, whose packages have a Node of their own, and from what may lie above.
      const empty = mkdtempSync(join(tmpdir(), "atoll-empty-"));
      t.after(() => rmSync(empty, { recursive: true, force: true }));
      writeFileSync(join(empty, "package.json"), "{}");
      cpSync(join(clean, tarball), join(empty, tarball));
      const npx = npxIn(empty, { folder: empty, PATH: olderPath });
      const { code, said } = await npx.run(tarball, "start", "--no-such-option");
      if (NETWORK_CODES.test(said)) return t.skip("its dependencies can not be fetched here");
      const { major, minor } = minVersion(engines.node)!;
      assert.match(said, new RegExp(`Atoll needs Node ${major}\\.${minor} or newer, this is v\\d+.*: npm brings one`));
      assert.match(said, /error: unknown option '--no-such-option'/);
      assert.equal(code, 64);
    });
  });
});

/** `npx` as on a machine that never saw this package; what its dependencies are may be in npm's cache. */
function npxIn(cwd: string, { folder, PATH }: { folder: string; PATH: string }) {
  const cache = join(folder, "npm-cache");
  const shared = execFileSync("npm", ["config", "get", "cache"], {
    encoding: "utf8",
    env: { ...process.env, PATH },
    stdio: ["ignore", "pipe", "pipe"],
  });
  mkdirSync(cache);
  const contents = join(shared.trim(), "_cacache");
  if (existsSync(contents)) symlinkSync(contents, join(cache, "_cacache"));
  const settings = { npm_config_cache: cache, npm_config_prefer_offline: "true", npm_config_update_notifier: "false" };
  const env = { ...process.env, PATH, ...settings };
  const wordsOf = (tarball: string, words: readonly string[]) => ["--yes", `./${tarball}`, ...words];
  return {
    run: (tarball: string, ...words: string[]) =>
      new Promise<{ code: number; said: string }>((resolve) => {
        const options = { cwd, env, timeout: INSTALL_TIMEOUT_MS };
        execFile("npx", wordsOf(tarball, words), options, (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : Number(error.code), said: stdout + (error === null ? "" : stderr) }),
        );
      }),
    start: (t: TestContext, tarball: string, ...words: string[]) => {
      // A group of its own, so that nothing which npx started outlives the test.
      const child = spawn("npx", wordsOf(tarball, words), {
        cwd,
        env,
        detached: true,
        stdio: ["ignore", "pipe", "pipe"],
      });
      t.after(() => endGroup(child));
      let said = "";
      for (const stream of [child.stdout, child.stderr]) stream.on("data", (bytes) => (said += bytes));
      const isReady = async () => (await fetch(`http://127.0.0.1:${HTTP_BASE}/ready`)).ok;
      const wait = { what: "the node to be ready", timeoutMs: TIMEOUT_MS, show: () => said };
      return { untilReady: () => until(isReady, { ...wait, isHopeless: () => child.exitCode !== null }) };
    },
  };
}

async function endGroup(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  process.kill(-child.pid!, "SIGTERM");
  await ended;
}

/** For the `skip` of a test. */
function whyNoOlderNode(): string | false {
  if (!isOlder(olderPath)) return "this machine's own Node can run the package as it is";
  // npm looks for programs in the packages of every folder above, too.
  return existsSync(join(tmpdir(), BIN, "node")) && "packages with a Node lie above the folder for temporary files";
}

function isOlder(PATH: string): boolean {
  try {
    const found = execFileSync("node", ["--print", "process.versions.node"], { encoding: "utf8", env: { PATH } });
    return !satisfies(found.trim(), engines.node);
  } catch {
    return false;
  }
}
