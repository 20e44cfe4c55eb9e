import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { RaftError } from "../../../src/raft/index.ts";
import { RegistryError, type RegistryErrorDetail } from "../../../src/registry/errors.ts";
import { LEASE_DEFAULTS } from "../../../src/registry/lease-keeper.ts";
import type { FoundAgent } from "../../../src/types/agent.ts";
import { asRegionId } from "../../../src/types/ids.ts";
import type { RegionAnswer } from "../../../src/types/lookup.ts";
import { aCapability, agentId, aQuery, aRecord, HOME, LEASE_MS, type TestNode, TestRegion } from "./fixtures.ts";

const AWAY = asRegionId("us-west");

async function refusal(promise: Promise<unknown>): Promise<RegistryErrorDetail> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof RegistryError) return error.detail;
    throw error;
  }
  return assert.fail("nothing was refused");
}

let region: TestRegion;
let leader: TestNode;
let follower: TestNode;
beforeEach(() => {
  region = new TestRegion(3);
  [leader, follower] = region.nodes as [TestNode, TestNode];
});

describe("register", () => {
  it("P3: answers with the stored agent, which this node shows at once", async () => {
    const { agent, change } = await follower.service.register(agentId(1), aRecord());
    assert.equal(change, "created");
    const { lastSeenMs: _, ...shown } = follower.service.get(agentId(1))!;
    assert.deepEqual(shown, agent);
  });

  it("writes nothing for an equal record of a healthy agent, and renews its lease", async () => {
    await leader.service.register(agentId(1), aRecord());
    await region.clock.advance(LEASE_MS - 1_000);
    const again = structuredClone(aRecord());
    assert.equal((await follower.service.register(agentId(1), again)).change, "unchanged");
    assert.equal(region.region.log.length, 1);
    await region.clock.advance(LEASE_MS - 1_000);
    assert.equal(leader.service.get(agentId(1))?.health, "healthy");
  });

  it("P2: does not take what a lagging node holds for what the region holds", async () => {
    await leader.service.register(agentId(1), aRecord());
    follower.group.isLagging = true;
    await leader.service.deregister(agentId(1), "purge");
    assert.equal((await follower.service.register(agentId(1), aRecord())).change, "created");
    await leader.service.register(agentId(1), aRecord({ version: "2" }));
    assert.equal((await follower.service.register(agentId(1), aRecord())).change, "updated");
    assert.deepEqual(leader.service.get(agentId(1))?.record, aRecord());
  });

  it("tells what changed", async () => {
    const { service } = leader;
    await service.register(agentId(1), aRecord());
    assert.equal((await service.register(agentId(1), aRecord({ version: "2" }))).change, "updated");
    await service.deregister(agentId(1), "keep");
    const { agent, change } = await service.register(agentId(1), aRecord({ version: "2" }));
    assert.deepEqual([change, agent.incarnation, agent.health], ["recovered", 4, "healthy"]);
  });

  it("does not acknowledge an equal record without a path to a leader", async () => {
    await leader.service.register(agentId(1), aRecord());
    region.region.elect(null);
    assert.equal((await refusal(follower.service.register(agentId(1), aRecord()))).code, "NO_LEADER");
  });

  it("refuses what is over a limit before anything is proposed", async () => {
    const detail = await refusal(leader.service.register(agentId(1), aRecord({ capabilities: [aCapability("")] })));
    assert.deepEqual([detail.code, region.region.log.length], ["INVALID_RECORD", 0]);
  });

  it("refuses a new agent when the region is full", async () => {
    const full = new TestRegion(1, { limits: { agentsMax: 1 } }).nodes[0]!.service;
    await full.register(agentId(1), aRecord());
    const detail = await refusal(full.register(agentId(2), aRecord()));
    assert.deepEqual(detail, { code: "TOO_MANY_AGENTS", agents: 1, agentsMax: 1 });
  });

  it("says of a lost outcome that it is unknown, and registering again is safe", async () => {
    follower.group.outcomeUnknown = "committed";
    const detail = await refusal(follower.service.register(agentId(1), aRecord()));
    assert.equal(detail.code, "OUTCOME_UNKNOWN");
    follower.group.outcomeUnknown = null;
    assert.equal((await follower.service.register(agentId(1), aRecord())).change, "unchanged");
  });

  it("puts the group's refusals in its own words", async () => {
    const rows = [
      [{ code: "OVERLOADED", waitingBytes: 2, waitingBytesMax: 1 }, "OVERLOADED"],
      [{ code: "COMMAND_TOO_LARGE", bytes: 2, bytesMax: 1 }, "RECORD_TOO_LARGE"],
      [{ code: "STOPPED" }, "STOPPING"],
    ] as const;
    for (const [detail, code] of rows) {
      leader.group.propose = async () => {
        throw new RaftError("refused", detail);
      };
      assert.equal((await refusal(leader.service.register(agentId(1), aRecord()))).code, code);
    }
  });
});

