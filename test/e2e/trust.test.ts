/** Three regions of real processes: keys are replaced while they serve, and one region leaves for good. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { FederationProcess } from "../support/federation-process.ts";
import { registration } from "../support/load.ts";

interface Lookup {
  readonly agents: readonly { readonly id: string }[];
  readonly complete: boolean;
}

interface Region {
  readonly region: string;
  readonly inSync: boolean;
  readonly distrust?: string;
}

let federation: FederationProcess;
before(async () => {
  federation = await FederationProcess.start({ regions: "us-east:3,us-west:1,eu-west:1", httpBase: 19_500 });
});
after(() => federation?.destroy());

const http = (node: string) => federation.node(node).http;

async function ask<Answer>(node: string, path: string, method = "GET"): Promise<Answer> {
  const response = await fetch(`${http(node)}${path}`, { method });
  assert.ok(response.ok, await response.clone().text());
  return (await response.json()) as Answer;
}

const lookup = (node: string) => ask<Lookup>(node, "/v1/lookup?capability=translate");

async function regionsAt(node: string): Promise<readonly Region[]> {
  return (await ask<{ regions: readonly Region[] }>(node, "/v1/regions")).regions;
}

describe("trust between regions", () => {
  it("a region replaces its key, asked of any node, and is believed and found abroad all the while", async () => {
    const body = { endpoint: "http://translator:8080", capabilities: ["translate"], leaseMs: 600_000 };
    assert.ok((await registration(`${http("us-east-1")}/v1/agents/translator`, body)).ok);
    const isFound = async (node: string) => (await lookup(node)).agents.length === 1;
    for (const node of ["us-west-1", "eu-west-1"]) await federation.until(() => isFound(node), `${node} finds it`);
    const keys = new Set<string>();
    for (const node of ["us-east-1", "us-east-2", "us-east-3"]) {
      keys.add((await ask<{ publicKey: string }>(node, "/v1/cluster/region-key/rotate", "POST")).publicKey);
      assert.ok(await isFound("us-west-1"));
    }
    assert.equal(keys.size, 3);
    assert.ok((await fetch(`${http("us-east-1")}/v1/agents/translator`, { method: "DELETE" })).ok);
    assert.ok((await registration(`${http("us-east-2")}/v1/agents/second`, body)).ok);
    for (const node of ["us-west-1", "eu-west-1"]) {
      await federation.until(async () => {
        const { agents, complete } = await lookup(node);
        return complete && agents.map(({ id }) => id).join() === "second";
      }, `${node} hears what the new key signed`);
      const east = (await regionsAt(node)).find(({ region }) => region === "us-east");
      assert.deepEqual([east?.inSync, east?.distrust], [true, undefined]);
    }
  });

  it("P9: a region that says farewell is missed by nobody, not even by a node that was down meanwhile", async () => {
    await federation.kill("eu-west-1");
    await ask("us-east-3", "/v1/cluster/retire", "POST");
    const hasForgotten = async (node: string) => (await regionsAt(node)).every(({ region }) => region !== "us-east");
    await federation.until(() => hasForgotten("us-west-1"), "us-west forgets us-east");
    for (const node of ["us-east-1", "us-east-2", "us-east-3"]) await federation.kill(node);
    await federation.restart("eu-west-1");
    await federation.untilServing("eu-west-1");
    await federation.until(() => hasForgotten("eu-west-1"), "eu-west hears of it from us-west");
    for (const node of ["us-west-1", "eu-west-1"]) {
      await federation.until(async () => (await lookup(node)).complete, `${node} misses nobody`);
      assert.deepEqual((await lookup(node)).agents, []);
    }
  });
});
