import assert from "node:assert/strict";
import type { Readable } from "node:stream";
import { describe, it } from "node:test";
import type { WatchLimits } from "../../../../src/api/v1/watchers.ts";
import type { CapabilityAbroad, FeedBounds } from "../../../../src/registry/change-feed.ts";
import type { AgentRecord } from "../../../../src/types/agent.ts";
import { seededRandom } from "../../../../src/util/random.ts";
import { CLUSTER, createTestApp, type TestApp, watchedFeed } from "../../../support/api-app.ts";
import { EventStreamReader } from "../../../support/event-stream.ts";
import { aCapability, agentId, aRecord, LEASE_MS, TestRegion } from "../../registry/fixtures.ts";

/** Longer than any pause between turns, shorter than any timer of a watch. */
const SOON_MS = 100;

interface Options {
  readonly limits?: Partial<WatchLimits>;
  readonly bounds?: Partial<FeedBounds>;
  readonly abroad?: readonly CapabilityAbroad[];
  readonly cluster?: () => string;
}

/** A node that watches are served by. */
async function aNode(
  { limits = {}, bounds, abroad, cluster = () => CLUSTER }: Options = {},
  region = new TestRegion(1),
) {
  const [node] = region.nodes;
  const feed = watchedFeed(region, node!, { ...(bounds && { bounds }), ...(abroad && { abroad }) });
  const watch = { feed, cluster, random: seededRandom(1), limits };
  const test = await createTestApp({ watch, registry: node!.service, clock: region.clock });
  return { ...test, region, node: node!, feed, service: node!.service };
}

type TestedNode = Awaited<ReturnType<typeof aNode>>;

interface Told {
  readonly event: string;
  readonly revision?: number;
  readonly agent?: { readonly id: string; readonly [field: string]: unknown };
  readonly [field: string]: unknown;
}

class Watch {
  readonly reader = new EventStreamReader();
  readonly stream: Readable;
  isEnded = false;

  readonly #hangUp: () => void;

  constructor(stream: Readable, hangUp = () => {}) {
    this.stream = stream;
    this.#hangUp = hangUp;
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => this.reader.push(text));
    stream.on("end", () => {
      this.isEnded = true;
    });
    // What a server that hangs up looks like; the tests look at what was told until then.
    stream.on("error", () => {});
  }

  get told(): Told[] {
    return this.reader.events.map(({ event, data }) => ({ event, ...JSON.parse(data) }));
  }

  /** The events, and whom they are about. */
  get story(): string[] {
    return this.told.map(({ event, agent, name }) => [event, agent?.id ?? name].filter(Boolean).join(" "));
  }

  /** As a connection that breaks. */
  cut(): string {
    this.#hangUp();
    return this.reader.lastEventId;
  }
}

async function watching(on: TestedNode, query = "", lastEventId?: string): Promise<Watch> {
  const headers = lastEventId === undefined ? {} : { "last-event-id": lastEventId };
  const asked = on.app.inject({ url: `/v1/watch?${query}`, headers, payloadAsStream: true });
  await on.region.clock.advance(SOON_MS);
  const answer = await asked;
  assert.equal(answer.statusCode, 200);
  const watch = new Watch(answer.stream(), () => answer.raw.res.destroy());
  await on.region.clock.advance(SOON_MS);
  return watch;
}

const register = (on: TestedNode, name: string | number, fields: Partial<AgentRecord> = {}) =>
  on.service.register(agentId(name), aRecord(fields));
const soon = (on: TestedNode) => on.region.clock.advance(SOON_MS);

/** Everything that can happen to one agent. */
async function aLife(on: TestedNode, name: string | number, fields: Partial<AgentRecord> = {}): Promise<void> {
  await register(on, name, fields);
  await register(on, name, { ...fields, endpoint: "http://10.0.0.9:8080" });
  await on.service.deregister(agentId(name), "keep");
  await register(on, name, fields);
  await on.service.deregister(agentId(name), "purge");
}

