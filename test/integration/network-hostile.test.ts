import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { describe, it, type TestContext } from "node:test";
import type { Connection } from "@libp2p/interface";
import { pack } from "../../src/network/codec.ts";
import {
  HELLO_PROTOCOL,
  RAFT_PROTOCOL,
  REQUEST_PROTOCOL,
  SNAPSHOT_PROTOCOL,
  summaryTopic,
} from "../../src/network/protocols.ts";
import { asClusterId, asNodeName, asRegionId } from "../../src/types/ids.ts";
import { eventually, FEDERATION, type LoopbackNode, linked, PSK, startNode } from "../support/loopback-network.ts";
import { closed, dialRaw, type RawPeer, sayHello, startRawPeer } from "../support/raw-peer.ts";

const limit = { timeout: 30_000 };
const CLUSTER = asClusterId("c1");

/** A node under attack, with a good peer whose service must not suffer. */
async function startVictim(test: TestContext): Promise<{ victim: LoopbackNode; isAlive: () => Promise<void> }> {
  const victim = await startNode(test, { name: asNodeName("victim"), cluster: CLUSTER, helloMs: 300 });
  const friend = await startNode(test, {
    name: asNodeName("friend"),
    cluster: CLUSTER,
    memberTargets: [victim.target],
  });
  await linked(victim, friend);
  victim.raft.start(CLUSTER, {
    onMessage: () => assert.fail("a hostile message came through"),
    onSnapshot: async () => assert.fail("a hostile snapshot came through"),
    onPeerGone: () => {},
    onPeerUp: () => {},
  });
  victim.requests.handle("echo", async (_from, payload) => payload);
  const isAlive = async () => {
    assert.equal(await friend.requests.request(victim.nodeId, "echo", "alive", { timeoutMs: 5_000 }), "alive");
  };
  await isAlive();
  return { victim, isAlive };
}

/** A member that went bad: it has the key. */
async function startTraitor(
  test: TestContext,
  victim: LoopbackNode,
): Promise<{ traitor: RawPeer; connection: Connection }> {
  const traitor = await startRawPeer(test);
  const connection = await dialRaw(traitor, victim.listenPort);
  const identity = {
    ...{ federation: FEDERATION, region: asRegionId("us-east"), name: asNodeName("traitor") },
    ...{ cluster: CLUSTER, http: "http://traitor", addresses: [] },
  };
  await sayHello(traitor, connection, identity, PSK);
  return { traitor, connection };
}

const GARBAGE = Buffer.from("00000008c1c1c1c1c1c1c1c1", "hex");
const TOO_LONG = Buffer.from("ffffffff", "hex");
const BOMB = Buffer.from("00000005ddffffffff", "hex");

describe("hostile bytes before the hello", () => {
  it("on the bare port do no harm", limit, async (test) => {
    const { victim, isAlive } = await startVictim(test);
    const sockets = Array.from({ length: 20 }, (_, i) => {
      const socket = connect(victim.listenPort, "127.0.0.1");
      socket.on("error", () => {});
      if (i % 2 === 0) socket.write(Buffer.alloc(10_000, i));
      return socket;
    });
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    await isAlive();
    for (const socket of sockets) socket.destroy();
    await isAlive();
  });

  for (const [what, bytes] of [
    ["garbage", GARBAGE],
    ["a length over the limit", TOO_LONG],
    ["an array of 2^32", BOMB],
  ] as const) {
    it(`in the hello (${what}) are refused as MALFORMED`, limit, async (test) => {
      const { victim, isAlive } = await startVictim(test);
      const stranger = await startRawPeer(test);
      const connection = await dialRaw(stranger, victim.listenPort);
      const stream = await connection.newStream(HELLO_PROTOCOL);
      stream.send(bytes);
      await closed(connection);
      assert.deepEqual(victim.metrics.refusals, ["MALFORMED"]);
      await isAlive();
    });
  }

  for (const [what, bytes] of [
    ["half a length", Buffer.of(0)],
    ["half a message", Buffer.from("0000001094", "hex")],
  ] as const) {
    it(`that stop in the middle (${what}) are cut off in time`, limit, async (test) => {
      const { victim, isAlive } = await startVictim(test);
      const stranger = await startRawPeer(test);
      const connection = await dialRaw(stranger, victim.listenPort);
      const stream = await connection.newStream(HELLO_PROTOCOL);
      stream.send(bytes);
      await closed(connection);
      assert.deepEqual(victim.metrics.refusals, ["TIMEOUT"]);
      await isAlive();
    });
  }

  it("come on one hello stream at most", limit, async (test) => {
    const { victim } = await startVictim(test);
    const stranger = await startRawPeer(test);
    const connection = await dialRaw(stranger, victim.listenPort);
    const first = await connection.newStream(HELLO_PROTOCOL);
    const second = await connection.newStream(HELLO_PROTOCOL);
    await closed(second);
    assert.equal(first.status, "open");
  });
});

