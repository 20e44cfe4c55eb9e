/** What agents are told of providers in other regions, by real processes. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { FederationProcess } from "../support/federation-process.ts";

const HAND_BACK_MS = 3_000;

let federation: FederationProcess;
before(async () => {
  const env = { ATOLL_REGISTRY_HAND_BACK_MS: `${HAND_BACK_MS}` };
  federation = await FederationProcess.start({ regions: "us-east:3,us-west:1", httpBase: 22_100, env });
});
after(() => federation?.destroy());

interface Heartbeat {
  readonly status: string;
  readonly dependencies_resolved: Readonly<Record<string, readonly { agent_id: string; status: string }[]>>;
}

async function beat(http: string, id: string, tools: readonly object[]): Promise<Heartbeat> {
  const body = { agent_id: id, http_host: id, http_port: 9000, tools };
  const response = await fetch(`${http}/heartbeat`, { method: "POST", body: JSON.stringify(body) });
  assert.equal(response.status, 200, await response.clone().text());
  return (await response.json()) as Heartbeat;
}

const WEATHER = [{ function_name: "weather", capability: "weather" }];
const REPORT = [{ function_name: "report", capability: "report", dependencies: [{ capability: "weather" }] }];

describe("dependencies across regions", () => {
  it("go abroad when the local provider dies, and come back once it has lasted", async () => {
    const [near, alsoNear] = federation.nodesOf("us-east");
    const [far] = federation.nodesOf("us-west");
    const consumer = async () => {
      const { dependencies_resolved } = await beat(near!.http, "consumer", REPORT);
      return dependencies_resolved.report?.[0]?.agent_id;
    };
    const head = async () => (await fetch(`${near!.http}/heartbeat/consumer`, { method: "HEAD" })).status;
    const becomes202 = (why: string) => federation.until(async () => (await head()) === 202, `202 because ${why}`);

    await beat(alsoNear!.http, "provider-near", WEATHER);
    await beat(far!.http, "provider-far", WEATHER);
    await federation.until(async () => (await consumer()) === "provider-near", "the local provider");
    await federation.until(async () => (await head()) === 200, "nothing new");

    await fetch(`${alsoNear!.http}/agents/provider-near`, { method: "DELETE" });
    await becomes202("the local provider went");
    assert.equal(await consumer(), "provider-far");
    await federation.until(async () => (await head()) === 200, "nothing new");

    await beat(alsoNear!.http, "provider-near", WEATHER);
    assert.equal(await consumer(), "provider-far", "it may leave again");
    await becomes202("the local provider lasted");
    assert.equal(await consumer(), "provider-near");
  });

  it("are told at once when the only provider, abroad, comes and goes", async () => {
    const [near] = federation.nodesOf("us-east");
    const [far] = federation.nodesOf("us-west");
    const paint = [{ function_name: "paint", capability: "paint" }];
    const needs = [{ function_name: "draw", capability: "draw", dependencies: [{ capability: "paint" }] }];
    const told = async () => {
      const { dependencies_resolved } = await beat(near!.http, "drawer", needs);
      return dependencies_resolved.draw?.[0]?.agent_id;
    };
    const head = async () => (await fetch(`${near!.http}/heartbeat/drawer`, { method: "HEAD" })).status;
    assert.equal(await told(), "");
    assert.equal(await head(), 200);
    await beat(far!.http, "painter", paint);
    await federation.until(async () => (await head()) === 202, "202 because there is a painter");
    assert.equal(await told(), "painter");
    await fetch(`${far!.http}/agents/painter`, { method: "DELETE" });
    await federation.until(async () => (await head()) === 202, "202 because the painter went");
    assert.equal(await told(), "");
  });
});
