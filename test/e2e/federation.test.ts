/** Two regions of three real processes each, and everything that happens to them. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { FederationProcess } from "../support/federation-process.ts";
import { RegistrationLoad, registration } from "../support/load.ts";

const AGENTS = 300;
const CLIENTS = 20;

interface Lookup {
  readonly agents: readonly { readonly id: string; readonly region: string }[];
  readonly complete: boolean;
  readonly regions: readonly { readonly region: string; readonly source: string; readonly error?: { code: string } }[];
}

let federation: FederationProcess;
before(async () => {
  federation = await FederationProcess.start({ regions: "us-east:3,us-west:3", httpBase: 21_000 });
});
after(() => federation?.destroy());

async function lookup(http: string, query: string): Promise<Lookup> {
  const response = await fetch(`${http}/v1/lookup?${query}`);
  assert.equal(response.status, 200, await response.clone().text());
  return (await response.json()) as Lookup;
}

async function register(http: string, id: string, capability: string): Promise<void> {
  const body = { endpoint: `http://${id}:8080`, capabilities: [capability], leaseMs: 600_000 };
  const response = await registration(`${http}/v1/agents/${id}`, body);
  assert.ok(response.ok, await response.text());
}

/** Every id is held by the node's own region, according to that node. */
async function missingAt(http: string, ids: readonly string[]): Promise<string[]> {
  const missing: string[] = [];
  for (const id of ids) {
    const response = await fetch(`${http}/v1/agents/${id}`);
    await response.body?.cancel();
    if (response.status !== 200) missing.push(`${id}: ${response.status}`);
  }
  return missing;
}

/** All ids that offer `capability`, page by page, as one node tells them. */
async function idsOffering(http: string, capability: string): Promise<Set<string>> {
  const ids = new Set<string>();
  let cursor = "";
  for (;;) {
    const page = (await lookup(http, `capability=${capability}&limit=500${cursor}`)) as Lookup & {
      nextCursor?: string;
    };
    for (const { id } of page.agents) ids.add(id);
    if (page.nextCursor === undefined) return ids;
    cursor = `&cursor=${encodeURIComponent(page.nextCursor)}`;
  }
}

async function leaderOf(region: string): Promise<string> {
  let leader: string | null = null;
  await federation.until(async () => {
    const running = federation.nodesOf(region).find(({ pid }) => pid !== null)!;
    const response = await fetch(`${running.http}/v1/cluster`);
    leader = ((await response.json()) as { leader: string | null }).leader;
    return leader !== null && federation.node(leader).pid !== null;
  }, `a leader of ${region}`);
  return leader!;
}

/** Every acknowledged agent is found through every running node of both regions. */
async function assertFoundEverywhere(capability: string, acknowledged: readonly string[]): Promise<void> {
  for (const { name, http } of federation.nodes.filter(({ pid }) => pid !== null)) {
    await federation.until(async () => {
      const found = await idsOffering(http, capability);
      return acknowledged.every((id) => found.has(id));
    }, `${name} to find all ${acknowledged.length} agents that offer ${capability}`);
  }
}

