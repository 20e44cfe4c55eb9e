import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { AtollClient, type AtollClientOptions } from "../../../src/client/atoll-client.ts";
import type { Registration } from "../../../src/client/registration.ts";
import type { RegistrationEvent } from "../../../src/client/registration-event.ts";
import { FakeNodes, type NodeMood } from "../../support/fake-nodes.ts";

const LEASE_MS = 30_000;
const AGENT = { id: "agent-1", endpoint: "http://agent-1:9000", capabilities: ["forecast"], leaseMs: LEASE_MS };
const NO_LEADER: NodeMood = { status: 503, code: "NO_LEADER", retryAfterMs: 1_000 };

const open: Registration[] = [];
const worlds: FakeNodes[] = [];
afterEach(async () => {
  for (const node of worlds.flatMap(({ nodes }) => nodes)) node.mood = "well";
  for (const registration of open.splice(0)) await worlds[0]!.until(registration.close().catch(() => {}));
  worlds.length = 0;
});

/** Two regions: `east`, near, with nodes a, b and c; `west`, far, with x, y and z. */
function createWorld() {
  const world = new FakeNodes();
  worlds.push(world);
  const [a, b, c] = world.addRegion("east", 4, ["a", "b", "c"]);
  const [x, y, z] = world.addRegion("west", 80, ["x", "y", "z"]);
  const events: RegistrationEvent[] = [];
  const setMood = (mood: NodeMood, ...nodes: readonly { mood: NodeMood }[]) => {
    for (const node of nodes) node.mood = mood;
  };
  const client = (options: Partial<AtollClientOptions> = {}) =>
    new AtollClient({ urls: world.nodes.map(({ url }) => url), environment: world.environment, ...options });
  const register = async (options: Partial<AtollClientOptions> = {}) => {
    const registering = client(options).register(AGENT, { onEvent: (event) => events.push(event) });
    const registration = await world.until(registering);
    open.push(registration);
    return registration;
  };
  const ofType = <Type extends RegistrationEvent["type"]>(type: Type) =>
    events.filter((event): event is Extract<RegistrationEvent, { type: Type }> => event.type === type);
  const nodes = { a: a!, b: b!, c: c!, x: x!, y: y!, z: z! };
  return { ...nodes, world, events, setMood, client, register, ofType, east: a!.region, west: x!.region };
}

/** The longest time that a region was told nothing, between requests that it acknowledged. */
function longestSilenceMs(events: readonly { atMs: number }[]): number {
  return Math.max(...events.slice(1).map(({ atMs }, i) => atMs - events[i]!.atMs));
}

