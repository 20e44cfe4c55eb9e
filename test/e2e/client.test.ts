/** The client and the examples against a real federation, and what happens to that while they run. */

import assert from "node:assert/strict";
import { after, before, describe, it, type TestContext } from "node:test";
import { AtollClient } from "../../src/client/atoll-client.ts";
import type { RegistrationEvent } from "../../src/client/registration-event.ts";
import type { WatchEvent } from "../../src/client/wire.ts";
import { ExampleProcess } from "../support/example-process.ts";
import { FederationProcess } from "../support/federation-process.ts";
import { registration } from "../support/load.ts";

const LEASE_MS = 4_000;
/** Of one onlooker: often enough to see a gap, seldom enough for the nodes to have the processor. */
const LOOK_INTERVAL_MS = 20;

let federation: FederationProcess;
before(async () => {
  federation = await FederationProcess.start({ regions: "us-east:3,us-west:3", httpBase: 21_600 });
});
after(() => federation?.destroy());

const urlsOf = (...regions: string[]) =>
  regions.flatMap((region) => federation.nodesOf(region).map(({ http }) => http));
const nodeAt = (url: string) => federation.nodes.find(({ http }) => http === url) ?? assert.fail(`no node at ${url}`);

/** An example with its process group gone when the test ends. */
function run(t: TestContext, file: string, args: readonly string[], urls: readonly string[]): ExampleProcess {
  const env = { ATOLL_URLS: urls.join(), AGENT_LEASE_MS: `${LEASE_MS}` };
  const example = new ExampleProcess(file, args, env);
  t.after(() => example.destroy());
  return example;
}

/** Runs an example to its end. @returns its last line */
async function outcomeOf(t: TestContext, file: string, args: readonly string[], urls: readonly string[]) {
  const example = run(t, file, args, urls);
  const { exitCode } = await example.end();
  assert.equal(exitCode, 0, example.lines.join("\n"));
  return example.lines.at(-1);
}

/** What an agent printed of one kind, as soon as it did. */
async function told(agent: ExampleProcess, type: RegistrationEvent["type"], from = 0) {
  const line = await agent.line((line) => line.includes(`"type":"${type}"`), `the agent to be ${type}`, from);
  return JSON.parse(line) as { readonly node: string; readonly region: string; readonly fromRegion?: string };
}

/** Asks one node again and again who offers something, and keeps each answer that left an agent out without a reason. */
class Onlooker {
  readonly missed: string[] = [];
  asked = 0;
  #isStopped = false;
  readonly #done: Promise<void>;

  constructor(url: string, capability: string, id: string) {
    const atoll = new AtollClient({ urls: [url], discover: false });
    this.#done = (async () => {
      while (!this.#isStopped) {
        const { agents, complete, regions } = await atoll.lookup(capability);
        this.asked++;
        await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL_MS));
        if (complete && !agents.some((agent) => agent.id === id)) this.missed.push(JSON.stringify({ url, regions }));
      }
    })();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#done;
  }
}

/** Waits until a node finds an agent in these regions and no others; in none when it is to be gone. */
async function untilFound(url: string, capability: string, id: string, wanted: readonly string[]): Promise<void> {
  const atoll = new AtollClient({ urls: [url], discover: false });
  await federation.until(
    async () => {
      const { agents } = await atoll.lookup(capability);
      const found = agents.filter((agent) => agent.id === id).map(({ region }) => region);
      return found.join() === wanted.join();
    },
    `${nodeAt(url).name} to find ${id} in ${wanted.join() || "no region"}`,
  );
}

/** As long as a lease lasts: until all nodes miss an agent that registered now and never renews. */
async function aLease(urls: readonly string[]): Promise<void> {
  const body = { endpoint: "http://silent:1", capabilities: ["silence"], leaseMs: LEASE_MS };
  await federation.until(
    async () => (await registration(`${urls[0]}/v1/agents/silent`, body)).ok,
    "silent to register",
  );
  for (const url of urls) await untilFound(url, "silence", "silent", []);
}

