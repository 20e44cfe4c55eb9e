import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { PULSE_METHOD } from "../../../src/federation/wire.ts";
import { NetworkError } from "../../../src/network/interface.ts";
import { asRegionId } from "../../../src/types/ids.ts";
import { FakeFederation } from "../../support/fake-federation.ts";

const SECOND = 1_000;
const EAST = asRegionId("east");
const WEST = asRegionId("west");

/** East with two nodes, of which one leads; west with three. All is known. */
async function twoRegions(): Promise<FakeFederation> {
  const all = new FakeFederation();
  all.found("east", 2);
  all.found("west", 3);
  await all.clock.advance(3 * SECOND);
  return all;
}

const pulsesSent = (all: FakeFederation, node: string) => all.node(node).node.requests.sent.get(PULSE_METHOD) ?? 0;

const agesOf = (all: FakeFederation) =>
  ["west-1", "west-2", "west-3"].map((node) => all.node(node).federation.status()[0]!.summaryAgeMs);

/** Counts what `node` is told by east directly; mates tell it, too. */
function countPulses(all: FakeFederation, node: string): () => number {
  let count = 0;
  all.node(node).node.requests.alter(PULSE_METHOD, (answer) => {
    count++;
    return answer;
  });
  return () => count;
}

describe("summary pulse", () => {
  it("keeps every node's summary fresh, and crosses the distance once a second", async () => {
    const all = await twoRegions();
    all.network.published.length = 0;
    for (let i = 0; i < 100; i++) {
      await all.clock.advance(100);
      for (const ageMs of agesOf(all)) assert.ok(ageMs <= SECOND + 2 * all.network.delayMs, `${ageMs} ms`);
    }
    // Of east and of west.
    assert.equal(all.network.published.length, 20);
  });

  it("goes to another node each time, which tells its mates and nobody else", async () => {
    const all = await twoRegions();
    const told = ["west-1", "west-2", "west-3"].map((node) => countPulses(all, node));
    const before = ["west-1", "west-2", "west-3"].map((node) => pulsesSent(all, node));
    await all.clock.advance(30 * SECOND);
    // Of 30 pulses each node hears all: 10 by itself, the others from two mates.
    assert.deepEqual(
      told.map((count) => count()),
      [30, 30, 30],
    );
    const own = 30;
    const passedOn = ["west-1", "west-2", "west-3"].map((node, i) => pulsesSent(all, node) - before[i]!);
    assert.deepEqual(passedOn, [own + 20, 20, 20]);
  });

  it("goes to the next node when one does not take it", async () => {
    const all = await twoRegions();
    all.node("west-2").node.requests.alter(PULSE_METHOD, () => {
      throw new NetworkError("busy", { code: "OVERLOADED", peer: all.node("west-2").node.self.nodeId });
    });
    for (let i = 0; i < 50; i++) {
      await all.clock.advance(100);
      const [first, , third] = agesOf(all);
      assert.ok(Math.max(first!, third!) <= SECOND + 4 * all.network.delayMs, `${first} and ${third} ms`);
    }
  });

  it("is refused when it is no message, or forged, and tells nobody", async () => {
    const all = await twoRegions();
    const news = all.network.published.findLast(Boolean)!;
    const forged = Uint8Array.from(news);
    forged[0]! ^= 1;
    const { node } = all.node("east-1");
    const to = all.node("west-1").node.self.nodeId;
    const before = pulsesSent(all, "west-1");
    for (const message of [forged, "hello", new Uint8Array(), null]) {
      await assert.rejects(
        all.until(node.requests.request(to, PULSE_METHOD, message, { timeoutMs: 900 })),
        (error: NetworkError) => error.detail.code === "REMOTE" && error.detail.remoteCode === "MALFORMED",
      );
    }
    assert.ok(pulsesSent(all, "west-1") - before <= 3, "its own, and no more");
  });

  it("P8: is missed soon when its region's leader reaches nobody here, and the region is asked", async () => {
    const all = await twoRegions();
    all.network.gossipLoss = 1;
    for (let i = 0; i < 300; i++) {
      await all.clock.advance(100);
      for (const ageMs of agesOf(all)) assert.ok(ageMs < 3 * SECOND + 4 * all.network.delayMs, `${ageMs} ms`);
    }
    all.regions.get("east")!.register("a1", "translate");
    await all.clock.advance(3 * SECOND + 100);
    assert.deepEqual(all.differences(), []);
  });

  it("ends with the link", async () => {
    const all = await twoRegions();
    all.network.cut(EAST, WEST);
    const before = pulsesSent(all, "east-1");
    await all.clock.advance(10 * SECOND);
    assert.equal(pulsesSent(all, "east-1"), before);
  });
});
