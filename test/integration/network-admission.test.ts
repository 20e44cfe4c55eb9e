import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { Connection } from "@libp2p/interface";
import { NetworkError } from "../../src/network/interface.ts";
import type { NetworkOptions } from "../../src/network/network.ts";
import { RAFT_PROTOCOL, REQUEST_PROTOCOL, SNAPSHOT_PROTOCOL, summaryTopic } from "../../src/network/protocols.ts";
import { asClusterId, asFederationId, asNodeId, asNodeName, asRegionId } from "../../src/types/ids.ts";
import { becomes, eventually, FEDERATION, linked, startNode } from "../support/loopback-network.ts";
import { closed, dialRaw, startRawPeer } from "../support/raw-peer.ts";

const limit = { timeout: 20_000 };
const GOSSIP_PROTOCOL = "/meshsub/1.2.0";

/** Two nodes that must not talk, and the code both count. */
async function refused(
  test: TestContext,
  ours: Partial<NetworkOptions>,
  theirs: Partial<NetworkOptions>,
): Promise<string> {
  const a = await startNode(test, { ...ours, name: asNodeName("a") });
  const b = await startNode(test, { ...theirs, name: asNodeName("b"), memberTargets: [a.target] });
  await Promise.all([
    a.metrics.until(() => a.metrics.refusals.length > 0),
    b.metrics.until(() => b.metrics.refusals.length > 0),
  ]);
  assert.deepEqual(a.directory.peers(), []);
  assert.deepEqual(b.directory.peers(), []);
  assert.equal(a.metrics.refusals[0], b.metrics.refusals[0]);
  return a.metrics.refusals[0]!;
}

describe("admission", () => {
  it("lets three nodes find each other and tells who they are", limit, async (test) => {
    const a = await startNode(test, { name: asNodeName("a"), advertise: ["a.example:4001"], http: "http://a:8000" });
    const b = await startNode(test, { name: asNodeName("b"), memberTargets: [a.target] });
    const c = await startNode(test, {
      name: asNodeName("c"),
      region: asRegionId("eu-west"),
      peerTargets: [a.target, b.target],
    });
    await Promise.all([linked(a, b), linked(a, c), linked(b, c)]);
    assert.deepEqual(b.directory.get(a.nodeId), {
      nodeId: a.nodeId,
      name: "a",
      region: "us-east",
      cluster: null,
      http: "http://a:8000",
      addresses: ["a.example:4001"],
    });
    assert.equal(a.directory.get(c.nodeId)?.region, "eu-west");
    await eventually(() => a.directory.roundTripMs(c.nodeId) !== undefined);
  });

  it("P11: refuses another key", limit, async (test) => {
    assert.equal(await refused(test, {}, { psk: Buffer.from("another") }), "WRONG_KEY");
  });

  it("P11, F17: refuses another federation, with the right key", limit, async (test) => {
    assert.equal(await refused(test, {}, { federation: asFederationId("other") }), "WRONG_FEDERATION");
  });

  it("F17: refuses a region of the same name that was founded apart", limit, async (test) => {
    assert.equal(await refused(test, { cluster: asClusterId("c1") }, { cluster: asClusterId("c2") }), "WRONG_CLUSTER");
  });

  it("refuses a protocol version it does not know", limit, async (test) => {
    assert.equal(await refused(test, {}, { versions: { min: 2, max: 2 } }), "PROTOCOL_VERSION");
  });

  it("leaves a refused peer alone for a while, and takes it in once it fits", limit, async (test) => {
    const a = await startNode(test, { refusalBackoffMs: 300 });
    const wrong = await startNode(test, {
      psk: Buffer.from("another"),
      memberTargets: [a.target],
      refusalBackoffMs: 1,
    });
    await a.metrics.until(() => a.metrics.refusals.length === 2);
    await wrong.stop();
    const right = await startNode(test, { key: wrong.key, memberTargets: [a.target] });
    await linked(a, right);
  });

  it("refuses whoever is not on the list, if there is one", limit, async (test) => {
    const a = await startNode(test, { allowedPeers: new Set([asNodeId("nobody")]) });
    await startNode(test, { memberTargets: [a.target] });
    await a.metrics.until(() => a.metrics.refusals.includes("NOT_ALLOWED"));
    assert.deepEqual(a.directory.peers(), []);
  });

  it("makes a new cluster known to who is connected", limit, async (test) => {
    const a = await startNode(test, { pingIntervalMs: 60_000 });
    const b = await startNode(test, { memberTargets: [a.target], pingIntervalMs: 60_000 });
    await linked(a, b);
    a.setCluster(asClusterId("c1"));
    await eventually(() => b.directory.get(a.nodeId)?.cluster === "c1");
  });

  it("F17: parts from a peer whose region turns out to be founded apart", limit, async (test) => {
    const a = await startNode(test);
    const b = await startNode(test, { memberTargets: [a.target] });
    await linked(a, b);
    a.setCluster(asClusterId("c1"));
    b.setCluster(asClusterId("c2"));
    await Promise.all([becomes(a, b.nodeId, "down"), becomes(b, a.nodeId, "down")]);
    assert.ok([...a.metrics.refusals, ...b.metrics.refusals].includes("WRONG_CLUSTER"));
  });

  it("keeps one peer when both dial at once", limit, async (test) => {
    const a = await startNode(test, { name: asNodeName("a") });
    const b = await startNode(test, { name: asNodeName("b") });
    a.directory.learn(asRegionId("x"), [b.target]);
    b.directory.learn(asRegionId("x"), [a.target]);
    await linked(a, b);
    b.requests.handle("echo", async (_from, payload) => payload);
    a.requests.handle("echo", async (_from, payload) => payload);
    const options = { timeoutMs: 5_000 };
    assert.equal(await a.requests.request(b.nodeId, "echo", 1, options), 1);
    assert.equal(await b.requests.request(a.nodeId, "echo", 2, options), 2);
    assert.equal(a.directory.peers().length, 1);
  });

  it("does not take itself for a peer", limit, async (test) => {
    const a = await startNode(test);
    const b = await startNode(test);
    a.directory.learn(asRegionId("x"), [a.target, b.target]);
    await linked(a, b);
    assert.deepEqual(
      a.directory.peers().map(({ nodeId }) => nodeId),
      [b.nodeId],
    );
  });

  it("says which port is in use", limit, async (test) => {
    const a = await startNode(test);
    await assert.rejects(startNode(test, { listenPort: a.listenPort }), (error) => {
      assert.ok(error instanceof NetworkError && error.detail.code === "LISTEN_FAILED");
      assert.equal(error.detail.address, a.target);
      return error.message.includes(String(a.listenPort)) && error.message.includes("in use");
    });
  });
});