describe("deregister", () => {
  it("says whether the agent was there", async () => {
    await leader.service.register(agentId(1), aRecord());
    assert.equal(await follower.service.deregister(agentId(1), "purge"), true);
    assert.equal(await follower.service.deregister(agentId(1), "purge"), false);
  });

  it("writes nothing for an agent that nobody knows", async () => {
    assert.equal(await leader.service.deregister(agentId(1), "keep"), false);
    assert.equal(region.region.log.length, 0);
  });

  it("finds an agent that this node has not applied yet", async () => {
    follower.group.isLagging = true;
    await leader.service.register(agentId(1), aRecord());
    assert.equal(await follower.service.deregister(agentId(1), "keep"), true);
  });
});

describe("renew", () => {
  it("F19: suggests an interval within the lease, with jitter, from the registration on", async () => {
    const intervals = new Set<number>();
    for (let i = 0; i < 50; i++) {
      const registered = await leader.service.register(agentId(i), aRecord());
      const { leaseMs, renewInMs } = await leader.service.renew(agentId(i), null);
      assert.equal(leaseMs, LEASE_MS);
      for (const interval of [registered.renewInMs, renewInMs]) {
        assert.ok(interval >= LEASE_MS * 0.2 && interval <= LEASE_MS * 0.3, `${interval}`);
        intervals.add(interval);
      }
    }
    assert.ok(intervals.size > 50);
  });

  it("F19: suggests a longer interval while more renewals arrive than the node is to take, and not for longer", async () => {
    await leader.service.register(agentId(1), aRecord());
    const { renewalsPerSecond } = LEASE_DEFAULTS;
    const renewInMs = async () => (await leader.service.renew(agentId(1), null)).renewInMs;
    for (let i = 0; i < 4 * renewalsPerSecond; i++) await renewInMs();
    const underLoad = await Promise.all(Array.from({ length: 50 }, renewInMs));
    assert.ok(Math.min(...underLoad) > LEASE_MS * 0.3, `${Math.min(...underLoad)}`);
    assert.ok(2 * Math.max(...underLoad) < LEASE_MS, `${Math.max(...underLoad)}`);
    await region.clock.advance(10_000);
    assert.ok((await renewInMs()) <= LEASE_MS * 0.3);
  });

  it("asks nobody when this node's state has the answer", async () => {
    await leader.service.register(agentId(1), aRecord());
    await follower.service.renew(agentId(1), 1);
    assert.equal(follower.group.barriers, 0);
  });

  it("F18: a node that lags behind never says unknown: it catches up and renews", async () => {
    follower.group.isLagging = true;
    await leader.service.register(agentId(1), aRecord());
    const { agent } = await follower.service.renew(agentId(1), null);
    assert.equal(agent.id, agentId(1));
    assert.equal(follower.group.barriers, 1);
  });

  it("F18: nor lease lost, when the newer lease is only unknown here", async () => {
    await leader.service.register(agentId(1), aRecord());
    await leader.service.deregister(agentId(1), "keep");
    follower.group.isLagging = true;
    const { agent } = await leader.service.register(agentId(1), aRecord());
    assert.equal((await follower.service.renew(agentId(1), agent.incarnation)).agent.incarnation, agent.incarnation);
  });

  it("F18: without a leader it says so, of known and unknown agents alike", async () => {
    await leader.service.register(agentId(1), aRecord());
    region.region.elect(null);
    for (const id of [agentId(1), agentId(2)]) {
      assert.equal((await refusal(follower.service.renew(id, null))).code, "NO_LEADER");
    }
  });

  it("F18: acknowledges nothing once the leader was silent for too long", async () => {
    await leader.service.register(agentId(1), aRecord());
    follower.group.sinceLeaderMs = 599;
    await follower.service.renew(agentId(1), null);
    follower.group.sinceLeaderMs = 600;
    assert.equal((await refusal(follower.service.renew(agentId(1), null))).code, "NO_LEADER");
  });

  it("P12: says unknown when it is known to be true", async () => {
    assert.deepEqual(await refusal(follower.service.renew(agentId(1), null)), {
      code: "UNKNOWN_AGENT",
      agentId: agentId(1),
    });
    assert.equal(follower.group.barriers, 1);
  });

  it("F21: tells the holder of an ended or an earlier lease to register again", async () => {
    await leader.service.register(agentId(1), aRecord());
    await leader.service.deregister(agentId(1), "keep");
    const ended = await refusal(leader.service.renew(agentId(1), null));
    assert.deepEqual(ended, { code: "LEASE_LOST", agentId: agentId(1), incarnation: null });
    await leader.service.register(agentId(1), aRecord());
    const earlier = await refusal(leader.service.renew(agentId(1), 1));
    assert.deepEqual(earlier, { code: "LEASE_LOST", agentId: agentId(1), incarnation: 1 });
    assert.equal(leader.service.get(agentId(1))?.health, "healthy");
  });
});

