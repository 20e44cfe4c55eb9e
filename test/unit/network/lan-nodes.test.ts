import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { LanNodes } from "../../../src/network/lan-nodes.ts";
import { serviceTag } from "../../../src/network/mdns.ts";
import { asFederationId, asNodeId, type NodeId } from "../../../src/types/ids.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const SELF = asNodeId("self");
const WEST = asNodeId("west");

let clock: VirtualClock;
let connected: Set<NodeId>;
/** Every list that was dialled. */
let dialled: (readonly string[])[];
let nodes: LanNodes;
beforeEach(() => {
  clock = new VirtualClock();
  connected = new Set();
  dialled = [];
  nodes = new LanNodes({
    self: SELF,
    clock,
    isConnected: (nodeId) => connected.has(nodeId),
    dial: (addresses) => void dialled.push(addresses),
  });
  nodes.start();
});

describe("nodes announced on the local network", () => {
  it("are dialled within a second, and this node is not", async () => {
    nodes.heard(SELF, ["10.0.0.1:4001"]);
    nodes.heard(WEST, ["10.0.0.2:4001"]);
    await clock.advance(1_000);
    assert.deepEqual(dialled, [["10.0.0.2:4001"]]);
  });

  it("are forgotten a minute after they fell silent, unless they are linked", async () => {
    nodes.heard(WEST, ["10.0.0.2:4001"]);
    await clock.advance(50_000);
    nodes.heard(WEST, ["10.0.0.2:4001"]);
    await clock.advance(50_000);
    assert.equal(dialled.length, 1);
    connected.add(WEST);
    await clock.advance(600_000);
    assert.equal(dialled.length, 1);
    connected.delete(WEST);
    await clock.advance(1_000);
    assert.deepEqual(dialled.at(-1), []);
  });

  it("are followed to a new address after half a minute", async () => {
    nodes.heard(WEST, ["10.0.0.2:4001"]);
    await clock.advance(10_000);
    nodes.heard(WEST, ["10.0.0.3:4001"]);
    await clock.advance(1_000);
    assert.deepEqual(dialled.at(-1), ["10.0.0.2:4001"]);
    await clock.advance(20_000);
    nodes.heard(WEST, ["10.0.0.3:4001"]);
    await clock.advance(1_000);
    assert.deepEqual(dialled.at(-1), ["10.0.0.3:4001"]);
  });

  it("F16: cost a bounded number of addresses, however many announce themselves with however many", async () => {
    for (let second = 0; second < 300; second++) {
      for (let i = 0; i < 200; i++) {
        const addresses = Array.from({ length: 50 }, (_, port) => `10.${second % 250}.0.${i}:${port + 1}`);
        nodes.heard(asNodeId(`flood-${second}-${i}`), addresses);
      }
      nodes.heard(WEST, [`10.9.9.9:${second + 1}`]);
      await clock.advance(1_000);
    }
    assert.ok(dialled.every((addresses) => addresses.length <= 128));
    const all = new Set(dialled.flat());
    assert.ok(all.size <= 128 * 5, `${all.size} addresses in five minutes`);
  });

  it("are dialled no more once it was stopped", async () => {
    nodes.stop();
    nodes.heard(WEST, ["10.0.0.2:4001"]);
    await clock.advance(60_000);
    assert.deepEqual(dialled, []);
  });
});

describe("serviceTag", () => {
  it("is the same for nodes of one federation, another for others, and a service name of 15 characters", () => {
    const tag = serviceTag(asFederationId("atoll"));
    assert.match(tag, /^_[a-z0-9-]{15}\._udp\.local$/);
    assert.equal(tag, serviceTag(asFederationId("atoll")));
    assert.notEqual(tag, serviceTag(asFederationId("atoll-2")));
  });
});
