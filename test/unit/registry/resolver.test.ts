import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { Capability, Dependency, FoundAgent } from "../../../src/types/agent.ts";
import { asAgentId, asRegionId, type RegionId } from "../../../src/types/ids.ts";
import type { KnownAnswer } from "../../../src/types/lookup.ts";
import { aCapability, agentId, aRecord, HOME, type TestNode, TestRegion } from "./fixtures.ts";

const NEAR = asRegionId("us-west");
const FAR = asRegionId("eu-west");
const CONSUMER = agentId("consumer");
const PROVIDER = agentId("provider");
/** As the service has it by default. */
const HAND_BACK_MS = 10_000;

let region: TestRegion;
let node: TestNode;

beforeEach(() => {
  region = new TestRegion(1);
  [node] = region.nodes as [TestNode];
});

const needsWeather: Dependency = { capability: "weather", tags: [], version: "", required: false };

function abroad(where: RegionId, fields: Partial<FoundAgent> = {}): FoundAgent {
  const { capabilities, zone: _, ...record } = aRecord({ endpoint: `http://${where}:1` });
  const { name: capability, ...offered } = capabilities[0]!;
  return {
    ...record,
    ...offered,
    id: asAgentId(`weather-${where}`),
    region: where,
    capability,
    health: "healthy",
    revision: 1,
    registeredAtMs: 0,
    score: 0,
    ...fields,
  };
}

/** What other regions are known to have from now on. */
function know(...answers: readonly KnownAnswer[]): void {
  node.remote.knownAnswers = answers;
  node.remote.told++;
}

/** A heartbeat of the consumer. @returns the region of whom it was told, and its id */
async function beat(dependency = needsWeather): Promise<string | null> {
  const record = aRecord({ capabilities: [aCapability("report", { dependencies: [dependency] })] });
  const { agent } = await node.service.register(CONSUMER, record);
  const { dependencies } = await node.service.inform(agent);
  const { provider } = dependencies[0]!;
  return provider && `${provider.region} ${provider.id}`;
}

const hasNews = async () => (await node.service.renewAndCompare(CONSUMER)).topologyChanged;
const provide = (fields = {}) => node.service.register(PROVIDER, aRecord(fields));