describe("renewAndCompare (contract A3)", () => {
  const changed = async (node: TestNode, id = agentId(1)) => (await node.service.renewAndCompare(id)).topologyChanged;

  const needsWeather = { capability: "weather", tags: [], version: "", required: false };
  const consumer = aRecord({ capabilities: [aCapability("report", { dependencies: [needsWeather] })] });

  async function informed(node: TestNode): Promise<void> {
    const { agent } = await node.service.register(agentId(1), consumer);
    await node.service.inform(agent);
  }

  it("is quiet until a provider comes or goes, then says so until the agent is told", async () => {
    await informed(leader);
    assert.equal(await changed(leader), false);
    await leader.service.register(agentId(2), aRecord());
    assert.equal(await changed(leader), true);
    assert.equal(await changed(leader), true);
    await informed(leader);
    assert.equal(await changed(leader), false);
    await leader.service.deregister(agentId(2), "keep");
    assert.equal(await changed(leader), true);
  });

  it("is quiet when agents come and go that the agent does not need", async () => {
    await informed(leader);
    await leader.service.register(agentId(2), aRecord({ capabilities: [aCapability("something else")] }));
    assert.equal(await changed(leader), false);
  });

  it("is quiet when another provider comes that is not chosen", async () => {
    await leader.service.register(agentId(2), aRecord());
    await informed(leader);
    await leader.service.register(agentId(3), aRecord());
    assert.equal(await changed(leader), false);
  });

  it("says so when the provider moved, or offers another version instead", async () => {
    await leader.service.register(agentId(2), aRecord());
    await informed(leader);
    await leader.service.register(agentId(2), aRecord({ endpoint: "http://elsewhere:1" }));
    assert.equal(await changed(leader), true);
  });

  it("says so to everybody when an operator rotates", async () => {
    await informed(leader);
    assert.deepEqual(await leader.service.rotate(null), { affectedAgents: 1 });
    assert.equal(await changed(leader), true);
    await informed(leader);
    assert.deepEqual(await leader.service.rotate("an entity that nobody belongs to"), { affectedAgents: 0 });
    assert.equal(await changed(leader), false);
  });

  it("notes a change also on a node that did not tell the agent", async () => {
    await informed(leader);
    await region.clock.advance(25);
    await leader.service.register(agentId(2), aRecord());
    assert.equal(await changed(follower), true);
  });

  it("is quiet on every node of the region after the next batch", async () => {
    await informed(leader);
    await region.clock.advance(25);
    assert.equal(await changed(follower), false);
  });

  it("says changed where nothing is known: once too often rather than once too seldom", async () => {
    await leader.service.register(agentId(1), aRecord());
    assert.equal(await changed(leader), true);
  });

  it("refuses an agent that is unknown or unhealthy", async () => {
    assert.equal((await refusal(leader.service.renewAndCompare(agentId(1)))).code, "UNKNOWN_AGENT");
    await leader.service.register(agentId(1), aRecord());
    await leader.service.deregister(agentId(1), "keep");
    assert.equal((await refusal(leader.service.renewAndCompare(agentId(1)))).code, "LEASE_LOST");
  });
});

