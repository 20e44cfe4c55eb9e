import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LOOKUP_METHOD } from "../../../src/federation/wire.ts";
import { NetworkError } from "../../../src/network/interface.ts";
import type { RegionQuery } from "../../../src/types/lookup.ts";
import { FakeFederation } from "../../support/fake-federation.ts";
import { queryFor } from "../../support/fake-region.ts";

async function twoRegions(): Promise<FakeFederation> {
  const all = new FakeFederation();
  all.found("east", 1);
  all.found("west", 2);
  all.regions.get("east")!.register("a1", "translate");
  await all.clock.advance(1_200);
  return all;
}

/** What `east-1` answers a peer that says what it likes: the code of its refusal, or the number of agents. */
async function send(all: FakeFederation, from: string, payload: unknown): Promise<string | number> {
  const { requests } = all.node(from).node;
  const to = all.node("east-1").node.self.nodeId;
  try {
    const answer = await all.until(requests.request(to, LOOKUP_METHOD, payload, { timeoutMs: 1_000 }));
    return (answer as { agents: unknown[] }).agents.length;
  } catch (error) {
    assert.ok(error instanceof NetworkError && error.detail.code === "REMOTE", String(error));
    return error.detail.remoteCode;
  }
}

/** How many of `count` equal requests, sent at once, were answered, and how many turned away. */
async function flood(all: FakeFederation, from: string, query: RegionQuery, count: number) {
  const { requests } = all.node(from).node;
  const to = all.node("east-1").node.self.nodeId;
  const payload = { query, consistency: "stale" };
  const sent = Array.from({ length: count }, () =>
    requests.request(to, LOOKUP_METHOD, payload, { timeoutMs: 1_000 }).then(
      () => "answered",
      (error: NetworkError) => (error.detail.code === "REMOTE" ? error.detail.remoteCode : error.detail.code),
    ),
  );
  const outcomes = await all.until(Promise.all(sent));
  const countOf = (outcome: string) => outcomes.filter((one) => one === outcome).length;
  return { answered: countOf("answered"), turnedAway: countOf("RATE_LIMITED") };
}

describe("lookups of other regions", () => {
  it("F16: a peer that floods is turned away beyond its budget, others are served", async () => {
    const all = await twoRegions();
    const { answered, turnedAway } = await flood(all, "west-1", queryFor("paint"), 5_000);
    assert.equal(answered, 4_000);
    assert.equal(turnedAway, 1_000);
    const honest = { query: queryFor("translate"), consistency: "stale" };
    assert.equal(await send(all, "west-2", honest), 1);
    await all.clock.advance(1_000);
    assert.equal(await send(all, "west-1", honest), 1, "and it is served again when its budget has filled");
  });

  it("F16: a lookup with many tags costs a peer as much as several plain ones", async () => {
    const all = await twoRegions();
    const tags = Array.from({ length: 112 }, (_, i) => `-tag${i}`);
    const { answered } = await flood(all, "west-1", queryFor("paint", { tags }), 1_000);
    assert.equal(answered, 4_000 / 8);
  });

  it("F16: so does one that is answered with many agents", async () => {
    const all = await twoRegions();
    for (let i = 0; i < 90; i++) all.regions.get("east")!.register(`b${i}`, "sing");
    const { answered } = await flood(all, "west-1", queryFor("sing"), 1_000);
    assert.equal(answered, 4_000 / 10);
  });

  it("refuses a query that is malformed or over a bound, and the refusals are paid for, too", async () => {
    const all = await twoRegions();
    const query = queryFor("translate");
    const hostile: unknown[] = [
      null,
      "translate",
      { query },
      { query: { ...query, capability: "" }, consistency: "stale" },
      { query: { ...query, capability: "x".repeat(513) }, consistency: "stale" },
      { query: { ...query, tags: Array(129).fill("t") }, consistency: "stale" },
      { query: { ...query, tags: [Array(65).fill("t")] }, consistency: "stale" },
      { query: { ...query, tags: [Array(64).fill("t"), Array(64).fill("t"), "t"] }, consistency: "stale" },
      { query: { ...query, version: ">".repeat(513) }, consistency: "stale" },
      { query: { ...query, limit: 1_001 }, consistency: "stale" },
      { query: { ...query, limit: Number.NaN }, consistency: "stale" },
      { query: { ...query, after: { score: 0 } }, consistency: "stale" },
      { query, consistency: "sometimes" },
    ];
    for (const payload of hostile) {
      assert.equal(await send(all, "west-1", payload), "MALFORMED", JSON.stringify(payload)?.slice(0, 100));
    }
    const { requests } = all.node("west-1").node;
    const to = all.node("east-1").node.self.nodeId;
    const sent = Array.from({ length: 4_100 }, () =>
      requests.request(to, LOOKUP_METHOD, null, { timeoutMs: 1_000 }).catch((error: NetworkError) => error.detail),
    );
    const outcomes = (await all.until(Promise.all(sent))) as { remoteCode: string }[];
    assert.ok(outcomes.some(({ remoteCode }) => remoteCode === "RATE_LIMITED"));
  });
});