describe("the examples", () => {
  it("an MCP server's tools are found from another region, with their schemas, and called", async (t) => {
    const server = run(t, "mcp-server/server.ts", [], urlsOf("us-east"));
    await server.line((line) => line.startsWith("registered with"), "the MCP server to be registered");
    const [west] = urlsOf("us-west");
    await untilFound(west!, "forecast", "weather", ["us-east"]);
    const answer = await outcomeOf(t, "mcp-server/call-tool.ts", ["forecast", '{"city":"Lisbon"}'], [west!]);
    assert.match(answer ?? "", /Lisbon: sunny/);

    const shown = await fetch(`${urlsOf("us-east")[0]}/v1/agents/weather?consistency=linearizable`);
    const { capabilities, runtime } = (await shown.json()) as {
      runtime: string;
      capabilities: { name: string; inputSchema: { required?: string[] } }[];
    };
    assert.deepEqual([runtime, capabilities.map(({ name }) => name)], ["typescript", ["forecast", "alerts"]]);
    assert.deepEqual(capabilities[0]!.inputSchema.required, ["city"]);

    server.signal("SIGTERM");
    assert.deepEqual(await server.end(), { exitCode: null, signal: "SIGTERM" });
    for (const url of urlsOf("us-east")) await untilFound(url, "forecast", "weather", []);
  });

  it("an agent is found by a consumer and called", async (t) => {
    const agent = run(t, "agent/agent.ts", ["french"], urlsOf("us-west"));
    await told(agent, "registered");
    const urls = urlsOf("us-east");
    for (const url of urls) await untilFound(url, "greet", "greeter-french", ["us-west"]);
    assert.equal(
      await outcomeOf(t, "agent/consumer.ts", ["Ada", "french"], urls),
      "Bonjour, Ada! (greeter-french in us-west)",
    );
    agent.signal("SIGINT");
    assert.deepEqual(await agent.end(), { exitCode: null, signal: "SIGINT" });
  });

  it("P7: kill -9 of the node it registered with: the agent moves, and no lookup ever misses it", async (t) => {
    const agent = run(t, "agent/agent.ts", ["english"], urlsOf("us-east"));
    const { node } = await told(agent, "registered");
    const victim = nodeAt(node);
    const others = federation.nodes.filter(({ name }) => name !== victim.name);
    for (const { http } of others) await untilFound(http, "greet", "greeter-english", ["us-east"]);
    const onlookers = others.map(({ http }) => new Onlooker(http, "greet", "greeter-english"));
    await federation.killByPid(victim.name);
    const moved = await told(agent, "moved");
    assert.deepEqual([moved.fromRegion, moved.region], ["us-east", "us-east"]);
    assert.notEqual(moved.node, node);
    await aLease(others.map(({ http }) => http));
    for (const onlooker of onlookers) await onlooker.stop();
    assert.deepEqual(
      onlookers.flatMap(({ missed }) => missed),
      [],
    );
    assert.ok(onlookers.every(({ asked }) => asked > 10));
    assert.ok(!agent.lines.some((line) => line.includes('"lost"')), agent.lines.join("\n"));
    await federation.restart(victim.name);
  });

  it("moves to the other region when its own stops as a whole, stays one agent when that returns, and is gone at exit", async (t) => {
    const agent = run(t, "agent/agent.ts", ["german"], urlsOf("us-east"));
    assert.equal((await told(agent, "registered")).region, "us-east");
    // By then it knows from its node who else there is.
    for (const { http } of federation.nodes) await untilFound(http, "greet", "greeter-german", ["us-east"]);
    const east = federation.nodesOf("us-east");
    await Promise.all(east.map(({ name }) => federation.killByPid(name)));
    const moved = await told(agent, "moved");
    assert.deepEqual([moved.fromRegion, moved.region], ["us-east", "us-west"]);
    for (const url of urlsOf("us-west")) await untilFound(url, "greet", "greeter-german", ["us-west"]);
    await federation.startStopped();
    for (const { http } of federation.nodes) await untilFound(http, "greet", "greeter-german", ["us-west"]);
    agent.signal("SIGTERM");
    assert.deepEqual(await agent.end(), { exitCode: null, signal: "SIGTERM" });
    for (const { http } of federation.nodes) await untilFound(http, "greet", "greeter-german", []);
  });
});

describe("the client", () => {
  it("F24: a watch goes on without loss or repetition when its node is killed", async (t) => {
    const atoll = new AtollClient({ urls: urlsOf("us-east"), discover: false });
    const seen: WatchEvent[] = [];
    const stop = new AbortController();
    t.after(() => stop.abort());
    const failed: string[] = [];
    const onFailure = (node: string) => failed.push(node);
    const watching = (async () => {
      for await (const event of atoll.watch({ capability: "watched", signal: stop.signal, onFailure }))
        seen.push(event);
    })();
    watching.catch(() => {});
    await federation.until(async () => seen.some(({ type }) => type === "ready"), "the watch to begin");

    const writer = new AtollClient({ urls: urlsOf("us-east"), discover: false });
    const registered: string[] = [];
    const register = async (id: string) => {
      const kept = await writer.register({ id, endpoint: `http://${id}:1`, capabilities: ["watched"] });
      t.after(() => kept.close());
      registered.push(id);
    };
    for (let i = 0; i < 10; i++) await register(`watched-${i}`);
    const watched = await watchedNode();
    await federation.killByPid(watched.name);
    for (let i = 10; i < 20; i++) await register(`watched-${i}`);
    const ids = () => seen.flatMap((event) => (event.type === "registered" ? [event.agent.id] : []));
    await federation.until(async () => ids().length >= registered.length, "all registrations to be told");
    assert.deepEqual(ids(), registered);
    assert.ok(!seen.some(({ type }) => type === "resync"));
    assert.deepEqual(failed, [watched.http]);
    await federation.restart(watched.name);
  });
});

/** The node of us-east that has a watcher. */
async function watchedNode() {
  for (const node of federation.nodesOf("us-east")) {
    const metrics = await (await fetch(`${node.http}/metrics`)).text();
    if (/^atoll_watchers(\{[^}]*\})? 1$/m.test(metrics)) return node;
  }
  return assert.fail("nobody watches");
}
