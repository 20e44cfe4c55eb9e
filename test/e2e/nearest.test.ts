/** Nearest first, and why: lookups of real processes whose regions are 40 ms apart. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { LookupView, RegionView } from "../../src/cli/api-client.ts";
import { FederationProcess } from "../support/federation-process.ts";
import { registration } from "../support/load.ts";

const WAN_MS = 40;

let federation: FederationProcess;
before(async () => {
  federation = await FederationProcess.start({
    regions: "us-east:2,us-west:1,eu-west:1",
    httpBase: 18_600,
    wanMs: WAN_MS,
  });
});
after(() => federation?.destroy());

const httpOf = (name: string) => federation.node(name).http;

async function register(node: string, id: string, capability: string, zone: string): Promise<void> {
  const body = { endpoint: `http://${id}:9000`, capabilities: [capability], leaseMs: 3_600_000, zone };
  const response = await registration(`${httpOf(node)}/v1/agents/${id}`, body);
  assert.equal(response.status, 201, await response.text());
}

async function lookup(node: string, query: Record<string, string>): Promise<LookupView> {
  const response = await fetch(`${httpOf(node)}/v1/lookup?${new URLSearchParams({ ...query, explain: "true" })}`);
  assert.equal(response.status, 200, await response.clone().text());
  return (await response.json()) as LookupView;
}

async function regionSeenBy(node: string, name: string): Promise<RegionView> {
  const { regions } = (await (await fetch(`${httpOf(node)}/v1/regions`)).json()) as { regions: RegionView[] };
  return regions.find(({ region }) => region === name)!;
}

const didOf = ({ regions }: LookupView, name: string) => regions.find(({ region }) => region === name)?.trace?.did;

describe("three regions", () => {
  it("answer the nearest of equal agents first, and say why, in pages from any node of the region", async () => {
    await register("us-east-1", "home-a", "greet", "a");
    await register("us-east-1", "home-b", "greet", "b");
    await register("us-west-1", "west-b", "greet", "b");
    await register("eu-west-1", "eu-b", "greet", "b");
    const query = { capability: "greet", zone: "b" };
    await federation.until(async () => (await lookup("us-east-2", query)).agents.length === 4, "all four are found");

    const { agents, explanation } = await lookup("us-east-1", query);
    assert.deepEqual(
      agents.slice(0, 2).map(({ id }) => id),
      ["home-b", "home-a"],
    );
    const places = explanation!.places;
    assert.deepEqual(
      places.map(({ behindBy }) => behindBy),
      [undefined, "zone", "region", "distance"],
    );
    for (const { distanceMs } of places.slice(2)) assert.ok(distanceMs! >= 2 * WAN_MS, `${distanceMs} ms away`);

    const paged: string[] = [];
    let cursor: string | undefined;
    do {
      const node = paged.length % 2 === 0 ? "us-east-1" : "us-east-2";
      const page = await lookup(node, { capability: "greet", limit: "1", ...(cursor ? { cursor } : { zone: "b" }) });
      paged.push(...page.agents.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    assert.deepEqual(paged.slice(0, 2), ["home-b", "home-a"]);
    assert.deepEqual(paged.slice(2).sort(), ["eu-b", "west-b"]);
  });

  it("ask each other once, and keep the answer as long as the summary vouches for it", async () => {
    await register("us-west-1", "painter", "paint", "a");
    const query = { capability: "paint" };
    await federation.until(async () => (await lookup("us-east-1", query)).agents.length === 1, "it is found");
    const again = await lookup("us-east-1", query);
    assert.deepEqual([didOf(again, "us-west"), didOf(again, "eu-west")], ["kept", "ruled-out"]);
    const linearizable = await lookup("us-east-1", { ...query, region: "us-west", consistency: "linearizable" });
    assert.deepEqual([didOf(linearizable, "us-west"), linearizable.regions.length], ["asked", 1]);
  });

  it("F26: answer without a region that fell silent, ask it no more after a while, and again when it is back", async (test) => {
    await federation.pause("eu-west-1");
    let isPaused = true;
    const resume = async () => {
      if (isPaused) await federation.resume("eu-west-1");
      isPaused = false;
    };
    // A stopped process can not be told to end.
    test.after(resume);
    const query = { capability: "greet", consistency: "linearizable" };
    const first = await lookup("us-east-1", query);
    assert.equal(first.complete, false);
    assert.equal(didOf(first, "us-west"), "asked");
    assert.equal(first.regions.find(({ region }) => region === "eu-west")?.error?.code, "DEADLINE");
    await federation.until(
      async () => didOf(await lookup("us-east-1", query), "eu-west") === "breaker-open",
      "it is not asked any more",
    );
    await resume();
    await federation.until(async () => (await lookup("us-east-1", query)).complete, "it answers again");
    const { breaker, link, inSync, lagRevisions } = await regionSeenBy("us-east-1", "eu-west");
    assert.deepEqual(
      { breaker, link, inSync, lagRevisions },
      { breaker: "closed", link: "connected", inSync: true, lagRevisions: 0 },
    );
  });
});