const LIFE = ["registered", "updated", "unhealthy", "recovered", "removed"];

describe("GET /v1/watch", () => {
  it("tells a client where it stands, and from then on what happens to agents", async () => {
    const node = await aNode();
    await register(node, "earlier");
    const watch = await watching(node);
    assert.deepEqual(watch.told, [{ event: "ready", region: "us-east", revision: 1 }]);
    assert.ok(watch.reader.retryMs! >= 1_000 && watch.reader.retryMs! < 3_000, `${watch.reader.retryMs}`);
    await aLife(node, 1);
    await soon(node);
    assert.deepEqual(
      watch.story.slice(1),
      LIFE.map((event) => `${event} agent-1`),
    );
    assert.deepEqual(
      watch.told.slice(1).map(({ revision }) => revision),
      [2, 3, 4, 5, 6],
    );
  });

  it("shows an agent as GET /v1/agents/{id} does, but for what each node knows for itself", async () => {
    const node = await aNode();
    const watch = await watching(node);
    const capability = aCapability("sums", { tags: ["fast"], inputSchema: { type: "object" }, kwargs: { a: 1 } });
    await register(node, 1, { capabilities: [capability], zone: "a", labels: { team: "sky" } });
    await soon(node);
    const { lastSeenMs: _, ...agent } = (await node.send({ url: "/v1/agents/agent-1" })).json();
    assert.deepEqual(watch.told.at(-1)!.agent, agent);
  });

  it("says why an agent is unhealthy", async () => {
    const node = await aNode();
    await register(node, 1);
    const watch = await watching(node);
    await node.region.clock.advance(2 * LEASE_MS);
    assert.equal(watch.told.at(-1)!.event, "unhealthy");
    assert.equal(watch.told.at(-1)!.agent!.unhealthyReason, "lease-expired");
  });

  it("is an event stream that nothing on the way keeps, with the headers of every answer", async () => {
    const node = await aNode();
    const asked = node.app.inject({ url: "/v1/watch", payloadAsStream: true });
    await soon(node);
    const { headers } = await asked;
    assert.match(String(headers["content-type"]), /^text\/event-stream/);
    assert.deepEqual([headers["cache-control"], headers["x-accel-buffering"]], ["no-store", "no"]);
    assert.equal(headers["x-atoll-node"], "us-east-1");
  });
});

describe("filters of a watch", () => {
  const cases: readonly (readonly [query: string, seen: Partial<AgentRecord>, unseen: Partial<AgentRecord>])[] = [
    ["capability=sums", { capabilities: [aCapability("sums")] }, { capabilities: [aCapability("maps")] }],
    ["capability=sums&capability=maps", { capabilities: [aCapability("maps")] }, {}],
    ["namespace=prod", { namespace: "prod" }, { namespace: "dev" }],
    ["type=a2a", { type: "a2a" }, { type: "mcp_agent" }],
    [
      "capability=sums&namespace=prod",
      { capabilities: [aCapability("sums")], namespace: "prod" },
      { capabilities: [aCapability("sums")], namespace: "dev" },
    ],
  ];
  for (const [query, seen, unseen] of cases) {
    it(`${query}: live, from the list, and when resumed`, async () => {
      const node = await aNode();
      const live = await watching(node, query);
      const left = (await watching(node)).cut();
      await aLife(node, "unseen", unseen);
      await aLife(node, "seen", seen);
      await register(node, "unseen", unseen);
      await register(node, "seen", seen);
      await soon(node);
      const story = [...LIFE, "registered"].map((event) => `${event} agent-seen`);
      assert.deepEqual(live.story, ["ready", ...story]);
      assert.deepEqual((await watching(node, query, left)).story, [...story, "ready"]);
      assert.deepEqual((await watching(node, `${query}&initial=true`)).story, ["registered agent-seen", "ready"]);
    });
  }

  it("agent=ID: that one alone", async () => {
    const node = await aNode();
    const live = await watching(node, "agent=agent-1");
    for (const name of [1, 2]) await register(node, name);
    await soon(node);
    assert.deepEqual(live.story, ["ready", "registered agent-1"]);
    assert.deepEqual((await watching(node, "agent=agent-1&initial=true")).story, ["registered agent-1", "ready"]);
    assert.deepEqual((await watching(node, "agent=agent-3&initial=true")).story, ["ready"]);
    assert.deepEqual((await watching(node, "agent=agent-1&namespace=no&initial=true")).story, ["ready"]);
  });

  it("event=KIND: those alone, in the list too", async () => {
    const node = await aNode();
    const live = await watching(node, "event=removed&event=unhealthy");
    await aLife(node, 1);
    await register(node, 2);
    await register(node, 3);
    await node.service.deregister(agentId(3), "keep");
    await soon(node);
    assert.deepEqual(live.story, ["ready", "unhealthy agent-1", "removed agent-1", "unhealthy agent-3"]);
    const listed = await watching(node, "event=unhealthy&initial=true");
    assert.deepEqual(listed.story, ["unhealthy agent-3", "ready"]);
  });

  it("tells an agent that no longer fits once more, as what it is now", async () => {
    const node = await aNode();
    await register(node, 1, { capabilities: [aCapability("sums")] });
    const watch = await watching(node, "capability=sums");
    await register(node, 1, { capabilities: [aCapability("maps")] });
    await register(node, 1, { capabilities: [aCapability("maps")], zone: "a" });
    await soon(node);
    assert.deepEqual(watch.story, ["ready", "updated agent-1"]);
  });
});

