import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { FoundAgent } from "../../../src/types/agent.ts";
import { asAgentId, asRegionId } from "../../../src/types/ids.ts";
import { createTestApp, type TestApp } from "../../support/api-app.ts";

const WEST = asRegionId("us-west");

function westAgent(id: string): FoundAgent {
  return {
    id: asAgentId(id),
    name: id,
    namespace: "default",
    type: "mcp_agent",
    runtime: "python",
    endpoint: `http://${id}:1`,
    labels: {},
    metadata: {},
    region: WEST,
    capability: "weather",
    functionName: "weather",
    version: "1.0.0",
    tags: [],
    health: "healthy",
    revision: 9,
    registeredAtMs: 1,
    score: 0,
  };
}

describe("GET /v1/lookup", () => {
  let test: TestApp;
  beforeEach(async () => {
    test = await createTestApp();
    const offers = [
      ["old", { name: "weather", version: "1.0.0", tags: ["eu"] }],
      ["new", { name: "weather", version: "2.1.0", tags: ["us", "fast"] }],
      ["beta", { name: "weather", version: "2.2.0", tags: ["us", "beta"] }],
      ["news", { name: "news" }],
    ] as const;
    for (const [id, capability] of offers) {
      const payload = { endpoint: `http://${id}:1`, capabilities: [capability] };
      await test.send({ method: "PUT", url: `/v1/agents/${id}`, payload });
    }
  });
  const lookup = async (query: string) => (await test.send({ url: `/v1/lookup?${query}` })).json();
  const ids = async (query: string) => (await lookup(query)).agents.map(({ id }: { id: string }) => id);

  it("finds by capability, newest version first", async () => {
    assert.deepEqual(await ids("capability=weather"), ["beta", "new", "old"]);
    assert.deepEqual(await ids("capability=Weather"), [], "names are case-sensitive");
  });

  it("shows all that a caller needs of an agent", async () => {
    const { agents, complete } = await lookup("capability=news");
    assert.equal(complete, true);
    const { registeredAtMs, ...agent } = agents[0];
    assert.equal(registeredAtMs, test.region.clock.wallTime());
    assert.deepEqual(agent, {
      id: "news",
      name: "news",
      endpoint: "http://news:1",
      region: "us-east",
      capability: "news",
      functionName: "news",
      version: "1.0.0",
      tags: [],
      health: "healthy",
      revision: 4,
      namespace: "default",
      type: "mcp_agent",
      runtime: "python",
      labels: {},
      metadata: {},
      score: 0,
    });
  });

  it("takes tags repeated or separated by commas, with preference, exclusion and alternatives", async () => {
    assert.deepEqual(await ids("capability=weather&tags=us,-beta"), ["new"]);
    assert.deepEqual(await ids("capability=weather&tags=us&tags=-beta"), ["new"]);
    assert.deepEqual(await ids("capability=weather&tags=eu|fast"), ["new", "old"]);
    assert.deepEqual(await ids("capability=weather&tags=%2Beu"), ["old", "beta", "new"]);
    assert.deepEqual(await ids("capability=weather&tags=+eu"), ["old", "beta", "new"], "an unescaped plus");
  });

  it("takes a version constraint", async () => {
    assert.deepEqual(await ids("capability=weather&version=^2.0"), ["beta", "new"]);
    assert.deepEqual(await ids("capability=weather&version=%3E%3D1%20%3C2"), ["old"]);
  });

  it("hides agents that are not healthy unless asked for any", async () => {
    await test.region.clock.advance(120_000);
    assert.deepEqual(await ids("capability=news"), []);
    assert.deepEqual(await ids("capability=news&health=any"), ["news"]);
  });

  it("P9: says for each region where its part came from, and that a silent one is missing", async () => {
    test.node.remote.answers = [
      {
        region: WEST,
        source: "none",
        revision: 3,
        stalenessMs: Number.POSITIVE_INFINITY,
        agents: [],
        hasMore: false,
        error: { code: "TIMEOUT", message: "no answer within 800 ms" },
      },
    ];
    const answer = await lookup("capability=weather");
    assert.equal(answer.complete, false);
    assert.deepEqual(answer.regions, [
      { region: "us-east", source: "local", revision: 4, stalenessMs: 0, agents: 3 },
      {
        region: "us-west",
        source: "none",
        revision: 3,
        stalenessMs: Number.MAX_SAFE_INTEGER,
        agents: 0,
        error: { code: "TIMEOUT", message: "no answer within 800 ms" },
      },
    ]);
  });

  it("merges other regions' agents, and leaves them out of a lookup in this region", async () => {
    test.node.remote.answers = [
      { region: WEST, source: "live", revision: 9, stalenessMs: 12.4, agents: [westAgent("far")], hasMore: false },
    ];
    assert.ok((await ids("capability=weather")).includes("far"));
    assert.deepEqual((await lookup("capability=weather")).regions[1], {
      region: "us-west",
      source: "live",
      revision: 9,
      stalenessMs: 13,
      agents: 1,
    });
    assert.ok(!(await ids("capability=weather&scope=region")).includes("far"));
  });

  it("gives pages that together are the answer", async () => {
    const first = await lookup("capability=weather&limit=2");
    assert.equal(first.agents.length, 2);
    const second = await lookup(`capability=weather&limit=2&cursor=${first.nextCursor}`);
    assert.deepEqual(
      [...first.agents, ...second.agents].map(({ id }) => id),
      ["beta", "new", "old"],
    );
    assert.equal(second.nextCursor, undefined);
  });

  it("refuses a cursor that a node of another region gave, where other agents come first", async () => {
    const cursor = Buffer.from(
      JSON.stringify(["us-west", [0, "1.0.0", "a", "f", "us-west"], false, null, []]),
    ).toString("base64url");
    const answer = await test.send({ url: `/v1/lookup?capability=weather&cursor=${cursor}` });
    assert.equal(answer.statusCode, 400);
    assert.deepEqual([answer.json().error.code, answer.json().error.field], ["INVALID_FIELD", "cursor"]);
    assert.match(answer.json().error.message, /another region/);
  });

  it("goes on in the order in which the first page was, whatever got nearer since", async () => {
    const EU = asRegionId("eu-west");
    const live = { source: "live", revision: 9, stalenessMs: 0, hasMore: false } as const;
    const far = { ...live, region: WEST, agents: [westAgent("far")], distanceMs: 80 };
    const [near1, near2] = ["near1", "near2"].map((id) => ({ ...westAgent(id), region: EU })) as [
      FoundAgent,
      FoundAgent,
    ];
    const near = { ...live, region: EU, agents: [near1, near2], distanceMs: 20 };
    test.node.remote.answers = [far, near];
    assert.deepEqual(await ids("capability=weather&version=1.0.0&tags=-x"), ["old", "near1", "near2", "far"]);
    const first = await lookup("capability=weather&version=1.0.0&tags=-x&limit=2");
    assert.deepEqual(
      first.agents.map(({ id }: FoundAgent) => id),
      ["old", "near1"],
    );
    test.node.remote.answers = [
      { ...far, distanceMs: 1 },
      { ...near, agents: [near2] },
    ];
    const second = await lookup(`capability=weather&version=1.0.0&tags=-x&limit=2&cursor=${first.nextCursor}`);
    assert.deepEqual(
      second.agents.map(({ id }: FoundAgent) => id),
      ["near2", "far"],
    );
    const { afterIn } = test.node.remote.askedWith.at(-1)!;
    assert.equal(afterIn?.(EU).id, "near1", "goes on behind it");
    assert.equal(afterIn?.(WEST).id, "", "has not had its turn");
  });

  it("takes a cursor of 32 regions with the longest names", async () => {
    const names = Array.from({ length: 40 }, (_, i) => `${i}`.padEnd(63, "r"));
    test.node.remote.answers = names.map((name, i) => ({
      region: asRegionId(name),
      source: "live",
      revision: 9,
      stalenessMs: 0,
      agents: [{ ...westAgent(`a${i}`), region: asRegionId(name) }],
      hasMore: true,
      distanceMs: i,
    }));
    const first = await lookup("capability=weather&limit=1");
    assert.ok(first.nextCursor !== undefined);
    const answer = await test.send({ url: `/v1/lookup?capability=weather&limit=1&cursor=${first.nextCursor}` });
    assert.equal(answer.statusCode, 200);
  });

  it("puts the agents of the zone that the asker names first among equals", async () => {
    for (const [id, zone] of [
      ["m1", "a"],
      ["m2", "b"],
    ]) {
      const payload = { endpoint: "http://m:1", capabilities: ["map"], zone };
      await test.send({ method: "PUT", url: `/v1/agents/${id}`, payload });
    }
    assert.deepEqual(await ids("capability=map"), ["m1", "m2"]);
    assert.deepEqual(await ids("capability=map&zone=b"), ["m2", "m1"]);
  });

  it("P9: explains an answer to who asks, and to nobody else", async () => {
    const live = { source: "live", revision: 9, stalenessMs: 0, hasMore: false, distanceMs: 61.5 } as const;
    const trace = {
      did: "asked",
      asked: { node: "us-west-1", requests: 2, tookMs: 70.4 },
      summary: { revision: 9, ageMs: 400.2, changedRevision: 7 },
      breaker: "closed",
    } as const;
    const moved = { ...westAgent("old"), registeredAtMs: -1 };
    test.node.remote.answers = [{ ...live, region: WEST, agents: [westAgent("far"), moved], trace }];
    const { explanation, regions } = await lookup("capability=weather&version=1.0.0&explain=true");
    assert.equal(test.node.remote.askedWith.at(-1)?.explain, true);
    assert.equal(explanation.zone, null);
    assert.deepEqual(
      explanation.places.map(({ id, behindBy, distanceMs }: Record<string, unknown>) => [id, behindBy, distanceMs]),
      [
        ["old", undefined, 0],
        ["far", "region", 61.5],
      ],
    );
    assert.deepEqual(explanation.moved, { count: 1, listed: [{ id: "old", region: "us-west" }] });
    const version = explanation.matching.stages.find(({ stage }: { stage: string }) => stage === "version");
    assert.equal(version.dropped, version.listed.length);
    assert.ok(version.dropped > 0);
    assert.deepEqual(
      regions.map(({ trace }: { trace: unknown }) => trace),
      [
        { did: "read" },
        {
          did: "asked",
          asked: { node: "us-west-1", requests: 2, tookMs: 71 },
          summary: { revision: 9, ageMs: 401, changedRevision: 7 },
          breaker: "closed",
          distanceMs: 61.5,
        },
      ],
    );
    test.node.remote.answers = [{ ...live, region: WEST, agents: [westAgent("far")] }];
    const plain = await lookup("capability=weather&version=1.0.0");
    assert.equal(plain.explanation, undefined);
    assert.equal(test.node.remote.askedWith.at(-1)?.explain, undefined);
  });

  it("shows in the headers what this region's part shows", async () => {
    const answer = await test.send({ url: "/v1/lookup?capability=weather" });
    assert.equal(answer.headers["x-atoll-revision"], "4");
    assert.equal(answer.headers["x-atoll-staleness-ms"], "0");
  });

  it("refuses a region that nobody knows", async () => {
    const answer = await test.send({ url: "/v1/lookup?capability=weather&region=atlantis" });
    assert.equal(answer.statusCode, 404);
    const { code, field, region } = answer.json().error;
    assert.deepEqual([code, field, region], ["UNKNOWN_REGION", "region", "atlantis"]);
  });

  it("P5: goes on without a leader, and says how old its data may be", async () => {
    test.region.region.elect(null);
    const answer = await test.send({ url: "/v1/lookup?capability=news" });
    assert.deepEqual([answer.statusCode, answer.json().agents.length], [200, 1]);
    assert.equal(answer.headers["x-atoll-staleness-ms"], String(Number.MAX_SAFE_INTEGER));
  });

  it("refuses data older than asked for, and a linearizable answer without a leader", async () => {
    test.region.region.elect(null);
    const stale = await test.send({ url: "/v1/lookup?capability=news&max_staleness_ms=100" });
    assert.deepEqual([stale.statusCode, stale.json().error.code], [503, "TOO_STALE"]);
    assert.equal(stale.headers["retry-after"], "1");
    const linearizable = await test.send({ url: "/v1/lookup?capability=news&consistency=linearizable" });
    assert.deepEqual([linearizable.statusCode, linearizable.json().error.code], [503, "NO_LEADER"]);
  });
});

