/** What an admitted node can do to a region's leader by gossip alone. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { asFederationId, asNodeId, asRegionId } from "../../src/types/ids.ts";
import { becomes, startNode } from "../support/loopback-network.ts";
import { ProcessGroup, startRegion } from "../support/node-process.ts";

/** Many times the longest election timeout. */
const STORM_MS = 8_000;
const MESSAGE_BYTES = 60 * 1024;

describe("a storm of gossip", () => {
  it("F16: starts no election, and stops no write", { timeout: 120_000 }, async (test) => {
    const key = randomBytes(32).toString("hex");
    const region = await ProcessGroup.create({ region: "us-east", httpBase: 22_740, key });
    test.after(() => region.destroy());
    const nodes = ["us-east-1", "us-east-2", "us-east-3"].map((name) => region.add(name));
    await startRegion(nodes);
    const before = await nodes[0]!.api.cluster();

    const stormy = await startNode(test, {
      federation: asFederationId("default"),
      region: asRegionId("us-west"),
      psk: Buffer.from(key, "utf8"),
      peerTargets: nodes.map(({ networkPort }) => `127.0.0.1:${networkPort}`),
    });
    for (const { nodeId } of (await nodes[0]!.api.members()).members) await becomes(stormy, asNodeId(nodeId), "up");
    let published = 0;
    for (const endsAt = performance.now() + STORM_MS; performance.now() < endsAt; published++) {
      stormy.summaries.publish(randomBytes(MESSAGE_BYTES));
      if (published % 100 === 0) await nodes[published % 3]!.api.register(`agent-${published}`, AGENT);
      await turn();
    }

    const after = await Promise.all(nodes.map((node) => node.api.cluster()));
    assert.deepEqual(
      after.map(({ term, leader }) => [term, leader]),
      nodes.map(() => [before.term, before.leader]),
    );
    for (const node of nodes) assert.ok((await node.metric("atoll_network_dropped_total")) > 0);
    test.diagnostic(`${published} messages of ${MESSAGE_BYTES} bytes to each of three nodes`);
  });
});

const AGENT = { endpoint: "http://agent:8080", capabilities: ["sum"], leaseMs: 600_000 };