describe("a stranger", () => {
  // The hello's deadline would end the connection, and every stream with it: it is put off, so that only a refusal can.
  const patient = { helloMs: 600_000 };

  for (const protocol of [REQUEST_PROTOCOL, RAFT_PROTOCOL, SNAPSHOT_PROTOCOL, GOSSIP_PROTOCOL, "/ipfs/id/1.0.0"]) {
    it(`P11: gets no stream of ${protocol}`, limit, async (test) => {
      const node = await startNode(test, patient);
      const stranger = await startRawPeer(test);
      const connection = await dialRaw(stranger, node.listenPort);
      assert.equal(await bytesUntilReset(connection, protocol), 0);
      assert.equal(connection.status, "open", "the stream was refused, not the connection");
    });
  }

  it("P11: gets no gossip, and its gossip is not heard", limit, async (test) => {
    const a = await startNode(test, { name: asNodeName("a"), ...patient });
    const b = await startNode(test, { name: asNodeName("b"), memberTargets: [a.target] });
    await linked(a, b);
    const topic = summaryTopic(FEDERATION);
    const stranger = await startRawPeer(test);
    stranger.services.gossip.subscribe(topic);
    const overheard: unknown[] = [];
    stranger.services.gossip.addEventListener("message", ({ detail }) => overheard.push(detail));
    const connection = await dialRaw(stranger, a.listenPort);
    // An open stream is all that gossipsub would need to take the stranger in.
    assert.equal(await bytesUntilReset(connection, GOSSIP_PROTOCOL), 0);

    await eventuallyPublished(a, b);
    const heard: string[] = [];
    const markers = Promise.withResolvers<void>();
    b.summaries.subscribe((message) => {
      const text = Buffer.from(message).toString();
      if (text !== "probe") heard.push(text);
      if (heard.length === 3) markers.resolve();
      return "accept";
    });
    a.summaries.subscribe((message) => {
      heard.push(`a: ${Buffer.from(message)}`);
      return "accept";
    });
    for (const text of ["one", "two", "three"]) {
      await stranger.services.gossip.publish(topic, Buffer.from(`000000000000forged ${text}`));
      a.summaries.publish(Buffer.from(text));
    }
    await markers.promise;
    assert.deepEqual(heard, ["one", "two", "three"]);
    assert.deepEqual(overheard, []);
    assert.equal(connection.status, "open", "it was there all the time");
  });

  it("is cut off when it does not say hello in time", limit, async (test) => {
    const node = await startNode(test, { helloMs: 100 });
    const stranger = await startRawPeer(test);
    const connection = await dialRaw(stranger, node.listenPort);
    await closed(connection);
    assert.deepEqual(node.metrics.refusals, ["TIMEOUT"]);
  });
});

/** Opens a stream and waits for its end; what was answered before, in bytes. */
async function bytesUntilReset(connection: Connection, protocol: string): Promise<number> {
  // The reset may come while the protocol is still being agreed on.
  const stream = await connection.newStream(protocol).catch(() => null);
  let bytes = 0;
  if (stream === null) return bytes;
  stream.addEventListener("message", ({ data }) => {
    bytes += data.byteLength;
  });
  await closed(stream);
  return bytes;
}

/** Gossip streams open a moment after the link is up. */
async function eventuallyPublished(
  from: Awaited<ReturnType<typeof startNode>>,
  to: Awaited<ReturnType<typeof startNode>>,
) {
  let isThere = false;
  const unsubscribe = to.summaries.subscribe(() => {
    isThere = true;
    return "ignore";
  });
  await eventually(() => {
    if (!isThere) from.summaries.publish(Buffer.from("probe"));
    return isThere;
  });
  unsubscribe();
}