describe("registry/resolver: across regions", () => {
  it("takes a provider of its own region, however near a better one is abroad", async () => {
    await provide();
    know({ region: NEAR, agents: [abroad(NEAR, { version: "9.0.0" })] });
    assert.equal(await beat(), `${HOME} ${PROVIDER}`);
  });

  it("takes the nearest region that has one when its own has none", async () => {
    know({ region: NEAR, agents: [] }, { region: FAR, agents: [abroad(FAR)] });
    assert.equal(await beat(), `${FAR} weather-${FAR}`);
  });

  it("asks a region of which too little is known, once, and tells what it answers", async () => {
    know({ region: NEAR, agents: null });
    assert.equal(await beat(), null);
    assert.equal(node.remote.asked.length, 1);
    assert.equal(node.remote.asked[0]?.capability, "weather");
    know({ region: NEAR, agents: [abroad(NEAR)] });
    assert.equal(await beat(), `${NEAR} weather-${NEAR}`);
    assert.equal(node.remote.asked.length, 1);
  });

  it("asks for the schema that the consumer expects", async () => {
    know({ region: NEAR, agents: null });
    await beat({ ...needsWeather, matchMode: "strict", expectedSchemaHash: "sha256:1" });
    assert.deepEqual(node.remote.asked[0]?.schema, { matchMode: "strict", expectedSchemaHash: "sha256:1" });
  });

  it("stays with the provider it told of while a nearer one comes: nothing is better about it", async () => {
    know({ region: NEAR, agents: [] }, { region: FAR, agents: [abroad(FAR)] });
    await beat();
    know({ region: NEAR, agents: [abroad(NEAR)] }, { region: FAR, agents: [abroad(FAR)] });
    assert.equal(await hasNews(), false);
    assert.equal(await beat(), `${FAR} weather-${FAR}`);
    know({ region: NEAR, agents: [abroad(NEAR)] }, { region: FAR, agents: [] });
    assert.equal(await hasNews(), true);
    assert.equal(await beat(), `${NEAR} weather-${NEAR}`);
  });

  it("passes over an agent that has moved here since, and offers something else here", async () => {
    await node.service.register(asAgentId(`weather-${NEAR}`), aRecord({ capabilities: [aCapability("other")] }));
    know({ region: NEAR, agents: [abroad(NEAR, { registeredAtMs: -1 })] });
    assert.equal(await beat(), null);
  });

  it("says 202 when the local provider dies, tells of the one abroad, and hands back when it lasted", async () => {
    await provide();
    know({ region: NEAR, agents: [abroad(NEAR)] });
    await beat();
    assert.equal(await hasNews(), false);

    await node.service.deregister(PROVIDER, "keep");
    assert.equal(await hasNews(), true);
    assert.equal(await beat(), `${NEAR} weather-${NEAR}`);

    await provide();
    assert.equal(await hasNews(), false, "it may leave again");
    await region.renewAll([CONSUMER, PROVIDER], 2 * HAND_BACK_MS);
    assert.equal(await hasNews(), true);
    assert.equal(await beat(), `${HOME} ${PROVIDER}`);
    assert.equal(await hasNews(), false);
  });

  it("does not flap its consumer with a provider that comes and goes", async () => {
    await provide();
    know({ region: NEAR, agents: [abroad(NEAR)] });
    await beat();
    const told = new Set<string | null>();
    for (let round = 0; round < 8; round++) {
      await node.service.deregister(PROVIDER, "keep");
      if (await hasNews()) told.add(await beat());
      await provide();
      // Longer than it took the first time.
      await region.clock.advance(HAND_BACK_MS + 1_000);
      await node.service.renew(PROVIDER, null);
      if (await hasNews()) told.add(await beat());
    }
    assert.deepEqual([...told], [`${NEAR} weather-${NEAR}`]);
  });

  it("takes the returned provider at once when the one abroad is gone as well", async () => {
    await provide();
    know({ region: NEAR, agents: [abroad(NEAR)] });
    await beat();
    await node.service.deregister(PROVIDER, "keep");
    await beat();
    await provide();
    know({ region: NEAR, agents: [] });
    assert.equal(await hasNews(), true);
    assert.equal(await beat(), `${HOME} ${PROVIDER}`);
  });

  it("stays within the consumer's namespace, here and abroad, where namespaces are isolated", async () => {
    region = new TestRegion(1, { service: { isolatesNamespaces: true } });
    [node] = region.nodes as [TestNode];
    await provide({ namespace: "other" });
    know({ region: NEAR, agents: null });
    assert.equal(await beat(), null);
    assert.equal(node.remote.asked[0]?.namespace, "default");
    await node.service.register(agentId("of the same"), aRecord());
    assert.equal(await beat(), `${HOME} agent-of the same`);
  });

  it("lets a capability work whose required provider is abroad", async () => {
    const required = { ...needsWeather, required: true };
    know({ region: NEAR, agents: [] });
    await beat(required);
    const report = { capability: "report", tags: [], version: "", health: "healthy", limit: 10 } as const;
    assert.equal(node.service.lookupHere(report).agents.length, 0);
    know({ region: NEAR, agents: [abroad(NEAR)] });
    assert.equal(node.service.lookupHere(report).agents.length, 1);
  });
});

