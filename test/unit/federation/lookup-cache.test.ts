import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LookupCache } from "../../../src/federation/lookup-cache.ts";
import { asRegionId } from "../../../src/types/ids.ts";
import { agentOf, queryFor } from "../../support/fake-region.ts";

const EAST = asRegionId("east");
const WEST = asRegionId("west");
const answer = (revision: number, agents = 1) => ({
  revision,
  hasMore: false,
  agents: Array.from({ length: agents }, (_, i) => agentOf(EAST, `a${i}`, "translate")),
  asOfMs: 0,
});

describe("lookup cache", () => {
  it("keeps answers apart by region and by every part of the question", () => {
    const cache = new LookupCache(10_000);
    cache.put(EAST, queryFor("translate"), answer(1));
    const after = { score: 0, version: "1.0.0", id: "a1", functionName: "f", region: "east" };
    const others = [
      queryFor("paint"),
      queryFor("translate", { tags: ["fast"] }),
      queryFor("translate", { tags: [["fast"]] }),
      queryFor("translate", { version: ">1" }),
      queryFor("translate", { namespace: "default" }),
      queryFor("translate", { health: "any" }),
      queryFor("translate", { limit: 7 }),
      queryFor("translate", { after }),
    ];
    for (const other of others) assert.equal(cache.get(EAST, other), undefined, JSON.stringify(other));
    assert.equal(cache.get(WEST, queryFor("translate")), undefined);
    assert.equal(cache.get(EAST, queryFor("translate"))?.revision, 1);
  });

  it("does not let an older answer that came late replace a newer one", () => {
    const cache = new LookupCache(10_000);
    cache.put(EAST, queryFor("translate"), answer(9));
    cache.put(EAST, queryFor("translate"), answer(4));
    assert.equal(cache.get(EAST, queryFor("translate"))?.revision, 9);
  });

  it("is bounded by the agents it holds: the longest unused answer goes first", () => {
    const cache = new LookupCache(10_000);
    for (let i = 0; i < 60; i++) {
      cache.put(EAST, queryFor(`capability-${i}`), answer(1, 1_000));
      cache.get(EAST, queryFor("capability-0"));
    }
    assert.notEqual(cache.get(EAST, queryFor("capability-0")), undefined);
    assert.equal(cache.get(EAST, queryFor("capability-1")), undefined);
    assert.notEqual(cache.get(EAST, queryFor("capability-59")), undefined);
  });
});