describe("GET /v1/capabilities", () => {
  it("counts who offers what, by name, in pages", async () => {
    const { send } = await createTestApp();
    const payload = { endpoint: "http://a:1", capabilities: ["b", { name: "a", version: "2.0.0", tags: ["t"] }, "c"] };
    await send({ method: "PUT", url: "/v1/agents/x", payload });
    const first = (await send({ url: "/v1/capabilities?limit=2" })).json();
    assert.deepEqual(first.capabilities, [
      { name: "a", healthy: 1, total: 1, versions: ["2.0.0"], tags: ["t"], revision: 1 },
      { name: "b", healthy: 1, total: 1, versions: ["1.0.0"], tags: [], revision: 1 },
    ]);
    const second = (await send({ url: `/v1/capabilities?limit=2&cursor=${first.nextCursor}` })).json();
    assert.deepEqual(
      second.capabilities.map(({ name }: { name: string }) => name),
      ["c"],
    );
    assert.equal(second.nextCursor, undefined);
  });
});

describe("the cluster as a node sees it", () => {
  it("lists regions, with for ever as the largest integer", async () => {
    const { send } = await createTestApp();
    const { regions } = (await send({ url: "/v1/regions" })).json();
    assert.deepEqual(
      regions.map(({ region, link, leader, stalenessMs, lagRevisions, silentMs, breaker }: Record<string, unknown>) => [
        [region, link, leader],
        [stalenessMs, lagRevisions, silentMs, breaker],
      ]),
      [
        [
          ["us-east", "self", "us-east-1"],
          [0, 0, undefined, undefined],
        ],
        [
          ["us-west", "away", null],
          [Number.MAX_SAFE_INTEGER, 0, 4_101, "open"],
        ],
      ],
    );
  });

  it("lists nodes", async () => {
    const { send } = await createTestApp();
    const { nodes } = (await send({ url: "/v1/nodes" })).json();
    assert.deepEqual(
      nodes.map(({ name, role, link }: Record<string, unknown>) => [name, role, link]),
      [
        ["us-east-1", "leader", "self"],
        ["us-west-1", "unknown", "away"],
      ],
    );
  });

  it("shows the consensus group, also while it has no leader", async () => {
    const { send, region } = await createTestApp();
    assert.equal((await send({ url: "/v1/cluster" })).json().leader, "us-east-1");
    region.region.elect(null);
    const { leader, term, sinceLeaderMs } = (await send({ url: "/v1/cluster" })).json();
    assert.deepEqual([leader, term, sinceLeaderMs], [null, 2, Number.MAX_SAFE_INTEGER]);
  });
});
