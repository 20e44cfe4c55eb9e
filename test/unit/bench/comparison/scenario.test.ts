import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { runScenario, type Scenario } from "../../../../bench/comparison/scenario.ts";
import { Session, type SessionOptions } from "../../../../bench/comparison/session.ts";
import { PeerUnavailable } from "../../../../bench/peers/peer.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

const parent = mkdtempSync(join(tmpdir(), "atoll-scenario-"));
after(() => rmSync(parent, { recursive: true }));

const TARGET = { figure: "lookups vs other", unit: "x", better: "more", must: 2, aim: 3 } as const;
const OPTIONS = { pairs: 5, seconds: 1, clients: 1, agents: 1, steps: [], httpBase: 20_000, peers: [] };

function scenarioOf(run: Scenario["run"]): Scenario {
  return { name: "lookups", what: "lookups", targets: { ratio: TARGET, floor: { ...TARGET, must: null } }, run };
}

async function outcomeOf(run: Scenario["run"], abort = new AbortController(), more: Partial<SessionOptions> = {}) {
  const context = { clock: new VirtualClock(), signal: abort.signal, parent, note: () => {} };
  const session = await Session.open({ ...OPTIONS, ...more }, context);
  try {
    return await runScenario(scenarioOf(run), session);
  } finally {
    await session.close();
  }
}

describe("a scenario", () => {
  it("gives one row for each figure, with the words that measure it", async () => {
    const { rows, error } = await outcomeOf(async () => ({
      ratio: { value: 2.5, detail: "" },
      floor: { notMeasured: "no floor" },
    }));
    assert.equal(error, undefined);
    assert.deepEqual(rows, [
      { ...TARGET, command: "atoll bench all --only lookups", measured: { value: 2.5, detail: "" } },
      { ...TARGET, must: null, command: "atoll bench all --only lookups", measured: { notMeasured: "no floor" } },
    ]);
  });

  it("tells words that measure the same peers", async () => {
    const peers = ["etcd", "mcp-mesh-registry"];
    const { rows } = await outcomeOf(async () => ({}), undefined, { peers });
    assert.equal(rows[0]?.command, "atoll bench all --only lookups --peer etcd,mcp-mesh-registry");
  });

  it("is not measured, and no error, where this machine has not what it takes", async () => {
    const { rows, error } = await outcomeOf(async () => {
      throw new PeerUnavailable("there is no program etcd here");
    });
    assert.equal(error, undefined);
    assert.deepEqual(
      rows.map(({ measured }) => measured),
      [{ notMeasured: "there is no program etcd here" }, { notMeasured: "there is no program etcd here" }],
    );
  });

  it("is an error where something failed, and still has its rows", async () => {
    const { rows, error } = await outcomeOf(async () => {
      throw new Error("the node did not start");
    });
    assert.match(String(error), /the node did not start/);
    assert.deepEqual(rows.map(({ measured }) => measured)[0], { notMeasured: "failed: the node did not start" });
  });

  it("is not measured, and no error, when it was interrupted", async () => {
    const abort = new AbortController();
    const { rows, error } = await outcomeOf(async ({ context }) => {
      abort.abort(new Error("interrupted by SIGINT"));
      context.signal.throwIfAborted();
      return {};
    }, abort);
    assert.equal(error, undefined);
    assert.deepEqual(rows[0]?.measured, { notMeasured: "interrupted by SIGINT" });
  });
});

describe("a session", () => {
  it("stops what was started and takes its folder away, whatever happened", async () => {
    const session = await Session.open(OPTIONS, {
      ...{ clock: new VirtualClock(), signal: new AbortController().signal, parent, note: () => {} },
    });
    const stopped: string[] = [];
    const started = (name: string) => ({ stop: async () => void stopped.push(name) });
    session.keep(started("a"));
    await session.stop(session.keep(started("b")));
    assert.deepEqual(stopped, ["b"]);
    assert.equal(readdirSync(parent).length, 1);
    await session.close();
    assert.deepEqual(stopped, ["b", "a"], "each once");
    assert.deepEqual(readdirSync(parent), []);
  });

  it("gives each cluster ports and a folder of its own", async () => {
    const session = await Session.open(OPTIONS, {
      ...{ clock: new VirtualClock(), signal: new AbortController().signal, parent, note: () => {} },
    });
    const [a, b] = [session.place("atoll"), session.place("etcd, tuned")];
    await session.close();
    assert.deepEqual([a.httpBase, b.httpBase], [20_000, 20_010]);
    assert.notEqual(a.dataDir, b.dataDir);
    assert.match(b.dataDir, /etcd-tuned$/);
  });
});
