import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { AgentIndex, type KeptAgent } from "../../../src/registry/agent-index.ts";
import type { AgentRecord } from "../../../src/types/agent.ts";
import { aCapability, agentId, aRecord, HOME } from "./fixtures.ts";

const kept = (name: string, fields: Partial<AgentRecord> = {}, health: KeptAgent["health"] = "healthy"): KeptAgent => ({
  id: agentId(name),
  record: aRecord(fields),
  incarnation: 1,
  health,
  revision: 1,
  registeredAtMs: 0,
  changedAtMs: 0,
  incarnatedAtMs: 0,
});

let index: AgentIndex;
beforeEach(() => {
  index = new AgentIndex(HOME);
});

describe("capability counts", () => {
  it("count agents, not functions, and gather versions and tags in order", () => {
    const two = [
      aCapability("weather", { functionName: "f", version: "2.0.0", tags: ["b", "a"] }),
      aCapability("weather", { functionName: "g", version: "1.0.0", tags: ["b"] }),
    ];
    index.put(kept("a", { capabilities: two }), 1);
    index.put(kept("b", {}, "unhealthy"), 2);
    assert.deepEqual(index.capability("weather"), {
      name: "weather",
      healthy: 1,
      total: 2,
      versions: ["1.0.0", "2.0.0"],
      tags: ["a", "b"],
      revision: 2,
    });
  });

  it("lose what only the agent that left had", () => {
    index.put(kept("a", { capabilities: [aCapability("weather", { version: "9.0.0", tags: ["x"] })] }), 1);
    index.put(kept("b"), 2);
    index.remove(agentId("a"), 3);
    const { versions, tags, total, revision } = index.capability("weather")!;
    assert.deepEqual({ versions, tags, total, revision }, { versions: ["1.0.0"], tags: [], total: 1, revision: 3 });
  });

  it("end with the last agent", () => {
    index.put(kept("a"), 1);
    index.remove(agentId("a"), 2);
    assert.equal(index.capability("weather"), undefined);
    assert.deepEqual([index.size, index.healthy, index.capabilityCount], [0, 0, 0]);
    assert.deepEqual(index.offers("weather"), []);
  });

  it("follow an agent that falls ill", () => {
    index.put(kept("a"), 1);
    index.put(kept("a", {}, "unhealthy"), 5);
    assert.deepEqual([index.capability("weather")?.healthy, index.capability("weather")?.revision], [0, 5]);
    assert.equal(index.healthy, 0);
    assert.equal(index.offers("weather")[0]?.found.health, "unhealthy");
  });

  it("take two offers that nobody can tell apart as one, and forget them together", () => {
    index.put(kept("a", { capabilities: [aCapability("weather"), aCapability("weather", { tags: ["x"] })] }), 1);
    assert.equal(index.offers("weather").length, 1);
    index.put(kept("a", { capabilities: [] }), 2);
    assert.equal(index.capability("weather"), undefined);
  });
});

describe("listing", () => {
  const ids = (filter: Parameters<AgentIndex["list"]>[0], limit = 100, after?: string) =>
    index
      .list(filter, { limit, ...(after !== undefined && { after }) })
      .agents.map(({ id }) => id.slice("agent-".length));

  beforeEach(() => {
    index.put(kept("c", { namespace: "other", name: "other-name" }), 1);
    index.put(kept("a"), 2);
    index.put(kept("d", { type: "api", capabilities: [aCapability("Time-Zone")] }), 3);
    index.put(kept("b", {}, "unhealthy"), 4);
  });

  it("is in order of id, whatever order agents came in", () => {
    assert.deepEqual(ids({}), ["a", "b", "c", "d"]);
  });

  it("filters by all that is asked for", () => {
    assert.deepEqual(ids({ namespace: "other" }), ["c"]);
    assert.deepEqual(ids({ namespace: "nowhere" }), []);
    assert.deepEqual(ids({ name: "other-name" }), ["c"]);
    assert.deepEqual(ids({ type: "api" }), ["d"]);
    assert.deepEqual(ids({ health: "unhealthy" }), ["b"]);
    assert.deepEqual(ids({ health: "healthy", namespace: "default", type: "mcp_agent" }), ["a"]);
  });

  it("finds any of the capabilities: exactly, or by part in any case when fuzzy", () => {
    assert.deepEqual(ids({ capabilities: ["weather", "Time-Zone"] }), ["a", "b", "c", "d"]);
    assert.deepEqual(ids({ capabilities: ["time-zone"] }), []);
    assert.deepEqual(ids({ capabilities: ["zone"], fuzzy: true }), ["d"]);
    assert.deepEqual(ids({ capabilities: ["WEATH"], fuzzy: true, health: "healthy" }), ["a", "c"]);
  });

  it("pages behind an id, also one that is not there", () => {
    assert.deepEqual(ids({}, 2), ["a", "b"]);
    assert.deepEqual(ids({}, 2, "agent-b"), ["c", "d"]);
    assert.deepEqual(ids({}, 2, "agent-bb"), ["c", "d"]);
    assert.equal(index.list({}, { limit: 4 }).hasMore, false);
    assert.equal(index.list({}, { limit: 3 }).hasMore, true);
    assert.equal(index.list({ type: "mcp_agent" }, { limit: 3 }).hasMore, false);
  });
});
