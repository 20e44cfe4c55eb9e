import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { RegionMembers } from "../../../src/node/region-members.ts";
import { asNodeId, asNodeName, asRegionId } from "../../../src/types/ids.ts";
import { foundingMembership, type Member } from "../../../src/types/membership.ts";
import type { SummaryNode } from "../../../src/types/summary.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { seededRandom } from "../../../src/util/random.ts";
import { FakeNetwork, type FakeNode } from "../../support/fake-network.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const REGION = asRegionId("us-east");

let clock: VirtualClock;
let network: FakeNetwork;
let nodes: FakeNode[];
let members: RegionMembers;
let told: string[];
let known: Map<string, SummaryNode>;

function join(name: string, region = REGION): FakeNode {
  const node = network.join({
    nodeId: asNodeId(`id-${name}`),
    name: asNodeName(name),
    region,
    cluster: null,
    http: `http://${name}`,
    addresses: [`${name}:4001`],
  });
  node.requests.handle("news", async () => told.push(name));
  return node;
}

const whereIs = (name: string): SummaryNode => ({
  name,
  nodeId: `id-${name}`,
  addresses: [`${name}:4001`],
  http: `http://${name}`,
});

beforeEach(() => {
  clock = new VirtualClock();
  network = new FakeNetwork({ clock, random: seededRandom(1) });
  told = [];
  known = new Map(["a", "b", "c"].map((name) => [`id-${name}`, whereIs(name)]));
  nodes = ["a", "b", "c"].map((name) => join(name));
  const voters = ["a", "b", "c"].map((name): Member => ({ id: asNodeId(`id-${name}`), name: asNodeName(name) }));
  members = new RegionMembers({
    self: { name: "a", nodeId: "id-a", addresses: ["a:4001"], http: "http://a" },
    directory: nodes[0]!.directory,
    requests: nodes[0]!.requests,
    membership: () => foundingMembership(voters),
    lastKnown: (id) => known.get(id),
    logger: silentLogger,
  });
});

describe("region members", () => {
  it("tells all other members, and nobody else", async () => {
    join("stranger", asRegionId("us-west"));
    members.send("news", 1);
    await clock.advance(1_000);
    assert.deepEqual(told.sort(), ["b", "c"]);
  });

  it("is not held up by a member that is away, and remembers where it was", async () => {
    network.leave(asNodeId("id-c"));
    members.send("news", 1);
    await clock.advance(5_000);
    assert.deepEqual(told, ["b"]);
    assert.deepEqual(
      members.nodes().map(({ name, http }) => [name, http]),
      [
        ["a", "http://a"],
        ["b", "http://b"],
        ["c", "http://c"],
      ],
    );
  });

  it("knows members by identity, not by name or region (P11)", async () => {
    join("d");
    members.send("news", 1);
    await clock.advance(1_000);
    assert.ok(!told.includes("d"));
    assert.ok(members.nodes().every(({ name }) => name !== "d"));
  });

  it("shows members that were never met without an address", () => {
    known.delete("id-b");
    assert.deepEqual(members.nodes()[1], { name: "b", nodeId: "id-b", addresses: [], http: "" });
  });
});
