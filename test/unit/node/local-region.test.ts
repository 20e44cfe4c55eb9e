import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { LocalSummary } from "../../../src/federation/local-summary.ts";
import { localRegion } from "../../../src/node/local-region.ts";
import { asClusterId } from "../../../src/types/ids.ts";
import { FEDERATION, hash64 } from "../../support/fake-federation.ts";
import { queryFor } from "../../support/fake-region.ts";
import { aCapability, agentId, aRecord, type TestNode, TestRegion } from "../registry/fixtures.ts";

let region: TestRegion;
let leader: TestNode;
let follower: TestNode;

/** Nodes whose own configuration hides `private` until the region has a policy. */
beforeEach(() => {
  region = new TestRegion(2, { service: { export: ["!private"] } });
  [leader, follower] = region.nodes as [TestNode, TestNode];
});

const abroad = ({ service, stateMachine, group }: TestNode) =>
  localRegion({ registry: service, stateMachine, group, nodes: () => [], signingKey: () => undefined });

function summaryOf(node: TestNode) {
  const summary = new LocalSummary({ local: abroad(node), federation: FEDERATION, cluster: asClusterId("c"), hash64 });
  const told: string[] = [];
  summary.onChange((names) => told.push(...[...names].sort()));
  summary.start();
  return { summary, told };
}

const register = (id: string, namespace: string, ...capabilities: string[]) =>
  leader.service.register(
    agentId(id),
    aRecord({ namespace, capabilities: capabilities.map((name) => aCapability(name, { tags: [namespace] })) }),
  );

describe("what other regions are told of this one", () => {
  it("leaves out what is not exported: entries, counts, tags, agents, answers", async () => {
    await register("1", "private", "weather", "payroll");
    await register("2", "public", "weather");
    const local = abroad(leader);
    assert.deepEqual(
      [...local.entries()].map(({ name, total, tags }) => [name, total, tags]),
      [["weather", 1, ["public"]]],
    );
    assert.deepEqual([local.entry("payroll"), local.agents()], [undefined, 1]);
    const idsOf = async (capability: string) =>
      (await local.lookup(queryFor(capability), "stale")).agents.map(({ id }) => id);
    assert.deepEqual([await idsOf("weather"), await idsOf("payroll")], [[agentId("2")], []]);
    assert.deepEqual(leader.service.lookupHere(queryFor("payroll")).agents.length, 1, "at home nothing is hidden");
  });

  it("goes by the region's policy on every node, whatever each is configured for", async () => {
    const summaries = [summaryOf(leader), summaryOf(follower)];
    await register("1", "private", "payroll");
    await register("2", "public", "weather");
    await leader.service.setExportPolicy(["!public"]);
    const [one, other] = summaries.map(({ summary }) => summary.header());
    assert.deepEqual(one, other);
    for (const { summary } of summaries) {
      assert.deepEqual([summary.current("payroll").total, summary.current("weather").total], [1, 0]);
    }
    await register("3", "public", "weather");
    assert.deepEqual(summaryOf(leader).summary.header(), summaries[1]!.summary.header(), "read anew, or kept");
  });

  it("P10: has another revision once its namespace is hidden or shown, so that nobody abroad keeps an answer", async () => {
    await register("1", "private", "payroll");
    await register("2", "public", "weather");
    await leader.service.setExportPolicy(["*"]);
    const revisions = () => ["payroll", "weather"].map((name) => leader.stateMachine.index.capability(name)!.revision);
    assert.deepEqual(revisions(), [1, 2]);
    await leader.service.setExportPolicy(["!private"]);
    assert.deepEqual(revisions(), [4, 2]);
    await leader.service.setExportPolicy(["!private"]);
    await leader.service.setExportPolicy(["*"]);
    assert.deepEqual(revisions(), [6, 2]);
  });

  it("never names a capability that is not exported, also not when it goes", async () => {
    const { told, summary } = summaryOf(leader);
    await register("1", "private", "payroll");
    await leader.service.deregister(agentId("1"), "purge");
    await register("2", "public", "weather");
    assert.deepEqual(told, ["weather"]);
    await leader.service.setExportPolicy(["!public"]);
    assert.deepEqual([told, summary.current("weather").total], [["weather", "weather"], 0]);
  });

  it("is as before after a snapshot", async () => {
    await register("1", "private", "payroll");
    await register("2", "public", "weather");
    await leader.service.setExportPolicy(["public"]);
    const { summary } = summaryOf(leader);
    const before = summary.header();
    const records = [["region/export", ["public"]] as const];
    for (const agent of leader.stateMachine.index.agents()) records.push([`agent/${agent.id}`, agent] as never);
    for (const { name, revision } of leader.stateMachine.index.capabilities()) {
      records.push([`capability/${name}`, revision] as never);
    }
    async function* pages() {
      yield records;
    }
    await leader.stateMachine.restore(pages());
    assert.deepEqual(summary.header(), before);
  });
});

describe("what this region answers another one", () => {
  it("P2: linearizable shows every write that was acknowledged, whichever node is asked, or nothing", async () => {
    follower.group.isLagging = true;
    await register("1", "public", "weather");
    const local = abroad(follower);
    assert.equal((await local.lookup(queryFor("weather"), "stale")).agents.length, 0);
    assert.equal((await local.lookup(queryFor("weather"), "linearizable")).agents.length, 1);
    region.region.elect(null);
    await assert.rejects(local.lookup(queryFor("weather"), "linearizable"), /has no leader/);
  });
});