describe("resuming a watch", () => {
  it("F24: goes on after the last event on any node of the region, with nothing lost and nothing repeated", async () => {
    const region = new TestRegion(3);
    const nodes = await Promise.all(
      region.nodes.map((_, i) => aNode({}, Object.assign(Object.create(region), { nodes: [region.nodes[i]!] }))),
    );
    const [first] = nodes;
    const whole = await watching(first!);
    const story: string[] = [];
    let id: string | undefined;
    for (let round = 0; round < 12; round++) {
      const watch = await watching(nodes[round % 3]!, "", id);
      await aLife(first!, round);
      await soon(first!);
      id = watch.cut();
      await register(first!, `between-${round}`);
      await soon(first!);
      story.push(...watch.story.filter((told) => told !== "ready"));
    }
    const last = await watching(nodes[1]!, "", id);
    story.push(...last.story.filter((told) => told !== "ready"));
    assert.deepEqual(story, whole.story.slice(1));
    assert.equal(story.length, 12 * 6);
  });

  it("goes on in the middle of what one command did", async () => {
    const node = await aNode();
    const whole = await watching(node);
    for (const i of [1, 2, 3]) await register(node, i);
    await node.region.clock.advance(2 * LEASE_MS);
    const ids = whole.reader.events.map(({ lastEventId }) => lastEventId);
    const expired = whole.story.indexOf("unhealthy agent-1");
    assert.match(ids[expired]!, /:0$/);
    const rest = await watching(node, "event=unhealthy", ids[expired]);
    assert.deepEqual(rest.story, ["unhealthy agent-2", "unhealthy agent-3", "ready"]);
  });

  it("takes ?since= as well, and the header where both are given", async () => {
    const node = await aNode();
    for (const i of [1, 2, 3]) await register(node, i);
    const since = await watching(node, `since=${CLUSTER}:1:0`);
    assert.deepEqual(since.story, ["registered agent-2", "registered agent-3", "ready"]);
    const both = await watching(node, `since=${CLUSTER}:1:0`, `${CLUSTER}:2:0`);
    assert.deepEqual(both.story, ["registered agent-3", "ready"]);
  });

  it("a node that lags catches up first, and answers 503 when it can not", async () => {
    const region = new TestRegion(2);
    const [leader, lagging] = region.nodes;
    const node = await aNode({}, Object.assign(Object.create(region), { nodes: [lagging!] }));
    lagging!.group.isLagging = true;
    for (let i = 1; i <= 600; i++) await leader!.service.register(agentId(i), aRecord());
    region.region.elect(null);
    const headers = { "last-event-id": `${CLUSTER}:599:0` };
    const refused = await node.send({ url: "/v1/watch", headers });
    assert.deepEqual([refused.statusCode, refused.json().error.code], [503, "NO_LEADER"]);
    assert.ok(Number(refused.headers["retry-after"]) > 0);
    region.region.elect(leader!.group);
    const watch = await watching(node, "", `${CLUSTER}:599:0`);
    assert.deepEqual(watch.story, ["registered agent-600", "ready"], "what it applied just now is not told twice");
    assert.equal(watch.reader.lastEventId, `${CLUSTER}:600`);
  });

  it("F24: says resync, and from where, when the feed no longer holds what follows; then goes on", async () => {
    const node = await aNode({ bounds: { eventsMax: 4 } });
    for (let i = 1; i <= 10; i++) {
      await register(node, i);
      await soon(node);
    }
    const watch = await watching(node, "", `${CLUSTER}:3:0`);
    await register(node, 11);
    await soon(node);
    assert.deepEqual(watch.told.slice(0, 2), [
      { event: "resync", from: 10, reason: "expired" },
      { event: "ready", region: "us-east", revision: 10 },
    ]);
    assert.deepEqual(watch.story, ["resync", "ready", "registered agent-11"]);
    assert.match(await node.metrics.render(), /atoll_watch_resyncs_total\{reason="expired"\} 1/);
  });

  for (const [what, id, reason] of [
    ["of another region, or of this one before it was recovered by force", "c0ffee.1.salt:1:0", "foreign"],
    ["that the region has not come to", `${CLUSTER}:999`, "unknown"],
  ] as const) {
    it(`says resync for an id ${what}`, async () => {
      const node = await aNode();
      await register(node, 1);
      const watch = await watching(node, "", id);
      assert.deepEqual(watch.told[0], { event: "resync", from: 1, reason });
      assert.equal(watch.reader.lastEventId, `${CLUSTER}:1`);
    });
  }

  it("lists what there is after a resync, when it was asked to begin with that", async () => {
    const node = await aNode();
    for (const i of [1, 2]) await register(node, i);
    const watch = await watching(node, "initial=true", "elsewhere:1");
    assert.deepEqual(watch.story, ["resync", "registered agent-1", "registered agent-2", "ready"]);
  });

  it("does not list again what a client that can go on has seen", async () => {
    const node = await aNode();
    await register(node, 1);
    const id = (await watching(node, "initial=true")).cut();
    await register(node, 2);
    assert.deepEqual((await watching(node, "initial=true", id)).story, ["registered agent-2", "ready"]);
  });

  it("tells all who watch resync when the state is replaced by a snapshot", async () => {
    const node = await aNode();
    await register(node, 1);
    const plain = await watching(node);
    const listing = await watching(node, "initial=true");
    await node.node.stateMachine.restore((async function* () {})());
    await soon(node);
    await register(node, 2);
    await soon(node);
    assert.deepEqual(plain.story.slice(1), ["resync", "ready", "registered agent-2"]);
    assert.deepEqual(listing.story.slice(2), ["resync", "ready", "registered agent-2"]);
    assert.equal(plain.told[1]!.reason, "replaced");
  });
});

