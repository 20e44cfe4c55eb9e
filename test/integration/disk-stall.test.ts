/** A disk that is made to stall under a process of its own, as `atoll bench failover` does to a leader. */

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { prepareStallableDisks, type StallableDisks } from "../../bench/peers/disk-stall.ts";

/** Says when a sync returned, and answers at once whatever else it is told. */
const WRITER = `
const { fdatasync, openSync } = require("node:fs");
const file = openSync(process.argv[1], "w");
process.on("message", (word) => {
  if (word !== "sync") process.send(word);
  else fdatasync(file, (error) => process.send(error === null ? "synced" : String(error)));
});
`;

function skipped(): string | false {
  if (process.platform !== "linux") return "syncs are held up on Linux only";
  try {
    execFileSync("cc", ["--version"], { stdio: "ignore" });
    return false;
  } catch {
    return "no C compiler (cc) is installed";
  }
}

describe("a stalled disk", { skip: skipped() }, () => {
  const folder = mkdtempSync(join(tmpdir(), "atoll-disk-stall-"));
  let child: ChildProcess | undefined;
  let disks: StallableDisks;
  after(() => {
    child?.kill("SIGKILL");
    rmSync(folder, { recursive: true });
  });

  async function told(word: string): Promise<string> {
    child?.send(word);
    const [answer] = await once(child!, "message");
    return answer;
  }

  it("lets no sync return until it is released, while the process goes on", async () => {
    const prepared = await prepareStallableDisks(folder);
    assert.ok("environment" in prepared, JSON.stringify(prepared));
    disks = prepared;
    child = spawn(process.execPath, ["-e", WRITER, join(folder, "written")], {
      env: { ...process.env, ...disks.environment },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    assert.equal(await told("sync"), "synced");
    await disks.stall(child.pid!);
    child.send("sync");
    for (let i = 0; i < 20; i++) assert.equal(await told(`still here ${i}`), `still here ${i}`);
    const synced = once(child, "message");
    await disks.release(child.pid!);
    assert.deepEqual((await synced)[0], "synced");
  });

  it("is another process's own", async () => {
    await disks.stall(child!.pid! + 1);
    assert.equal(await told("sync"), "synced");
  });
});
