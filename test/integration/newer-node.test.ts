import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { runningNpm } from "../../src/cli/newer-node.ts";
import { until } from "../support/waiting.ts";

const MODULE = join(import.meta.dirname, "../../src/cli/newer-node.ts");

/** Stands where npm would: writes down how it was called, and ends as it is told to, or when it is. */
const FAKE_NPM = `
  import { writeFileSync } from "node:fs";
  process.on("SIGTERM", () => process.exit(7));
  if (process.env.FAKE_NPM_WAITS) setInterval(() => {}, 1_000);
  writeFileSync("npm-was-called", process.argv.slice(2).join(" "));
  if (!process.env.FAKE_NPM_WAITS) process.exit(Number(process.env.FAKE_NPM_EXIT ?? 0));
`;

describe("an older Node", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "atoll-older-node-"));
    writeFileSync(join(folder, "npm.mjs"), FAKE_NPM);
    writeFileSync(
      join(folder, "run.mjs"),
      `import { runWithNewerNode } from ${JSON.stringify(MODULE)};
      process.exit(await runWithNewerNode("npm.mjs", ["atoll.js", "dev", "--regions", "a:1"]));`,
    );
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const run = (env: NodeJS.ProcessEnv) =>
    spawn(process.execPath, ["run.mjs"], { cwd: folder, env: { ...process.env, ...env }, stdio: "ignore" });

  it("has npm run the program under a newer one, with its arguments, and ends as that ended", async () => {
    const [code] = await once(run({ FAKE_NPM_EXIT: "78" }), "exit");
    assert.equal(code, 78);
    assert.match(
      readFileSync(join(folder, "npm-was-called"), "utf8"),
      /^exec --yes .*--package=node@\d+ -- node atoll\.js dev --regions a:1$/,
    );
  });

  it("hands on that it is told to end", async () => {
    const child = run({ FAKE_NPM_WAITS: "1" });
    const ended = once(child, "exit");
    const isCalled = () => existsSync(join(folder, "npm-was-called"));
    await until(isCalled, { what: "npm to be called", timeoutMs: 30_000, show: () => "" });
    child.kill("SIGTERM");
    assert.equal((await ended)[0], 7);
  });

  it("says why npm did not run, where it did not", async () => {
    const script = readFileSync(join(folder, "run.mjs"), "utf8");
    writeFileSync(
      join(folder, "run.mjs"),
      script.replace("process.exit(", 'process.execPath = "/nowhere/node"; process.exit('),
    );
    const child = spawn(process.execPath, ["run.mjs"], { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.on("data", (bytes) => (said += bytes));
    assert.deepEqual(await once(child, "close"), [1, null]);
    assert.match(said, /^npm did not run: spawn .*ENOENT/);
  });

  it("asks npm only where npm runs the program", () => {
    assert.equal(runningNpm({ npm_command: "exec", npm_execpath: "/npm-cli.js" }), "/npm-cli.js");
    assert.equal(runningNpm({ npm_command: "run-script", npm_execpath: "/npm-cli.js" }), undefined);
    assert.equal(runningNpm({}), undefined);
  });
});