describe("a watch that begins with what there is", () => {
  it("has no gap and no repetition, whatever changes while the list is told", async () => {
    const node = await aNode();
    // A list of several turns.
    const metadata = { text: "x".repeat(1_000) };
    for (let i = 0; i < 1_000; i++) await register(node, String(i).padStart(3, "0"), { metadata });
    await soon(node);
    const asked = node.app.inject({ url: "/v1/watch?initial=true", payloadAsStream: true });
    await node.region.clock.advance(0);
    const watch = new Watch((await asked).stream());
    for (let step = 0; step < 30; step++) {
      const name = String((step * 37) % 1_000).padStart(3, "0");
      if (step % 3 === 0) await node.service.deregister(agentId(name), "purge");
      else await register(node, step % 3 === 1 ? name : `new-${step}`, { zone: `zone-${step}` });
      await node.region.clock.advance(0.5);
    }
    await soon(node);
    const held = new Map<string, number>();
    for (const { event, agent, revision } of watch.told) {
      if (event === "resync" || event === "ready") continue;
      assert.ok((held.get(agent!.id) ?? -1) < revision!, `${event} ${agent!.id} at ${revision} came late, or twice`);
      if (event === "removed") held.delete(agent!.id);
      else held.set(agent!.id, revision!);
    }
    const { agents } = node.service.list({}, { limit: 2_000 });
    assert.deepEqual([...held].sort(), agents.map(({ id, revision }) => [id, revision]).sort());
    assert.equal(watch.story.filter((event) => event === "resync").length, 0);
    const ready = watch.story.indexOf("ready");
    const ids = watch.reader.events.map(({ lastEventId }) => lastEventId);
    assert.deepEqual(new Set(ids.slice(0, ready)), new Set([""]), "half a list is nothing to go on from");
    assert.ok(!ids.slice(ready).includes(""));
    assert.ok(
      watch.told.slice(0, ready).some(({ event }) => event === "removed"),
      "nothing changed meanwhile",
    );
  });

  it("is ready only when the feed has come to where the list was", async () => {
    const node = await aNode();
    // More than the feed makes texts of in one turn.
    for (let i = 0; i < 600; i++) await register(node, i);
    const watch = await watching(node, "initial=true");
    assert.equal(watch.story.length, 601);
    assert.equal(watch.reader.lastEventId, `${CLUSTER}:600`);
  });

  it("gives no id before the list is told in full: a client whose connection broke begins anew", async () => {
    const node = await aNode();
    for (const i of [1, 2]) await register(node, i);
    const watch = await watching(node, "initial=true");
    assert.deepEqual(
      watch.reader.events.map(({ lastEventId }) => lastEventId),
      ["", "", `${CLUSTER}:2`],
    );
    const resynced = await watching(node, "initial=true", "elsewhere:1");
    assert.deepEqual(
      resynced.reader.events.map(({ lastEventId }) => lastEventId),
      ["", "", "", `${CLUSTER}:2`],
    );
  });
});

