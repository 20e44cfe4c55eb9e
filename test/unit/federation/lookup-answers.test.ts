import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { FederationError } from "../../../src/federation/errors.ts";
import { LookupAnswers } from "../../../src/federation/lookup-answers.ts";
import { PeerBudgets } from "../../../src/federation/peer-budgets.ts";
import { LOOKUP_METHOD } from "../../../src/federation/wire.ts";
import { NetworkError, type PeerInfo } from "../../../src/network/interface.ts";
import { asClusterId, asNodeName, asRegionId } from "../../../src/types/ids.ts";
import { FakeFederation } from "../../support/fake-federation.ts";
import { FakeRegion, nodeIdOf, queryFor } from "../../support/fake-region.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const EAST = asRegionId("east");
const CAPACITY = 40;

function peer(name: string): PeerInfo {
  const names = { nodeId: nodeIdOf(name), name: asNodeName(name), http: `http://${name}:8000` };
  return { ...names, region: asRegionId("west"), cluster: asClusterId("c"), addresses: [] };
}

let clock: VirtualClock;
let region: FakeRegion;
let answers: LookupAnswers;
beforeEach(() => {
  clock = new VirtualClock();
  region = new FakeRegion(clock, EAST);
  region.register("a1", "translate");
  const budgets = new PeerBudgets(clock, { capacity: CAPACITY, perSecond: 20 });
  answers = new LookupAnswers({ local: region.view(nodeIdOf("east-1")), budgets });
});

const plain = { query: queryFor("translate"), consistency: "stale" };

/** How many agents are answered, or the code of the refusal. */
async function send(payload: unknown, from = "west-1"): Promise<number | string> {
  try {
    return (await answers.answer(peer(from), payload)).agents.length;
  } catch (error) {
    assert.ok(error instanceof FederationError, String(error));
    return error.detail.code;
  }
}

/** How many of a hundred equal requests are answered before one is turned away. */
async function answeredOf(payload: unknown): Promise<number> {
  for (let sent = 0; sent < 100; sent++) if ((await send(payload)) === "RATE_LIMITED") return sent;
  return 100;
}

describe("lookups of other regions", () => {
  it("F16: a peer that floods is turned away beyond its budget, others are served", async () => {
    assert.equal(await answeredOf({ ...plain, query: queryFor("paint") }), CAPACITY);
    assert.equal(await send(plain, "west-2"), 1);
    await clock.advance(1_000);
    assert.equal(await send(plain), 1, "and it is served again when its budget has filled");
  });

  it("F16: a lookup with many tags costs a peer as much as several plain ones", async () => {
    const tags = Array.from({ length: 112 }, (_, i) => `-tag${i}`);
    assert.equal(await answeredOf({ ...plain, query: queryFor("paint", { tags }) }), CAPACITY / 8);
  });

  it("F16: so does one that is answered with many agents", async () => {
    for (let i = 0; i < 90; i++) region.register(`b${i}`, "sing");
    assert.equal(await answeredOf({ ...plain, query: queryFor("sing") }), CAPACITY / 10);
  });

  const query = queryFor("translate");
  const hostile: readonly [string, unknown][] = [
    ["nothing", null],
    ["a text", "translate"],
    ["no consistency", { query }],
    ["another consistency", { query, consistency: "sometimes" }],
    ["no capability", { ...plain, query: { ...query, capability: "" } }],
    ["a capability that is too long", { ...plain, query: { ...query, capability: "x".repeat(513) } }],
    ["too many tags", { ...plain, query: { ...query, tags: Array(129).fill("t") } }],
    ["a group that is too large", { ...plain, query: { ...query, tags: [Array(65).fill("t")] } }],
    [
      "too many tags in all groups",
      { ...plain, query: { ...query, tags: [...Array(3)].map(() => Array(64).fill("t")) } },
    ],
    ["a constraint that is too long", { ...plain, query: { ...query, version: ">".repeat(513) } }],
    ["a limit that is too high", { ...plain, query: { ...query, limit: 1_001 } }],
    ["a limit that is no number", { ...plain, query: { ...query, limit: Number.NaN } }],
    ["half a place", { ...plain, query: { ...query, after: { score: 0 } } }],
  ];
  for (const [what, payload] of hostile) {
    it(`refuses ${what}, and the refusals are paid for`, async () => {
      assert.equal(await send(payload), "MALFORMED");
      assert.ok((await answeredOf(payload)) < CAPACITY);
    });
  }

  it("F16: are served by a node within such a budget", async () => {
    const all = new FakeFederation();
    all.found("east", 1);
    all.found("west", 1);
    await all.clock.advance(1_200);
    const { requests } = all.node("west-1").node;
    const to = all.node("east-1").node.self.nodeId;
    const tags = Array(128).fill("-t");
    const payload = { ...plain, query: queryFor("translate", { tags }) };
    const sent = Array.from({ length: 1_200 }, () =>
      requests.request(to, LOOKUP_METHOD, payload, { timeoutMs: 1_000 }).then(
        () => "answered",
        (error: unknown) => {
          assert.ok(error instanceof NetworkError && error.detail.code === "REMOTE");
          return error.detail.remoteCode;
        },
      ),
    );
    const outcomes = await all.until(Promise.all(sent));
    // Each costs nine plain ones, of ten thousand.
    assert.equal(outcomes.filter((outcome) => outcome === "answered").length, 1_112);
    assert.equal(outcomes.filter((outcome) => outcome === "RATE_LIMITED").length, 88);
  });
});
