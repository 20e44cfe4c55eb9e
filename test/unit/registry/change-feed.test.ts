import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type AgentChange,
  type CapabilityAbroad,
  ChangeFeed,
  type FeedBounds,
  type FeedEntry,
  WHOLE_REVISION,
} from "../../../src/registry/change-feed.ts";
import { aCapability, agentId, aRecord, LEASE_MS, type TestNode, TestRegion } from "./fixtures.ts";

const FRAME_BYTES = 100;

/** A feed of what a node applies, whose texts are all of one length, and what it told its listener. */
function aFeed(region: TestRegion, node: TestNode, bounds: Partial<FeedBounds> = {}) {
  const rendered: (AgentChange | CapabilityAbroad)[] = [];
  const frame = (from: AgentChange | CapabilityAbroad) => {
    rendered.push(from);
    return { bytes: new Uint8Array(FRAME_BYTES), idBytes: 0 };
  };
  const group = { revision: node.group.status().appliedIndex as number | null };
  const feed = new ChangeFeed({
    revision: () => (group.revision === null ? null : node.group.status().appliedIndex),
    renderer: { change: frame, capability: frame },
    abroad: { list: () => [] },
    clock: region.clock,
    bounds,
  });
  node.stateMachine.observe(feed);
  feed.settle();
  const told = { appended: 0, resets: 0, turns: 0 };
  feed.listen({
    appended: (first, last) => {
      told.appended += last - first + 1;
      told.turns++;
    },
    reset: () => void told.resets++,
  });
  return { feed, rendered, told, group };
}

function entriesOf(feed: ChangeFeed): FeedEntry[] {
  return Array.from({ length: feed.end - feed.first }, (_, i) => feed.at(feed.first + i));
}

const shown = ({ kind, revision, position, agentId }: FeedEntry) => [kind, revision, position, agentId];
const nothing = async function* () {};