describe("a watch of the federation", () => {
  const weather = { region: "us-west", name: "weather", healthy: 2, total: 3, revision: 9 };
  const maps = { region: "eu-west", name: "maps", healthy: 1, total: 1, revision: 4 };

  it("begins with what other regions offer, and goes on with what changes there", async () => {
    const node = await aNode({ abroad: [weather, maps] });
    const watch = await watching(node, "scope=federation");
    assert.deepEqual(watch.told.slice(0, 2), [
      { event: "capability", ...weather },
      { event: "capability", ...maps },
    ]);
    const [, , { lastEventId }] = watch.reader.events as [unknown, unknown, { lastEventId: string }];
    node.feed.capabilityChanged({ ...weather, healthy: 0, total: 0, revision: 10 });
    await soon(node);
    assert.deepEqual(watch.told.at(-1), { event: "capability", ...weather, healthy: 0, total: 0, revision: 10 });
    assert.equal(watch.reader.lastEventId, lastEventId, "other regions' changes have no place in this region's log");
  });

  it("is filtered by capability and kind", async () => {
    const node = await aNode({ abroad: [weather, maps] });
    const some = await watching(node, "scope=federation&capability=maps");
    const none = await watching(node, "scope=federation&event=removed");
    const home = await watching(node);
    node.feed.capabilityChanged(weather);
    node.feed.capabilityChanged({ ...maps, revision: 5 });
    await soon(node);
    assert.deepEqual(some.story, ["capability maps", "ready", "capability maps"]);
    assert.deepEqual([none.story, home.story], [["ready"], ["ready"]]);
  });

  it("tells everything abroad anew to who comes back: no id says what was missed there", async () => {
    const node = await aNode({ abroad: [weather] });
    const first = await watching(node, "scope=federation");
    const id = first.reader.lastEventId;
    await register(node, 1);
    await soon(node);
    node.feed.capabilityChanged({ ...weather, revision: 8 });
    await soon(node);
    first.cut();
    const story = (await watching(node, "scope=federation", id)).story;
    assert.deepEqual(story, ["capability weather", "registered agent-1", "ready"]);
  });
});

