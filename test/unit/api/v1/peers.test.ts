import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { PeerErrorDetail } from "../../../../src/api/peer-error.ts";
import type { PeerStatus } from "../../../../src/api/ports.ts";
import { createTestApp, type TestApp } from "../../../support/api-app.ts";

const PEERS = "/v1/cluster/peers";
const WEST: PeerStatus = {
  name: "west.example.org",
  isConfigured: false,
  isNamed: true,
  nodes: [{ name: "us-west-1", nodeId: "12D3KooWwest", region: "us-west", http: "http://us-west-1:8000" }],
  problem: null,
};

let test: TestApp;
beforeEach(async () => {
  test = await createTestApp();
  test.peers.status = [WEST, { ...WEST, name: "[::1]:4001", nodes: [], problem: "nobody listens there" }];
});

describe("/v1/cluster/peers", () => {
  it("lists the peers as the port has them", async () => {
    const answer = await test.send({ url: PEERS });
    assert.deepEqual([answer.statusCode, answer.json()], [200, { peers: test.peers.status }]);
  });

  it("adds and removes, and answers with the list", async () => {
    const added = await test.send({ method: "POST", url: PEERS, payload: { name: "west.example.org" } });
    const removed = await test.send({ method: "DELETE", url: `${PEERS}/${encodeURIComponent("[::1]:4001")}` });
    assert.deepEqual([added.statusCode, removed.statusCode], [200, 200]);
    assert.deepEqual(added.json(), { peers: test.peers.status });
    assert.deepEqual(test.peers.asked, [
      ["add", "west.example.org"],
      ["remove", "[::1]:4001"],
    ]);
  });

  const refusals: readonly (readonly [PeerErrorDetail, number])[] = [
    [{ code: "PEER_UNREADABLE", name: "http://west" }, 400],
    [{ code: "PEER_UNKNOWN", name: "west" }, 404],
    [{ code: "PEER_CONFIGURED", name: "west" }, 409],
    [{ code: "TOO_MANY_PEERS", peersMax: 64 }, 409],
    [{ code: "NO_SHARED_KEY" }, 409],
  ];
  for (const [detail, status] of refusals) {
    it(`answers ${status} to ${detail.code}, with what to do`, async () => {
      test.peers.refusal = detail;
      const { statusCode, ...answer } = await test.send({ method: "POST", url: PEERS, payload: { name: "west" } });
      const { error } = answer.json();
      assert.deepEqual([statusCode, error.code], [status, detail.code]);
      assert.ok(error.message.length > 20);
    });
  }

  for (const payload of [{}, { name: "" }, { name: "x".repeat(263) }, { name: "a\u0000b" }, { name: "a", more: 1 }]) {
    it(`refuses ${JSON.stringify(payload).slice(0, 30)}`, async () => {
      const { statusCode } = await test.send({ method: "POST", url: PEERS, payload });
      assert.equal(statusCode, 400);
      assert.deepEqual(test.peers.asked, []);
    });
  }
});