describe("two regions of three nodes", () => {
  it("an agent registered with any node is found through every node, at home and abroad", async () => {
    const { nodes } = federation;
    const ids = Array.from({ length: AGENTS }, (_, i) => `agent-${i}`);
    await Promise.all(ids.map((id, i) => register(nodes[i % nodes.length]!.http, id, `skill-${i}`)));
    for (const { name, http } of nodes) {
      await Promise.all(
        ids.map((id, i) =>
          federation.until(async () => {
            const { agents } = await lookup(http, `capability=skill-${i}`);
            return agents.length === 1 && agents[0]!.id === id && agents[0]!.region === nodes[i % nodes.length]!.region;
          }, `${name} to find ${id}`),
        ),
      );
    }
  });

  it("P1, P5, P6: kill -9 of a leader under load loses no acknowledged registration and fails no lookup", async (t) => {
    const victim = await leaderOf("us-east");
    const survivors = federation.nodesOf("us-east").filter(({ name }) => name !== victim);
    const load = new RegistrationLoad({ nodes: survivors.map(({ http }) => http), clients: CLIENTS, name: "crash" });
    t.after(() => load.stop());
    await load.acknowledgements(100);
    await federation.killByPid(victim);
    await load.acknowledgements(200);
    await load.stop();
    assert.deepEqual(load.failedLookups, []);
    assert.deepEqual(load.failedWrites, []);
    for (const { http } of survivors) assert.deepEqual(await missingAt(http, load.acknowledged), []);
    await assertFoundEverywhere("crash", load.acknowledged);

    await federation.restart(victim);
    await federation.until(
      async () => (await missingAt(federation.node(victim).http, load.acknowledged)).length === 0,
      `${victim} to catch up`,
    );
  });

  it("P6: a planned stop of the leader fails no write", async (t) => {
    const leader = await leaderOf("us-west");
    const others = federation.nodesOf("us-west").filter(({ name }) => name !== leader);
    const load = new RegistrationLoad({ nodes: others.map(({ http }) => http), clients: CLIENTS, name: "planned" });
    t.after(() => load.stop());
    await load.acknowledgements(100);
    await federation.stopNode(leader);
    await load.acknowledgements(200);
    await load.stop();
    assert.deepEqual([load.failedWrites, load.failedLookups], [[], []]);
    await federation.restart(leader);
    await assertFoundEverywhere("planned", load.acknowledged);
  });

  it("P8, P9: regions cut off from each other go on, say so, and find each other again", async () => {
    const [east] = federation.nodesOf("us-east");
    const [west] = federation.nodesOf("us-west");
    await federation.cut("us-east", "us-west");
    await register(east!.http, "cut-east", "apart");
    await register(west!.http, "cut-west", "apart");
    for (const [here, id, other] of [
      [east!, "cut-east", "us-west"],
      [west!, "cut-west", "us-east"],
    ] as const) {
      await federation.until(async () => {
        const { agents, complete, regions } = await lookup(here.http, "capability=apart");
        const missing = regions.find(({ region }) => region === other);
        return agents.some((agent) => agent.id === id) && !complete && missing?.error !== undefined;
      }, `${here.name} to name ${other} as missing`);
    }
    await federation.heal("us-east", "us-west");
    await assertFoundEverywhere("apart", ["cut-east", "cut-west"]);
    for (const { http } of federation.nodes) {
      await federation.until(async () => (await lookup(http, "capability=apart")).complete, "a complete answer");
    }
  });

  it("P7: an agent that renews through any node stays healthy while leaders change; one that stopped does not", async () => {
    const { nodes } = federation;
    const home = federation.nodesOf("us-east");
    const body = { endpoint: "http://lively:8080", capabilities: ["pulse"], leaseMs: 2_000 };
    for (const id of ["lively", "silent"]) await registration(`${home[0]!.http}/v1/agents/${id}`, body);
    const wrong: string[] = [];
    let isDone = false;
    const renewing = (async () => {
      for (let i = 0; !isDone; i++) {
        const url = `${home[i % home.length]!.http}/v1/agents/lively/renew`;
        const headers = { "content-type": "application/json" };
        const answer = await fetch(url, { method: "POST", headers, body: "{}" }).catch(() => undefined);
        await answer?.body?.cancel();
        // 503 means "I can not tell"; that the agent were unknown or its lease lost would be a lie.
        if (answer !== undefined && answer.status !== 200 && answer.status !== 503)
          wrong.push(`${answer.status} ${url}`);
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
    })();
    for (let round = 0; round < 2; round++) {
      const leader = await leaderOf("us-east");
      await federation.killByPid(leader);
      await leaderOf("us-east");
      await federation.restart(leader);
    }
    for (const { http } of nodes) {
      await federation.until(async () => {
        const { agents } = await lookup(http, "capability=pulse");
        return agents.length === 1 && agents[0]!.id === "lively";
      }, "the silent agent to be unhealthy, and the lively one not");
    }
    isDone = true;
    await renewing;
    assert.deepEqual(wrong, []);
    const { agents } = await lookup(home[0]!.http, "capability=pulse&health=any");
    assert.deepEqual(agents.map(({ id }) => id).sort(), ["lively", "silent"]);
  });

  it("P1: kill -9 of all six nodes at once under load loses nothing that was acknowledged", async (t) => {
    const load = new RegistrationLoad({
      nodes: federation.nodes.map(({ http }) => http),
      clients: CLIENTS,
      name: "blackout",
    });
    t.after(() => load.stop());
    await load.acknowledgements(300);
    await Promise.all(federation.nodes.map(({ name }) => federation.killByPid(name)));
    await load.stop();
    await federation.startStopped();
    await assertFoundEverywhere("blackout", load.acknowledged);
    await assertFoundEverywhere("crash", []);
    const { agents } = await lookup(federation.nodes[0]!.http, "capability=skill-7");
    assert.deepEqual(
      agents.map(({ id }) => id),
      ["agent-7"],
    );
  });

  it("ends with exit code 0 and leaves no process behind", async () => {
    const pids = federation.nodes.map(({ pid }) => pid!);
    assert.equal(await federation.stop(), 0);
    for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
  });
});
