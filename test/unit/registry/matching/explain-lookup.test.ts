import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AgentIndex, type KeptAgent } from "../../../../src/registry/agent-index.ts";
import { LOOKUP_OFFERS_MAX, traceMatching, tracePlaces } from "../../../../src/registry/matching/explain-lookup.ts";
import type { Capability, FoundAgent } from "../../../../src/types/agent.ts";
import { asRegionId } from "../../../../src/types/ids.ts";
import type { RegionAnswer } from "../../../../src/types/lookup.ts";
import { agentOf } from "../../../support/fake-region.ts";
import { aCapability, agentId, aQuery, aRecord, HOME } from "../fixtures.ts";

function offersOf(agents: Record<string, Partial<Capability> & { health?: "unhealthy"; namespace?: string }>) {
  const index = new AgentIndex(HOME);
  for (const [name, { health = "healthy", namespace = "default", ...capability }] of Object.entries(agents)) {
    const agent: KeptAgent = {
      id: agentId(name),
      record: aRecord({ namespace, capabilities: [aCapability("weather", capability)] }),
      incarnation: 1,
      health,
      revision: 1,
      registeredAtMs: 0,
      changedAtMs: 0,
      incarnatedAtMs: 0,
    };
    index.put(agent, 1);
  }
  return index.offers("weather");
}

const available = () => undefined;
const AWAY = asRegionId("away");
const FAR = asRegionId("far");

describe("why a lookup leaves agents out", () => {
  const offers = offersOf({
    good: { version: "2.0.0", tags: ["fast"] },
    sick: { version: "2.0.0", tags: ["fast"], health: "unhealthy" },
    slow: { version: "2.0.0" },
    old: { version: "1.0.0", tags: ["fast"] },
    other: { version: "2.0.0", tags: ["fast"], namespace: "other" },
  });

  it("counts what each stage kept and dropped, and names the reason", () => {
    const query = aQuery({ tags: ["fast"], version: "^2", namespace: "default" });
    const { offers: count, lookedAt, stages } = traceMatching(offers, query, available);
    assert.deepEqual([count, lookedAt], [5, 5]);
    assert.deepEqual(
      stages.map(({ stage, kept, dropped, listed }) => [stage, kept, dropped, listed.map(({ reason }) => reason)]),
      [
        ["namespace", 4, 1, []],
        ["health", 3, 1, ["Unhealthy"]],
        ["tags", 2, 1, ["MissingTag"]],
        ["version", 1, 1, ["VersionConstraintFailed"]],
        ["schema", 1, 0, []],
      ],
    );
  });

  it("says what an agent lacks that is healthy and not available", () => {
    const reasonOf = () => "nobody offers storage";
    const [health] = traceMatching(offersOf({ a: {} }), aQuery(), reasonOf).stages;
    assert.deepEqual(health?.listed[0]?.details, { reason: "nobody offers storage" });
  });

  it("has no stage of health where any will do", () => {
    const { stages } = traceMatching(offers, aQuery({ health: "any" }), available);
    assert.deepEqual(
      stages.map(({ stage }) => stage),
      ["tags", "version", "schema"],
    );
  });

  it("lists 32 of many, and looks at no more than it can spare the time for", () => {
    const many = Array.from(
      { length: LOOKUP_OFFERS_MAX + 5 },
      () => offers.find(({ found }) => found.version === "1.0.0")!,
    );
    const { offers: count, lookedAt, stages } = traceMatching(many, aQuery({ version: "^2" }), available);
    assert.deepEqual([count, lookedAt], [LOOKUP_OFFERS_MAX + 5, LOOKUP_OFFERS_MAX]);
    const version = stages.find(({ stage }) => stage === "version")!;
    assert.deepEqual([version.dropped, version.listed.length], [LOOKUP_OFFERS_MAX, 32]);
  });
});

describe("why an agent stands where it does", () => {
  const found = (id: string, fields: Partial<FoundAgent>): FoundAgent => ({
    ...agentOf(HOME, id, "weather"),
    ...fields,
  });
  const answer = (region: RegionAnswer["region"], distanceMs?: number): RegionAnswer => {
    const asked = { region, source: "live", revision: 1, stalenessMs: 0, agents: [], hasMore: false } as const;
    return distanceMs === undefined ? asked : { ...asked, distanceMs };
  };

  it("names what put it behind the one before it", () => {
    const agents = [
      found("best", { score: 5, version: "1.0.0" }),
      found("new", { version: "3.0.0" }),
      found("here", { version: "2.0.0", zone: "a" }),
      found("there1", { version: "2.0", zone: "b" }),
      found("there2", { version: "2.0.0", zone: "b" }),
      found("away", { version: "2.0.0", region: AWAY }),
      found("far", { version: "2.0.0", region: FAR }),
    ];
    const isInZone = ({ region, zone }: FoundAgent) => region === HOME && zone === "a";
    const places = tracePlaces(agents, HOME, [answer(HOME), answer(AWAY, 20), answer(FAR)], isInZone);
    assert.deepEqual(
      places.map(({ id, behindBy, distanceMs, isInZone }) => [id, behindBy, distanceMs, isInZone]),
      [
        ["best", undefined, 0, false],
        ["new", "score", 0, false],
        ["here", "version", 0, true],
        ["there1", "zone", 0, false],
        ["there2", "name", 0, false],
        ["away", "region", 20, false],
        ["far", "distance", undefined, false],
      ],
    );
  });
});