describe("stopping", () => {
  it("refuses writes and renewals, and goes on reading", async () => {
    const { service } = leader;
    await service.register(agentId(1), aRecord());
    service.stop();
    for (const promise of [
      service.register(agentId(1), aRecord()),
      service.deregister(agentId(1), "keep"),
      service.renew(agentId(1), null),
    ]) {
      assert.equal((await refusal(promise)).code, "STOPPING");
    }
    assert.equal((await service.lookup(aQuery())).agents.length, 1);
  });
});

describe("reading", () => {
  it("P5: goes on without a leader, and says how old it may be", async () => {
    await leader.service.register(agentId(1), aRecord());
    region.region.elect(null);
    assert.deepEqual(await follower.service.read("stale"), { revision: 1, stalenessMs: Number.POSITIVE_INFINITY });
    const { agents, complete } = await follower.service.lookup(aQuery({ scope: "region" }));
    assert.deepEqual([agents.length, complete], [1, true]);
  });

  it("P9: a node whose region is not founded yet says that it can not tell, not that there is nothing", async () => {
    leader.group.isFounded = false;
    assert.equal((await refusal(leader.service.read("stale"))).code, "NO_LEADER");
    assert.equal((await refusal(leader.service.lookup(aQuery({ scope: "region" })))).code, "NO_LEADER");
  });

  it("P2: a linearizable read sees what was acknowledged elsewhere, or fails", async () => {
    follower.group.isLagging = true;
    await leader.service.register(agentId(1), aRecord());
    assert.equal(follower.service.get(agentId(1)), undefined);
    assert.equal((await follower.service.read("linearizable")).revision, 1);
    assert.notEqual(follower.service.get(agentId(1)), undefined);
    region.region.elect(null);
    assert.equal((await refusal(follower.service.read("linearizable"))).code, "NO_LEADER");
  });

  it("counts and lists", async () => {
    await leader.service.register(agentId(1), aRecord());
    await leader.service.register(agentId(2), aRecord());
    await leader.service.deregister(agentId(2), "keep");
    assert.deepEqual(leader.service.countAgents(), { healthy: 1, unhealthy: 1, capabilities: 1 });
    assert.deepEqual(region.healthyIds(follower), [agentId(1)]);
    assert.equal([...follower.service.capabilities()][0]?.total, 2);
  });

  it("resolves a dependency to the best provider here", async () => {
    const fast = aCapability("weather", { tags: ["fast"] });
    await leader.service.register(agentId(1), aRecord());
    await leader.service.register(agentId(2), aRecord({ capabilities: [fast] }));
    const dependency = { capability: "weather", tags: ["+fast"], version: "", required: true };
    const capability = aCapability("report", { dependencies: [dependency, { ...dependency, capability: "nothing" }] });
    const { agent } = await leader.service.register(agentId(3), aRecord({ capabilities: [capability] }));
    const { dependencies } = follower.service.resolutionsOf(agent);
    assert.deepEqual(
      dependencies.map(({ provider }) => provider?.id ?? null),
      [agentId(2), null],
    );
  });

  it("tells of changes as they are applied", async () => {
    const heard: [string[], number][] = [];
    follower.service.onChange((names, revision) => heard.push([[...names], revision]));
    await leader.service.register(agentId(1), aRecord());
    assert.deepEqual(heard, [[["weather"], 1]]);
  });
});

describe("the region key", () => {
  it("is the one that was first, for everybody", async () => {
    assert.equal(leader.service.regionKey(), undefined);
    assert.deepEqual(await leader.service.setRegionKey(Uint8Array.of(1)), Uint8Array.of(1));
    assert.deepEqual(await follower.service.setRegionKey(Uint8Array.of(2)), Uint8Array.of(1));
  });
});

