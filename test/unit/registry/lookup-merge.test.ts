import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mergeAnswers, NEARNESS_REGIONS_MAX, nearnessOf } from "../../../src/registry/lookup-merge.ts";
import type { FoundAgent } from "../../../src/types/agent.ts";
import { asRegionId, type RegionId } from "../../../src/types/ids.ts";
import type { RegionAnswer } from "../../../src/types/lookup.ts";
import { agentOf } from "../../support/fake-region.ts";

const [EAST, WEST, NORTH] = ["east", "west", "north"].map(asRegionId) as [
  FoundAgent["region"],
  ...FoundAgent["region"][],
];
const REGIONS = [EAST, WEST!, NORTH!];

interface Claim extends Partial<FoundAgent> {
  readonly region: FoundAgent["region"];
}

/** What each region answers about the one agent `a`, in this order. */
const claims = (...of: readonly Claim[]): RegionAnswer[] =>
  of.map(({ region, ...fields }) => ({
    region,
    source: "live",
    revision: 1,
    stalenessMs: 0,
    agents: [{ ...agentOf(region, "a", "weather"), ...fields }],
    hasMore: false,
  }));

function merge(home: RegionId, answers: readonly RegionAnswer[]) {
  const nearness = nearnessOf(home, answers, null);
  return mergeAnswers(answers, { home, nearness, limit: 100, isHidden: () => false });
}

/** Where the agent is found, asked from each region, whoever answers first. */
function owners(...of: readonly Claim[]): string[] {
  const found = new Set<string>();
  for (const home of REGIONS) {
    for (const answers of [claims(...of), claims(...of.toReversed())]) {
      const { agents } = merge(home, answers);
      found.add(agents.map(({ region }) => region).join());
    }
  }
  return [...found];
}

describe("an agent that several regions show", () => {
  it("F11: is one agent, of the region where it registered last, wherever that is asked", () => {
    assert.deepEqual(
      owners(
        { region: EAST, registeredAtMs: 1_000 },
        { region: WEST!, registeredAtMs: 3_000 },
        { region: NORTH!, registeredAtMs: 2_000 },
      ),
      [WEST],
    );
  });

  it("F11: that it registered under another name or endpoint, or offers more there, does not make it two", () => {
    const elsewhere = { name: "other", endpoint: "http://other", version: "9.0.0", score: 5 };
    assert.deepEqual(owners({ region: EAST, registeredAtMs: 2 }, { region: WEST!, registeredAtMs: 1, ...elsewhere }), [
      EAST,
    ]);
  });

  it("F11: is not taken from where it is healthy by a later registration that has ended", () => {
    const ended = { region: WEST!, registeredAtMs: 2, health: "unhealthy" } as const;
    assert.deepEqual(owners({ region: EAST, registeredAtMs: 1 }, ended), [EAST]);
  });

  it("F11: with clocks apart, the older registration shows for as long as its lease runs, and no longer", () => {
    const skewMs = 60_000;
    const moved = { region: WEST!, registeredAtMs: 100_000 + 5_000 - skewMs };
    const left = { region: EAST, registeredAtMs: 100_000 };
    assert.deepEqual(owners(left, moved), [EAST], "by west's clock, a minute behind, it registered there before");
    assert.deepEqual(owners({ ...left, health: "unhealthy" }, moved), [WEST], "nobody renews the lease it left behind");
    const later = { ...moved, registeredAtMs: moved.registeredAtMs + skewMs };
    assert.deepEqual(owners(left, later), [WEST], "apart by less than the time between the two: no difference");
  });

  it("F11: with every function it offers there, and none that only the other region still shows", () => {
    const [here] = claims({ region: EAST, registeredAtMs: 2 });
    const [there] = claims({ region: WEST!, registeredAtMs: 1 });
    const second = { ...here!.agents[0]!, functionName: "weather_tomorrow" };
    const stale = { ...there!.agents[0]!, functionName: "weather_yesterday" };
    const answers = [
      { ...here!, agents: [...here!.agents, second] },
      { ...there!, agents: [...there!.agents, stale] },
    ];
    const { agents } = merge(NORTH!, answers);
    assert.deepEqual(agents.map(({ functionName }) => functionName).sort(), ["weather", "weather_tomorrow"]);
  });
});

describe("the order of regions", () => {
  const answer = (name: string, distanceMs?: number): RegionAnswer => {
    const region = asRegionId(name);
    const agents = [agentOf(region, `a-${name}`, "weather")];
    const asked = { region, source: "live", revision: 1, stalenessMs: 0, agents, hasMore: false } as const;
    return distanceMs === undefined ? asked : { ...asked, distanceMs };
  };

  it("is by round trip, then by name; one that was not measured comes last", () => {
    const answers = [answer("far", 80), answer("unknown"), answer("b", 20), answer("a", 20), answer("home")];
    assert.deepEqual(nearnessOf(asRegionId("home"), answers, "z").regions, ["a", "b", "far", "unknown"]);
  });

  it("leaves out regions that have nothing to answer", () => {
    assert.deepEqual(nearnessOf(asRegionId("home"), [{ ...answer("east", 1), agents: [] }], null).regions, []);
  });

  it("is bounded; regions beyond it are answered all the same, behind the others and by name", () => {
    const home = asRegionId("home");
    const answers = Array.from({ length: 40 }, (_, i) => answer(`r${String(i).padStart(2, "0")}`, 100 - i));
    const { regions } = nearnessOf(home, answers, null);
    assert.equal(regions.length, NEARNESS_REGIONS_MAX);
    const inOrder = merge(home, answers).agents.map(({ region }) => region);
    assert.deepEqual(inOrder.slice(0, 32), regions);
    assert.deepEqual(inOrder.slice(32), ["r00", "r01", "r02", "r03", "r04", "r05", "r06", "r07"]);
  });
});