describe("hostile bytes of an admitted peer", () => {
  for (const [protocol, name] of [
    [RAFT_PROTOCOL, "raft"],
    [SNAPSHOT_PROTOCOL, "snapshot"],
    [REQUEST_PROTOCOL, "request"],
  ] as const) {
    it(`on the ${name} protocol reset their stream and nothing else`, limit, async (test) => {
      const { victim, isAlive } = await startVictim(test);
      const { connection } = await startTraitor(test, victim);
      for (const bytes of [GARBAGE, TOO_LONG, BOMB]) {
        const stream = await connection.newStream(protocol);
        stream.send(bytes);
        await closed(stream);
      }
      assert.deepEqual(victim.metrics.badFrames, [name, name, name]);
      assert.equal(connection.status, "open");
      await isAlive();
    });

    it(`on the ${name} protocol may trickle in or stop without holding up others`, limit, async (test) => {
      const { victim, isAlive } = await startVictim(test);
      const { connection } = await startTraitor(test, victim);
      const stream = await connection.newStream(protocol);
      for (const byte of Buffer.from("000fffff0000", "hex")) stream.send(Uint8Array.of(byte));
      await isAlive();
      stream.abort(new Error("enough"));
      await isAlive();
    });
  }

  it("that name another sender than the connection are refused (R60)", limit, async (test) => {
    const { victim } = await startVictim(test);
    const { connection } = await startTraitor(test, victim);
    const stream = await connection.newStream(RAFT_PROTOCOL);
    const preamble = pack([1, CLUSTER, "12D3KooSomebodyElse", victim.nodeId]);
    stream.send(Buffer.concat([Buffer.of(0, 0, 0, preamble.length), preamble]));
    await closed(stream);
    assert.deepEqual(victim.metrics.badFrames, ["raft"]);
  });

  it("F16: in gossip cost their sender its voice, and the link stays", limit, async (test) => {
    const { victim, isAlive } = await startVictim(test);
    const { traitor } = await startTraitor(test, victim);
    const topic = summaryTopic(FEDERATION);
    victim.summaries.subscribe(() => "reject");
    traitor.services.gossip.subscribe(topic);
    // It joins the victim's gossip when the victim opens its stream to it.
    await eventually(() => traitor.services.gossip.getSubscribers(topic).length > 0);
    for (let i = 0; !victim.metrics.drops.includes("summary-budget"); i++) {
      await traitor.services.gossip.publish(topic, Buffer.from(`serial-of-12${i}`));
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(victim.metrics.drops.filter((kind) => kind === "summary-rejected").length < 60);
    await isAlive();
  });

  it("in gossip over every limit do no harm", limit, async (test) => {
    const { victim, isAlive } = await startVictim(test);
    const { traitor, connection } = await startTraitor(test, victim);
    const topic = summaryTopic(FEDERATION);
    traitor.services.gossip.subscribe(topic);
    await eventually(() => traitor.services.gossip.getSubscribers(topic).length > 0);
    await traitor.services.gossip.publish(topic, new Uint8Array(2 * 1024 * 1024));
    await traitor.services.gossip.publish("/another/topic", new Uint8Array(10));
    const stream = await connection.newStream("/meshsub/1.2.0");
    stream.send(Buffer.alloc(1_000, 0xff));
    await isAlive();
  });
});