describe("lookup", () => {
  const found = (name: string, fields: Partial<FoundAgent> = {}): FoundAgent => ({
    id: agentId(name),
    name: "weather",
    namespace: "default",
    type: "mcp_agent",
    runtime: "python",
    endpoint: "http://far",
    labels: {},
    metadata: {},
    region: AWAY,
    capability: "weather",
    functionName: "f",
    version: "1.0.0",
    tags: [],
    health: "healthy",
    revision: 1,
    registeredAtMs: 0,
    score: 0,
    ...fields,
  });
  const answer = (agents: FoundAgent[], fields: Partial<RegionAnswer> = {}): RegionAnswer => ({
    region: AWAY,
    source: "live",
    revision: 1,
    stalenessMs: 0,
    agents,
    hasMore: false,
    ...fields,
  });

  it("P9: gathers the regions, and reports each", async () => {
    await leader.service.register(agentId("b"), aRecord());
    leader.remote.answers = [answer([found("a")])];
    const { agents, complete, regions, next } = await leader.service.lookup(aQuery());
    assert.deepEqual(
      agents.map(({ id, region }) => [id, region]),
      [
        [agentId("b"), HOME],
        [agentId("a"), AWAY],
      ],
    );
    assert.deepEqual([complete, next], [true, undefined]);
    assert.deepEqual(
      regions.map(({ region, source }) => [region, source]),
      [
        [HOME, "local"],
        [AWAY, "live"],
      ],
    );
  });

  it("puts equally good agents by nearness: zone, region, distance, then name", async () => {
    const { service } = leader;
    await service.register(agentId("h1"), aRecord({ zone: "b" }));
    await service.register(agentId("h2"), aRecord({ zone: "a" }));
    const EU = asRegionId("eu");
    const AP = asRegionId("ap");
    const SA = asRegionId("sa");
    leader.remote.answers = [
      // Another region's zone of that name is another zone.
      answer([found("eu1", { region: EU, zone: "a" })], { region: EU, distanceMs: 80 }),
      answer([found("us2"), found("us1")], { distanceMs: 20 }),
      answer([found("ap1", { region: AP })], { region: AP }),
      answer([found("sa1", { region: SA, version: "2.0.0" })], { region: SA, distanceMs: 200 }),
    ];
    const inOrder = async (zone?: string) =>
      (await service.lookup(aQuery({ ...(zone && { zone }) }))).agents.map(({ id }) => id.slice("agent-".length));
    assert.deepEqual(await inOrder("a"), ["sa1", "h2", "h1", "us1", "us2", "eu1", "ap1"]);
    assert.deepEqual(await inOrder("b"), ["sa1", "h1", "h2", "us1", "us2", "eu1", "ap1"]);
    assert.deepEqual(await inOrder(), ["sa1", "h1", "h2", "us1", "us2", "eu1", "ap1"]);
  });

  it("takes an asker who names no zone to be in the node's own", async () => {
    const [node] = new TestRegion(1, { service: { zone: "a" } }).nodes as [TestNode];
    await node.service.register(agentId(1), aRecord({ zone: "b" }));
    await node.service.register(agentId(2), aRecord({ zone: "a" }));
    const inOrder = async (zone?: string) =>
      (await node.service.lookup(aQuery({ ...(zone && { zone }) }))).agents.map(({ id }) => id);
    assert.deepEqual(await inOrder(), [agentId(2), agentId(1)]);
    assert.deepEqual(await inOrder("b"), [agentId(1), agentId(2)]);
  });

  it("P9: is not complete when a region that may have agents did not answer", async () => {
    leader.remote.answers = [answer([], { source: "none", error: { code: "TIMEOUT", message: "no answer" } })];
    assert.equal((await leader.service.lookup(aQuery())).complete, false);
    leader.remote.answers = [answer([], { source: "none" })];
    assert.equal((await leader.service.lookup(aQuery())).complete, true);
  });

  it("stays at home when told to", async () => {
    await leader.service.lookup(aQuery({ scope: "region" }));
    await leader.service.lookup(aQuery({ region: HOME }));
    assert.deepEqual(leader.remote.asked, []);
  });

  it("asks one region alone, and refuses one that it does not know", async () => {
    await leader.service.register(agentId("b"), aRecord());
    leader.remote.names = [AWAY];
    leader.remote.answers = [answer([found("a")])];
    const { agents } = await leader.service.lookup(aQuery({ region: AWAY }));
    assert.deepEqual(
      agents.map(({ id }) => id),
      [agentId("a")],
    );
    const mars = asRegionId("mars");
    assert.deepEqual(await refusal(leader.service.lookup(aQuery({ region: mars }))), {
      code: "UNKNOWN_REGION",
      region: mars,
    });
  });

  it("asks abroad for what matters there, and nothing else", async () => {
    await leader.service.lookup(aQuery({ tags: ["+x"], namespace: "n", limit: 5_000 }));
    assert.deepEqual(leader.remote.asked, [
      { capability: "weather", tags: ["+x"], version: "", namespace: "n", health: "healthy", limit: 1_000 },
    ]);
  });

  it("keeps max_staleness_ms: catches up when its state is older, and says so when it can not", async () => {
    follower.group.isLagging = true;
    await leader.service.register(agentId(1), aRecord());
    const query = aQuery({ scope: "region", maxStalenessMs: 100 });
    follower.group.stalenessMs = 100;
    assert.equal((await follower.service.lookup(query)).agents.length, 0);
    follower.group.stalenessMs = 101;
    assert.equal((await follower.service.lookup(query)).agents.length, 1);
    region.region.elect(null);
    const detail = await refusal(follower.service.lookup(query));
    assert.deepEqual([detail.code, (detail as { maxStalenessMs: number }).maxStalenessMs], ["TOO_STALE", 100]);
  });

  it("P2: linearizable sees every acknowledged write, or fails", async () => {
    follower.group.isLagging = true;
    await leader.service.register(agentId(1), aRecord());
    const query = aQuery({ consistency: "linearizable" });
    assert.equal((await follower.service.lookup(query)).agents.length, 1);
    region.region.elect(null);
    assert.equal((await refusal(follower.service.lookup(query))).code, "NO_LEADER");
  });

  it("P2: linearizable of one other region goes to that region alone, and needs no leader here", async () => {
    leader.remote.names = [AWAY];
    leader.remote.answers = [answer([found("a")])];
    region.region.elect(null);
    const { agents } = await leader.service.lookup(aQuery({ region: AWAY, consistency: "linearizable" }));
    assert.equal(agents.length, 1);
    assert.deepEqual(leader.remote.askedWith, [{ consistency: "linearizable", only: AWAY }]);
  });

  it("F11: shows an agent that moved where it registered last", async () => {
    await leader.service.register(agentId("moved"), aRecord());
    const here = leader.service.get(agentId("moved"))!.registeredAtMs;
    const regionOf = async (registeredAtMs: number) => {
      leader.remote.answers = [answer([found("moved", { registeredAtMs })])];
      return (await leader.service.lookup(aQuery())).agents.map(({ region }) => region);
    };
    assert.deepEqual(await regionOf(here - 1), [HOME]);
    assert.deepEqual(await regionOf(here + 1), [AWAY]);
  });

  it("F11: hides abroad what registered here since, also where it offers something else now", async () => {
    await leader.service.register(agentId("moved"), aRecord({ capabilities: [aCapability("other")] }));
    leader.remote.answers = [answer([found("moved")])];
    assert.deepEqual((await leader.service.lookup(aQuery())).agents, []);
  });

  it("F11: counts an agent that came back as registered anew", async () => {
    const { service } = leader;
    await service.register(agentId("back"), aRecord());
    await service.deregister(agentId("back"), "keep");
    const awayAt = region.clock.wallTime() + 1_000;
    await region.clock.advance(2_000);
    await service.register(agentId("back"), aRecord());
    leader.remote.answers = [answer([found("back", { registeredAtMs: awayAt })])];
    assert.deepEqual(
      (await service.lookup(aQuery())).agents.map(({ region }) => region),
      [HOME],
    );
  });
});