describe("change feed", () => {
  it("names every change by its revision and what it did to the agent", async () => {
    const region = new TestRegion(1);
    const [node] = region.nodes;
    const { feed } = aFeed(region, node!);
    const { service } = node!;
    await service.register(agentId(1), aRecord());
    await service.register(agentId(1), aRecord({ endpoint: "http://10.0.0.2:8080" }));
    await service.deregister(agentId(1), "keep");
    await service.register(agentId(1), aRecord());
    await service.deregister(agentId(1), "purge");
    await region.clock.advance(1);
    assert.deepEqual(entriesOf(feed).map(shown), [
      ["registered", 1, 0, "agent-1"],
      ["updated", 2, 0, "agent-1"],
      ["unhealthy", 3, 0, "agent-1"],
      ["recovered", 4, 0, "agent-1"],
      ["removed", 5, 0, "agent-1"],
    ]);
  });

  it("counts the changes of one command, alike on every node", async () => {
    const region = new TestRegion(3);
    const feeds = region.nodes.map((node) => aFeed(region, node).feed);
    for (const i of [1, 2, 3]) await region.nodes[0]!.service.register(agentId(i), aRecord());
    await region.clock.advance(2 * LEASE_MS);
    const [first, ...others] = feeds.map((feed) => entriesOf(feed).map(shown));
    const expired = first!.filter(([kind]) => kind === "unhealthy");
    assert.deepEqual(
      expired.map(([, , position]) => position),
      [0, 1, 2],
    );
    assert.equal(new Set(expired.map(([, revision]) => revision)).size, 1, "one command ends all three");
    for (const other of others) assert.deepEqual(other, first);
  });

  it("goes on after any place that it still holds, and says when it does not", async () => {
    const region = new TestRegion(1);
    const [node] = region.nodes;
    const { feed } = aFeed(region, node!, { eventsMax: 3 });
    for (const i of [1, 2, 3, 4, 5]) {
      await node!.service.register(agentId(i), aRecord());
      await region.clock.advance(1);
    }
    const after = (revision: number, position = WHOLE_REVISION) => feed.sequenceAfter({ revision, position });
    assert.deepEqual([after(0), after(1)], [null, null]);
    assert.deepEqual(
      [after(2), after(2, 0), after(3), after(4), after(5)].map((sequence) => sequence && sequence - feed.first),
      [0, 0, 1, 2, 3],
    );
    assert.equal(after(1, 0), null, "the change after it was let go");
  });

  it("is bounded by bytes as well", async () => {
    const region = new TestRegion(1);
    const [node] = region.nodes;
    const { feed } = aFeed(region, node!, { bytesMax: 2 * FRAME_BYTES });
    for (const i of [1, 2, 3, 4]) await node!.service.register(agentId(i), aRecord());
    await region.clock.advance(1);
    assert.deepEqual(
      entriesOf(feed).map(({ revision }) => revision),
      [3, 4],
    );
    assert.equal(feed.sequenceAfter({ revision: 1, position: WHOLE_REVISION }), null);
  });

  it("begins where the state stands, and knows nothing of what was before", async () => {
    const region = new TestRegion(1);
    const [node] = region.nodes;
    await node!.service.register(agentId(1), aRecord());
    const { feed } = aFeed(region, node!);
    assert.equal(feed.sequenceAfter({ revision: 0, position: WHOLE_REVISION }), null);
    assert.equal(feed.sequenceAfter({ revision: 1, position: WHOLE_REVISION }), feed.end);
    assert.deepEqual(feed.told(), { revision: 1, position: WHOLE_REVISION });
  });

  it("has no place as long as the node has none in its region", async () => {
    const region = new TestRegion(1);
    const [node] = region.nodes;
    const { feed, group } = aFeed(region, node!);
    group.revision = null;
    await node!.stateMachine.restore(nothing());
    await region.clock.advance(1);
    assert.deepEqual([feed.revision(), feed.told()], [null, null]);
    assert.equal(feed.sequenceAfter({ revision: 7, position: WHOLE_REVISION }), null);
  });

  it("leaves a command with an append: texts are made after the turn, once, whoever listens", async () => {
    const region = new TestRegion(1);
    const [node] = region.nodes;
    const { feed, rendered } = aFeed(region, node!);
    for (let i = 0; i < 50; i++) feed.listen({ appended: () => {}, reset: () => {} });
    await node!.service.register(agentId(1), aRecord());
    assert.equal(rendered.length, 0);
    assert.deepEqual(feed.told(), { revision: 0, position: WHOLE_REVISION }, "nothing is told before it has a text");
    await region.clock.advance(1);
    assert.equal(rendered.length, 1);
  });

  it("spreads the texts of a burst over turns of the event loop", async () => {
    const region = new TestRegion(1);
    const [node] = region.nodes;
    const { feed, told } = aFeed(region, node!);
    for (let i = 0; i < 1_000; i++) await node!.service.register(agentId(i), aRecord());
    await region.clock.advance(1);
    assert.equal(told.appended, 1_000);
    assert.ok(told.turns > 1, `all in ${told.turns}`);
    assert.deepEqual(feed.told(), { revision: 1_000, position: WHOLE_REVISION });
  });

  it("F24: lets go of what comes faster than it can be told, and says so", async () => {
    const region = new TestRegion(1);
    const [node] = region.nodes;
    const { feed, told } = aFeed(region, node!, { eventsMax: 10 });
    for (let i = 1; i <= 30; i++) await node!.service.register(agentId(i), aRecord());
    assert.equal(feed.told(), null, "while nobody was told of the loss");
    await region.clock.advance(1);
    assert.equal(told.resets, 1);
    assert.ok(feed.end - feed.first <= 10);
    assert.equal(feed.sequenceAfter({ revision: 5, position: WHOLE_REVISION }), null);
  });

  it("starts anew when the state is replaced, from the index that the group then names", async () => {
    const region = new TestRegion(1);
    const [node] = region.nodes;
    const { feed, told } = aFeed(region, node!);
    await node!.service.register(agentId(1), aRecord());
    await node!.service.register(agentId(2), aRecord());
    await region.clock.advance(1);
    const before = feed.end;
    await node!.stateMachine.restore(nothing());
    assert.equal(feed.told(), null, "while nobody knows of which index the new state is");
    await region.clock.advance(1);
    assert.equal(told.resets, 1);
    assert.deepEqual([feed.first, feed.end], [before, before], "sequence numbers go on");
    assert.equal(feed.sequenceAfter({ revision: 1, position: WHOLE_REVISION }), null);
    assert.equal(feed.sequenceAfter({ revision: 2, position: WHOLE_REVISION }), feed.end);
  });

  it("names what an agent offered before as well as after", async () => {
    const region = new TestRegion(1);
    const [node] = region.nodes;
    const { feed } = aFeed(region, node!);
    await node!.service.register(agentId(1), aRecord({ namespace: "old" }));
    await node!.service.register(agentId(1), aRecord({ namespace: "new", capabilities: [aCapability("sums")] }));
    await region.clock.advance(1);
    const { capabilities, namespaces, types } = feed.at(feed.end - 1);
    assert.deepEqual([capabilities, namespaces, types], [["weather", "sums"], ["old", "new"], ["mcp_agent"]]);
  });

  it("tells of other regions only while somebody asks, and only the newest of each capability", async () => {
    const region = new TestRegion(1);
    const [node] = region.nodes;
    const { feed, rendered } = aFeed(region, node!);
    const weather = (revision: number) => ({ region: "us-west", name: "weather", healthy: 1, total: 1, revision });
    feed.capabilityChanged(weather(1));
    await region.clock.advance(1);
    assert.deepEqual(rendered, []);
    const letGo = feed.followAbroad();
    for (const revision of [2, 3, 4]) feed.capabilityChanged(weather(revision));
    await region.clock.advance(1);
    assert.deepEqual(rendered, [weather(4)]);
    assert.deepEqual(shown(feed.at(feed.end - 1)), ["capability", 0, WHOLE_REVISION, null]);
    letGo();
    feed.capabilityChanged(weather(5));
    await region.clock.advance(1);
    assert.equal(rendered.length, 1);
  });
});
