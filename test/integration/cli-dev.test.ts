/** `atoll dev` for real, as small as it goes: what happens to its children, whoever causes it. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { ApiClient } from "../../src/cli/api-client.ts";
import { FederationProcess } from "../support/federation-process.ts";

const HTTP_BASE = 21_000;

describe("atoll dev", () => {
  let federation: FederationProcess;
  let exitCode: number | null | undefined;

  before(async () => {
    federation = await FederationProcess.start({ regions: "east:1,west:1", httpBase: HTTP_BASE });
  });

  after(async () => {
    if (exitCode === undefined) await federation?.destroy();
  });

  it("names leader, address and process of every node once all are ready", () => {
    assert.deepEqual(
      [...federation.leaders],
      [
        ["east", "east-1"],
        ["west", "west-1"],
      ],
    );
    assert.deepEqual(
      federation.nodes.map(({ name, http }) => `${name} ${http}`),
      [`east-1 http://127.0.0.1:${HTTP_BASE}`, `west-1 http://127.0.0.1:${HTTP_BASE + 100}`],
    );
    for (const { pid } of federation.nodes) assert.equal(process.kill(pid!, 0), true);
  });

  it("refuses to start over a federation that runs on the same ports", async () => {
    await assert.rejects(
      FederationProcess.start({ regions: "east:1", httpBase: HTTP_BASE }),
      /PORT_IN_USE: ports 21000 \(HTTP of east-1\), 31000 \(node links of east-1\) in use: .*--http-base/s,
    );
  });

  it("reports a line it can not do, and goes on", async () => {
    const answered = federation.waitFor(({ event }) => event === "command-failed", "the refusal");
    federation.send("cut east north");
    const { line, message } = await answered;
    assert.deepEqual(
      { line, message },
      { line: "cut east north", message: "USAGE: there is no region north: the regions are east, west" },
    );
  });

  it("lets nothing pass between regions that are cut, and everything after the heal", async () => {
    const east = new ApiClient(federation.node("east-1").http);
    const west = new ApiClient(federation.node("west-1").http);
    await federation.cut("east", "west");
    await east.register("made-during-the-cut", {
      endpoint: "http://127.0.0.1:1",
      capabilities: ["cutting"],
      leaseMs: 600_000,
    });
    const seenAbroad = async () => (await west.lookup({ capability: "cutting" })).agents.length === 1;
    await federation.until(
      async () => (await west.lookup({ capability: "cutting" })).complete === false,
      "the lookup to say that a region is missing",
    );
    assert.equal(await seenAbroad(), false);
    await federation.heal("east", "west");
    await federation.until(seenAbroad, "the agent to be found from the other region");
  });

  it("leaves a node dead that was killed from outside, until it is restarted; then it has its data", async () => {
    await federation.killByPid("east-1");
    const answered = federation.waitFor(({ event }) => event === "status", "the status");
    federation.send("status");
    const status = (await answered) as unknown as { nodes: { name: string; pid: number | null; state: string }[] };
    const [east, west] = status.nodes;
    assert.deepEqual([east?.state, east?.pid, west?.state], ["stopped", null, "running"]);
    await federation.restart("east-1");
    const { agents } = await new ApiClient(federation.node("east-1").http).agents();
    assert.deepEqual(
      agents.map(({ id }) => id),
      ["made-during-the-cut"],
    );
  });

  it("starts all dead nodes on SIGHUP", async () => {
    await federation.stopNode("west-1");
    await federation.kill("east-1");
    await federation.startStopped();
    for (const { http } of federation.nodes) assert.equal((await fetch(`${http}/ready`)).status, 200);
  });

  it("stops every node and exits 0, a paused one included, when Ctrl-C reaches it twice as under npm", async () => {
    await federation.pause("west-1");
    const pids = federation.nodes.map(({ pid }) => pid!);
    process.kill(federation.pid, "SIGINT");
    exitCode = await federation.stop("SIGINT");
    assert.equal(exitCode, 0);
    for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
  });

  it("takes its nodes with it when it is killed without a word", async () => {
    const doomed = await FederationProcess.start({ regions: "east:1", httpBase: HTTP_BASE + 10 });
    const [node] = doomed.nodes;
    process.kill(doomed.pid, "SIGKILL");
    await doomed.until(async () => !isAlive(node!.pid!), "the node to stop by itself");
    await doomed.destroy();
  });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