describe("a registration", () => {
  it("is made with the nearest of several nodes", async () => {
    const { world, register, b, y } = createWorld();
    b.roundTripMs = 1;
    const { region, node } = await register({ urls: [y.url, ...world.nodes.map(({ url }) => url)] });
    assert.deepEqual([node, region], [b.url, "east"]);
    assert.deepEqual(world.asked(), ["PUT b"]);
  });

  it("does not wait for nodes that are far or hang to find the nearest", async () => {
    const { world, register, setMood, a, b, x } = createWorld();
    setMood("hanging", a, x);
    b.roundTripMs = 1;
    const beganAt = world.clock.now();
    assert.equal((await register()).node, b.url);
    assert.ok(world.clock.now() - beganAt < 100, `${world.clock.now() - beganAt} ms`);
  });

  it("is renewed when the node says, a little earlier, under the name of its lease", async () => {
    const { world, register } = createWorld();
    const { incarnation } = await register();
    await world.clock.advance(LEASE_MS * 4);
    const requests = world.requests.filter(({ path }) => path.startsWith("/v1/agents"));
    const renewals = requests.slice(1);
    assert.ok(renewals.length >= 15 && renewals.length <= 19, `${renewals.length} renewals`);
    for (const { body } of renewals) assert.deepEqual(body, { incarnation });
    const gaps = renewals.map(({ atMs }, i) => atMs - requests[i]!.atMs);
    assert.ok(Math.min(...gaps) >= (LEASE_MS / 4) * 0.85 && Math.max(...gaps) <= LEASE_MS / 4 + 10, `${gaps}`);
  });

  it("F19: agents that registered together do not renew together", async () => {
    const { world, client } = createWorld();
    const atoll = client();
    const ids = Array.from({ length: 100 }, (_, i) => `agent-${i}`);
    const all = await world.until(Promise.all(ids.map((id) => atoll.register({ ...AGENT, id }))));
    open.push(...all);
    await world.clock.advance(LEASE_MS / 4);
    const times = world.requests
      .filter(({ path }) => path.endsWith("/renew"))
      .map(({ atMs }) => Math.floor(atMs / 100));
    assert.equal(times.length, 100);
    const inOneTenth = Math.max(...times.map((time) => times.filter((other) => other === time).length));
    assert.ok(inOneTenth < 30, `${inOneTenth} within 100 ms`);
  });

  for (const [what, mood] of [
    ["refuses connections", "gone"],
    ["is stopping", { status: 503, code: "STOPPING", retryAfterMs: 1_000 }],
    ["fails inside", { status: 500, code: "INTERNAL_ERROR" }],
  ] satisfies [string, NodeMood][]) {
    it(`moves to another node of the region at once when its node ${what}, and keeps its lease`, async () => {
      const { world, register, ofType, setMood, a, east, b } = createWorld();
      a.roundTripMs = 1;
      b.roundTripMs = 2;
      const registration = await register();
      const { incarnation } = registration;
      setMood(mood, a);
      await world.clock.advance(LEASE_MS / 4 + 10);
      assert.deepEqual([registration.node, registration.incarnation], [b.url, incarnation]);
      assert.equal(world.asked().at(-1), "renew b");
      assert.deepEqual(ofType("moved"), [
        { type: "moved", from: a.url, fromRegion: "east", node: b.url, region: "east" },
      ]);
      assert.equal(ofType("failed")[0]!.node, a.url);
      assert.equal(east.agents.get(AGENT.id)?.incarnation, incarnation);
    });
  }

  it("moves to another region at once when nobody in its own answers", async () => {
    const { world, register, ofType, setMood, a, b, c, x, west } = createWorld();
    x.roundTripMs = 40;
    const registration = await register();
    setMood("gone", a, b, c);
    await world.clock.advance(LEASE_MS / 4 + 500);
    assert.deepEqual([registration.node, registration.region], [x.url, "west"]);
    assert.ok(west.agents.has(AGENT.id));
    assert.deepEqual(ofType("lost"), []);
    assert.equal(ofType("moved").length, 1);
  });

  it("measures anew before it chooses abroad", async () => {
    const { world, register, setMood, a, b, c, x, z } = createWorld();
    x.roundTripMs = 20;
    const registration = await register();
    setMood("gone", a, b, c);
    x.roundTripMs = 200;
    z.roundTripMs = 10;
    await world.clock.advance(LEASE_MS / 4 + 500);
    assert.equal(registration.node, z.url);
  });

  it("goes back to its region once that has been there again for a while, and takes leave of the other", async () => {
    const { world, register, ofType, setMood, a, b, c, east, west } = createWorld();
    const registration = await register();
    setMood("gone", a, b, c);
    await world.clock.advance(300_000);
    assert.equal(registration.region, "west");
    setMood("well", a, b, c);
    await world.clock.advance(50_000);
    assert.equal(registration.region, "west", "not at the first sign of life");
    await world.clock.advance(250_000);
    assert.deepEqual([registration.region, east.agents.size, west.agents.size], ["east", 1, 0]);
    assert.equal(ofType("moved").length, 2);
    const probes = () => world.requests.filter(({ path }) => path === "/ready").length;
    const before = probes();
    await world.clock.advance(300_000);
    assert.equal(probes(), before, "an agent at home measures nothing");
  });

  it("does not go back to a region that comes and goes", async () => {
    const { world, register, ofType, setMood, a, b, c } = createWorld();
    await register();
    for (let times = 0; times < 10; times++) {
      setMood("gone", a, b, c);
      await world.clock.advance(122_000);
      setMood("well", a, b, c);
      await world.clock.advance(58_000);
    }
    assert.equal(ofType("moved").length, 1);
  });

  it("F19: a region without a leader is waited for while the lease has time, so that its agents do not all leave", async () => {
    const { world, register, ofType, setMood, a, b, c } = createWorld();
    const registration = await register();
    setMood(NO_LEADER, a, b, c);
    await world.clock.advance(LEASE_MS / 2 - 1_000);
    setMood("well", a, b, c);
    await world.clock.advance(LEASE_MS / 2);
    assert.equal(registration.region, "east");
    assert.deepEqual(world.asked().filter((request) => request.startsWith("PUT")).length, 1);
    assert.deepEqual(ofType("lost"), []);
  });

  it("leaves a region that still has no leader when half of the lease is over, before the lease is", async () => {
    const { world, register, ofType, setMood, a, b, c, west } = createWorld();
    const registration = await register();
    setMood(NO_LEADER, a, b, c);
    await world.clock.advance(LEASE_MS * 0.8);
    assert.equal(registration.region, "west");
    assert.ok(west.agents.has(AGENT.id));
    assert.deepEqual(ofType("lost"), []);
  });

  it("waits as long as the node advised, and some jitter", async () => {
    const { world, register, setMood, a, b, c } = createWorld();
    await register();
    setMood(NO_LEADER, a, b, c);
    await world.clock.advance(LEASE_MS / 2 - 1_000);
    const times = world.requests.filter(({ path }) => path.endsWith("/renew")).map(({ atMs }) => atMs);
    assert.ok(times.length >= 3, `${times.length} tries`);
    const gaps = times.slice(1).map((time, i) => time - times[i]!);
    assert.ok(Math.min(...gaps) >= 1_000, `${gaps}`);
  });

  it("is not told to stay away for longer than its lease lasts", async () => {
    const { world, register, ofType, setMood, a, b, c } = createWorld();
    const registration = await register();
    setMood({ status: 503, code: "OVERLOADED", retryAfterMs: 3_600_000 }, a, b, c);
    await world.clock.advance(LEASE_MS);
    assert.equal(registration.region, "west");
    assert.deepEqual(ofType("lost"), []);
  });

  it("goes where a node points when it knows nobody else", async () => {
    const { world, register, setMood, a, x } = createWorld();
    world.answers.set("/v1/nodes", () => Response.json({ nodes: [] }));
    const registration = await register({ urls: [a.url] });
    setMood({ ...NO_LEADER, otherRegions: [x.url] }, a);
    await world.clock.advance(LEASE_MS * 0.8);
    assert.equal(registration.node, x.url);
  });

  it("learns the other nodes from the one it was given", async () => {
    const { world, register, setMood, a } = createWorld();
    const registration = await register({ urls: [a.url] });
    await world.clock.advance(100);
    setMood("gone", a);
    await world.clock.advance(LEASE_MS / 4 + 10);
    assert.equal(registration.region, "east");
    assert.notEqual(registration.node, a.url);
  });

  it("uses only the nodes that were given when it is told not to discover", async () => {
    const { world, register, setMood, a } = createWorld();
    await register({ urls: [a.url], discover: false });
    setMood({ ...NO_LEADER, otherRegions: ["http://x:8000"] }, a);
    await world.clock.advance(LEASE_MS * 2);
    assert.deepEqual([...new Set(world.requests.map(({ node }) => node))], ["a"]);
    assert.ok(world.requests.every(({ path }) => path !== "/v1/nodes"));
  });

  for (const [what, change] of [
    ["404: the region forgot it", undefined],
    ["410: another lease began", { incarnation: 99, record: "of another process" }],
  ] as const) {
    it(`F21: after a ${what}, it registers anew at the same node, and says that it was lost and recovered`, async () => {
      const { world, register, events, east, a } = createWorld();
      a.roundTripMs = 1;
      const registration = await register();
      const { incarnation } = registration;
      east.agents.clear();
      if (change !== undefined) east.agents.set(AGENT.id, change);
      events.length = 0;
      await world.clock.advance(LEASE_MS / 4 + 20);
      assert.deepEqual(world.asked().slice(-2), ["renew a", "PUT a"]);
      assert.notEqual(registration.incarnation, incarnation);
      assert.deepEqual(events.map(({ type }) => type).slice(0, 3), ["lost", "registered", "recovered"]);
    });
  }

  it("P7: no hanging request costs it the lease", async () => {
    const { world, register, ofType, setMood, a, b, c, east } = createWorld();
    a.roundTripMs = 1;
    await register({ tryTimeoutMs: 600_000 });
    const acknowledged: { atMs: number }[] = [{ atMs: world.clock.now() }];
    setMood("hanging", a, b);
    for (let second = 0; second < 90; second++) {
      const before = ofType("renewed").length;
      await world.clock.advance(1_000);
      if (ofType("renewed").length > before) acknowledged.push({ atMs: world.clock.now() });
    }
    assert.ok(acknowledged.length > 5);
    assert.ok(longestSilenceMs(acknowledged) < LEASE_MS, `${longestSilenceMs(acknowledged)} ms`);
    assert.deepEqual(ofType("lost"), []);
    assert.ok(east.agents.has(AGENT.id) && c.mood === "well");
  });

  it("says that the lease is over when nobody acknowledged it in time, goes on trying, and recovers", async () => {
    const { world, register, ofType, setMood } = createWorld();
    await register();
    setMood("gone", ...world.nodes);
    await world.clock.advance(LEASE_MS * 2);
    assert.deepEqual(ofType("lost"), [{ type: "lost", reason: "expired" }]);
    setMood("well", ...world.nodes);
    await world.clock.advance(LEASE_MS);
    assert.equal(ofType("recovered").length, 1);
  });

  it("is kept when its token is refused for a while", async () => {
    const { world, register, ofType, setMood } = createWorld();
    await register();
    setMood({ status: 401, code: "UNAUTHORIZED" }, ...world.nodes);
    await world.clock.advance(LEASE_MS / 2);
    setMood("well", ...world.nodes);
    const before = ofType("renewed").length;
    await world.clock.advance(LEASE_MS / 2);
    assert.ok(ofType("renewed").length > before);
  });

  it("ends at once when it is closed, and asks for nothing after that", async () => {
    const { world, register, ofType, east } = createWorld();
    const registration = await register();
    await world.until(registration.close());
    assert.ok(!east.agents.has(AGENT.id));
    assert.equal(registration.close(), registration.close());
    const requests = world.requests.length;
    await world.clock.advance(LEASE_MS * 4);
    assert.equal(world.requests.length, requests);
    assert.equal(ofType("closed").length, 1);
  });

  it("is taken off by another node of the region when its own is gone, never by one that does not hold it", async () => {
    const { world, register, setMood, a, east } = createWorld();
    a.roundTripMs = 1;
    const registration = await register();
    setMood("gone", a);
    await world.until(registration.close());
    assert.ok(!east.agents.has(AGENT.id));
    assert.ok(["DELETE b", "DELETE c"].includes(world.asked().at(-1)!), `${world.asked()}`);
  });

  it("leaves nothing behind in a region that it moved away from", async () => {
    const { world, register, setMood, a, b, c, east, west } = createWorld();
    const registration = await register();
    setMood("gone", a, b, c);
    await world.clock.advance(LEASE_MS / 4 + 500);
    setMood("well", a, b, c);
    await world.until(registration.close());
    assert.deepEqual([east.agents.size, west.agents.size], [0, 0]);
  });

  it("says so when no node took the deregistration in time", async () => {
    const { world, register, setMood } = createWorld();
    const registration = await register();
    setMood("gone", ...world.nodes);
    await assert.rejects(world.until(registration.close({ timeoutMs: 2_000 })), { code: "NO_ANSWER" });
    open.length = 0;
  });

  it("does not leave an agent behind that was being registered anew when it was closed", async () => {
    const { world, register, east, a } = createWorld();
    a.roundTripMs = 1;
    const registration = await register();
    east.agents.clear();
    a.roundTripMs = 500;
    while (world.asked().at(-2) !== "renew a") await world.clock.advance(5);
    a.roundTripMs = 1;
    await world.until(registration.close());
    await world.clock.advance(1_000);
    assert.equal(world.asked().at(-1), "DELETE a");
    assert.equal(east.agents.size, 0);
  });

  it("takes a new description to its region, and keeps the old one when that is refused", async () => {
    const { world, register, setMood, east } = createWorld();
    const registration = await register();
    await world.until(registration.update({ ...AGENT, capabilities: ["forecast", "alert"] }));
    const record = east.agents.get(AGENT.id)?.record as { capabilities: string[] };
    assert.deepEqual(record.capabilities, ["forecast", "alert"]);
    setMood({ status: 400, code: "INVALID_FIELD", field: "endpoint" }, ...world.nodes);
    const refused = registration.update({ ...AGENT, endpoint: "nonsense" });
    await assert.rejects(world.until(refused), { code: "INVALID_FIELD", field: "endpoint", status: 400 });
    setMood("well", ...world.nodes);
    await world.clock.advance(LEASE_MS);
    assert.equal(east.agents.get(AGENT.id)?.record, record);
    east.agents.clear();
    await world.clock.advance(LEASE_MS);
    assert.deepEqual(east.agents.get(AGENT.id)?.record, record);
  });

  it("does not go on with a new description once it is closed", async () => {
    const { world, register, setMood } = createWorld();
    const registration = await register();
    setMood("gone", ...world.nodes);
    const updating = registration.update({ ...AGENT, capabilities: [] });
    updating.catch(() => {});
    await assert.rejects(world.until(registration.close({ timeoutMs: 1_000 })), { code: "NO_ANSWER" });
    await assert.rejects(world.until(updating, 10), { name: "AbortError" });
    await assert.rejects(registration.update(AGENT), { code: "CLOSED" });
    open.length = 0;
  });

  it("is not made when a node refuses what the agent says of itself", async () => {
    const { world, client, setMood } = createWorld();
    setMood({ status: 400, code: "INVALID_FIELD", field: "endpoint" }, ...world.nodes);
    await assert.rejects(world.until(client().register(AGENT)), { code: "INVALID_FIELD", field: "endpoint" });
    assert.equal(world.asked().length, 1);
  });

  it("goes to another region when the nearest is full", async () => {
    const { world, register, a, b, c, setMood } = createWorld();
    setMood({ status: 507, code: "TOO_MANY_AGENTS" }, a, b, c);
    assert.equal((await register()).region, "west");
    assert.equal(world.asked().filter((request) => request.startsWith("PUT")).length, 2);
  });

  it("is given up after the time it was given, and after an abort", async () => {
    const { world, client, setMood } = createWorld();
    setMood("gone", ...world.nodes);
    const late = client().register(AGENT, { timeoutMs: 3_000 });
    await assert.rejects(world.until(late), (error: { code?: string; cause?: { code?: string } }) => {
      assert.deepEqual([error.code, error.cause?.code], ["NO_ANSWER", "UNREACHABLE"]);
      return true;
    });
    const reason = new Error("enough");
    const aborted = client().register(AGENT, { signal: AbortSignal.abort(reason) });
    await assert.rejects(world.until(aborted), reason);
  });
});