describe("registry/resolver: language models (contract A7)", () => {
  const inputSchema = { type: "object" };
  const needsMore = { dependencies: [{ ...needsWeather, capability: "nobody", required: true }] };

  async function ask(fields: Partial<Capability>) {
    const { agent } = await node.service.register(
      CONSUMER,
      aRecord({ capabilities: [aCapability("chat", { inputSchema, ...fields })] }),
    );
    return node.service.inform(agent);
  }

  it("takes a provider with an input schema, whatever it requires of others", async () => {
    await node.service.register(agentId("bare"), aRecord({ capabilities: [aCapability("llm", { version: "9.0.0" })] }));
    await provide({ capabilities: [aCapability("llm", { inputSchema, ...needsMore })] });
    const { llmProviders, dependencies } = await ask({
      llmProvider: { capability: "llm" },
      dependencies: [{ ...needsWeather, capability: "llm" }],
    });
    assert.deepEqual(
      llmProviders.map(({ provider }) => provider?.id),
      [PROVIDER],
    );
    assert.deepEqual(
      dependencies.map(({ provider }) => provider?.id),
      [agentId("bare")],
    );
  });

  it("finds tools by a filter, and gives no list for one that can not be read", async () => {
    await provide({ capabilities: [aCapability("search", { inputSchema })] });
    const { tools } = await ask({ llmFilter: { filter: ["search"] } });
    assert.deepEqual(
      tools.map((each) => each.tools.map(({ tool }) => tool.id)),
      [[PROVIDER]],
    );
    assert.deepEqual((await ask({ llmFilter: { filter: [5] } })).tools, []);
  });

  it("gives all filters of an agent one budget", async () => {
    const many = Array.from({ length: 100 }, (_, i) =>
      aCapability(`tool-${i}`, { functionName: `f${i}`, inputSchema }),
    );
    for (let i = 0; i < 12; i++) {
      const capabilities = many.map((each) => ({ ...each, functionName: `${each.functionName}-${i}` }));
      await node.service.register(agentId(`tools-${i}`), aRecord({ capabilities }));
    }
    const llmFilter = { filter: [], filter_mode: "*" };
    const capabilities = Array.from({ length: 20 }, (_, i) => aCapability(`chat-${i}`, { llmFilter }));
    const { agent } = await node.service.register(CONSUMER, aRecord({ capabilities }));
    const { tools } = await node.service.inform(agent);
    const given = tools.reduce((sum, each) => sum + each.tools.length, 0);
    assert.ok(given >= 1_000 && given < 2_000, `${given} tools`);
  });
});

describe("registry/resolver: capabilities of very many", () => {
  const REPLICAS = 2_000;
  /** Each replica has as many tags as it may have, and each dependency looks at all of them. */
  const capabilities = [aCapability("weather", { tags: Array.from({ length: 64 }, (_, i) => `tag-${i}`) })];
  const aReplica = (host: number) => aRecord({ endpoint: `http://h:${host}`, capabilities });

  async function demand(): Promise<Parameters<typeof node.service.inform>[0]> {
    for (let i = 0; i < REPLICAS; i++) await node.service.register(agentId(i), aReplica(i));
    const dependencies = Array.from({ length: 20 }, (_, i) => ({ ...needsWeather, tags: [`+tag-${i}`] }));
    const record = aRecord({ capabilities: [aCapability("report", { dependencies })] });
    return (await node.service.register(CONSUMER, record)).agent;
  }

  it("are looked at in turns, and every dependency is resolved", async () => {
    const agent = await demand();
    let isDone = false;
    const informing = node.service.inform(agent).then((resolutions) => {
      isDone = true;
      return resolutions;
    });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isDone, false, "others come in between");
    await region.clock.advance(1_000);
    const { dependencies } = await informing;
    assert.equal(dependencies.filter(({ provider }) => provider !== null).length, 20);
  });

  it("make a fast heartbeat say that there may be news, rather than look at all of them", async () => {
    const agent = await demand();
    const informing = node.service.inform(agent);
    await region.clock.advance(1_000);
    await informing;
    assert.equal(await hasNews(), false);
    await node.service.register(agentId("another"), aReplica(REPLICAS));
    assert.equal(await hasNews(), true);
    const shown = node.service.resolutionsOf(agent).dependencies;
    assert.ok(
      shown.every(({ provider }) => provider !== null),
      "what it was told",
    );
  });
});