describe("F24: watchers that read slowly", () => {
  const limits = { bufferBytesMax: 4_000 };

  /** Connected, and never read from. */
  async function silent(node: TestedNode, query = ""): Promise<Readable> {
    const asked = node.app.inject({ url: `/v1/watch?${query}`, payloadAsStream: true });
    await soon(node);
    return (await asked).stream();
  }

  it("are told resync and go on from now, and others miss nothing", async () => {
    const node = await aNode({ limits, bounds: { eventsMax: 64 } });
    const slow = await silent(node);
    const fast = await watching(node);
    for (let i = 0; i < 500; i++) {
      await register(node, i);
      await node.region.clock.advance(3);
    }
    assert.equal(fast.story.length, 501);
    assert.ok(!fast.story.includes("resync"));
    const late = new Watch(slow);
    await node.region.clock.advance(1_000);
    await register(node, "new");
    await soon(node);
    const resync = late.told.findIndex(({ event }) => event === "resync");
    assert.ok(resync > 0, late.story.join());
    const missed = { event: "resync", from: 500, reason: "slow" };
    assert.deepEqual(late.told[resync], missed);
    assert.deepEqual(late.story.slice(resync), ["resync", "ready", "registered agent-new"]);
  });

  it("cost no more memory than their stream may hold, however much they leave unread", async () => {
    const node = await aNode({ limits, bounds: { eventsMax: 64, bytesMax: 100_000 } });
    for (let i = 0; i < 10; i++) await silent(node);
    for (let i = 0; i < 500; i++) {
      await register(node, i);
      await node.region.clock.advance(3);
    }
    const told = /atoll_watch_events_total\{event="registered"\} (\d+)/.exec(await node.metrics.render());
    // Each holds its 4 kB in the stream, and what the transport took before it said that it was full.
    assert.ok(Number(told![1]) < 10 * 200, `${told![1]} events of 5,000 were written`);
    assert.ok(node.feed.end - node.feed.first <= 64);
  });

  it("are closed when they take nothing at all for long", async () => {
    const node = await aNode({ limits: { ...limits, stallMs: 30_000 } });
    const slow = await silent(node);
    let isClosed = false;
    slow.on("close", () => {
      isClosed = true;
    });
    slow.on("error", () => {});
    for (let i = 0; i < 300; i++) {
      await register(node, i);
      await node.region.clock.advance(3);
    }
    assert.match(await node.metrics.render(), /^atoll_watchers 1$/m);
    await node.region.clock.advance(60_000);
    assert.match(await node.metrics.render(), /^atoll_watchers 0$/m);
    assert.ok(isClosed);
  });
});

describe("the life of a watch", () => {
  it("has a heartbeat that moves the client's place on while nothing is for it", async () => {
    const node = await aNode();
    const watch = await watching(node, "capability=sums");
    await node.service.register(agentId(1), aRecord({ leaseMs: 3_600_000 }));
    await node.region.clock.advance(15_000);
    assert.deepEqual([watch.reader.comments, watch.reader.lastEventId], [["heartbeat"], `${CLUSTER}:1`]);
    await node.region.clock.advance(30_000);
    assert.equal(watch.reader.comments.length, 3);
    assert.deepEqual(watch.story, ["ready"]);
  });

  it("P12: is refused beyond the number that a node serves, until one leaves", async () => {
    const node = await aNode({ limits: { watchersMax: 2 } });
    const [first] = [await watching(node), await watching(node)];
    const refused = await node.send({ url: "/v1/watch" });
    const { code, watchersMax, retryAfterMs, otherRegions } = refused.json().error;
    assert.deepEqual([refused.statusCode, code, watchersMax], [503, "OVERLOADED", 2]);
    assert.ok(retryAfterMs > 0 && Number(refused.headers["retry-after"]) > 0 && otherRegions.length > 0);
    first.cut();
    await soon(node);
    assert.deepEqual((await watching(node)).story, ["ready"]);
  });

  it("ends with goodbye when the node stops, so that clients move at once", async () => {
    const node = await aNode();
    const watch = await watching(node);
    const closed = node.app.close();
    await node.region.clock.advance(2_000);
    await closed;
    assert.deepEqual(watch.told.at(-1), { event: "goodbye", reason: "stopping" });
    assert.ok(watch.reader.retryMs! <= 500, `${watch.reader.retryMs}`);
    assert.ok(watch.isEnded);
  });

  it("does not keep a node that stops from stopping, though nobody reads", async () => {
    const node = await aNode({ limits: { bufferBytesMax: 1_000 } });
    const asked = node.app.inject({ url: "/v1/watch", payloadAsStream: true });
    await soon(node);
    const stream = (await asked).stream();
    stream.on("error", () => {});
    for (let i = 0; i < 300; i++) {
      await register(node, i);
      await node.region.clock.advance(3);
    }
    const closed = node.app.close();
    await node.region.clock.advance(2_000);
    await closed;
    assert.match(await node.metrics.render(), /^atoll_watchers 0$/m);
  });

  it("serves more watchers than one turn does", async () => {
    const node = await aNode();
    const watches = await Promise.all(Array.from({ length: 150 }, () => watching(node)));
    await aLife(node, 1);
    await soon(node);
    for (const { story } of watches) assert.equal(story.length, 1 + LIFE.length);
    const metrics = await node.metrics.render();
    assert.match(metrics, /^atoll_watchers 150$/m);
    assert.match(metrics, /atoll_watch_events_total\{event="recovered"\} 150/);
  });

  it("says that there is no region yet while there is none", async () => {
    const node = await aNode();
    node.node.group.isFounded = false;
    const refused = await node.send({ url: "/v1/watch" });
    assert.deepEqual([refused.statusCode, refused.json().error.code], [503, "NO_LEADER"]);
  });
});

describe("bad input of a watch", () => {
  const cases: readonly (readonly [query: string, field: string, lastEventId?: string])[] = [
    ["capability=", "capability"],
    [`capability=${"x".repeat(254)}`, "capability"],
    [Array.from({ length: 65 }, (_, i) => `capability=c${i}`).join("&"), "capability"],
    [`namespace=${"x".repeat(64)}`, "namespace"],
    ["agent=a..b", "agent"],
    ["type=robot", "type"],
    ["event=exploded", "event"],
    [Array.from({ length: 7 }, () => "event=removed").join("&"), "event"],
    ["scope=world", "scope"],
    ["initial=maybe", "initial"],
    ["since=", "since"],
    ["since=1234", "since"],
    [`since=${CLUSTER}:1&initial=true`, "since"],
    [`since=${"x".repeat(300)}:1`, "since"],
    ["", "last-event-id", "%00"],
    ["", "last-event-id", `${CLUSTER}:1:2:3`],
    ["", "last-event-id", `${CLUSTER}:${"9".repeat(40)}`],
    ["", "last-event-id", `${"x".repeat(300)}:1`],
    ["colour=blue", "colour"],
  ];
  for (const [query, field, lastEventId] of cases) {
    it(`${(lastEventId ?? query).slice(0, 40)}: 400, ${field}`, async () => {
      const node: TestApp = await createTestApp();
      const headers = lastEventId === undefined ? {} : { "last-event-id": lastEventId };
      const answer = await node.send({ url: `/v1/watch?${query}`, headers });
      assert.deepEqual([answer.statusCode, answer.json().error.field], [400, field]);
    });
  }

  it("405 for other methods", async () => {
    const { send } = await createTestApp();
    assert.equal((await send({ method: "POST", url: "/v1/watch" })).statusCode, 405);
  });
});
