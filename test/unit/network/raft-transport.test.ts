import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pack } from "../../../src/network/codec.ts";
import { NetworkError, type RaftTransportListener } from "../../../src/network/interface.ts";
import { LogLimiter } from "../../../src/network/log-limiter.ts";
import { RAFT_PROTOCOL, SNAPSHOT_PROTOCOL } from "../../../src/network/protocols.ts";
import { encodeRaftMessage, encodeSnapshotHeader } from "../../../src/network/raft-codec.ts";
import { Libp2pRaftTransport } from "../../../src/network/raft-transport.ts";
import { asClusterId, type NodeId } from "../../../src/types/ids.ts";
import { foundingMembership } from "../../../src/types/membership.ts";
import type { RaftMessage, SnapshotHeader } from "../../../src/types/raft.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { seededRandom } from "../../../src/util/random.ts";
import { CountedNetworkMetrics } from "../../support/counted-network-metrics.ts";
import { FakeLinks, peerInfo } from "../../support/fake-links.ts";
import { settle } from "../../support/fake-stream.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const CLUSTER = asClusterId("c1");

class Side {
  readonly links: FakeLinks;
  readonly metrics = new CountedNetworkMetrics();
  readonly transport: Libp2pRaftTransport;
  readonly received: RaftMessage[] = [];
  readonly up: NodeId[] = [];
  readonly gone: NodeId[] = [];
  install: RaftTransportListener["onSnapshot"] = async () => {};

  constructor(clock: VirtualClock, name: string, queueBytesMax: number) {
    this.links = new FakeLinks(peerInfo(name));
    const common = { clock, random: seededRandom(1), logger: silentLogger, logLimiter: new LogLimiter(clock) };
    const { links, metrics } = this;
    this.transport = new Libp2pRaftTransport({ ...common, links, metrics, region: "us-east", queueBytesMax });
  }

  start(cluster = CLUSTER): void {
    this.transport.start(cluster, {
      onMessage: (_from, message) => this.received.push(message),
      onSnapshot: (from, header, chunks) => this.install(from, header, chunks),
      onPeerUp: (nodeId) => this.up.push(nodeId),
      onPeerGone: (nodeId) => this.gone.push(nodeId),
    });
  }
}

function pair({ queueBytesMax = 1_000_000 } = {}) {
  const clock = new VirtualClock();
  const a = new Side(clock, "a", queueBytesMax);
  const b = new Side(clock, "b", queueBytesMax);
  return { clock, a, b };
}

async function connected(options: { queueBytesMax?: number } = {}) {
  const world = pair(options);
  FakeLinks.connect(world.a.links, world.b.links);
  world.a.start();
  world.b.start();
  await settle();
  await settle();
  // The stream that `a` opened while `b` was not started was refused.
  await world.clock.advance(1_000);
  return world;
}

function heartbeat(from: Side, to: Side, commit = 1): RaftMessage {
  const envelope = { from: from.links.self, to: to.links.self, term: 1 };
  return {
    ...envelope,
    type: "heartbeat",
    commit,
    leaderCommit: commit,
    sinceQuorumMs: 0,
    readRound: 0,
    sentAt: 1,
    echo: 0,
    echoHeldMs: 0,
  };
}

function append(from: Side, to: Side, bytes: number): RaftMessage {
  const entries = [{ index: 1, term: 1, kind: "command" as const, data: new Uint8Array(bytes) }];
  return {
    from: from.links.self,
    to: to.links.self,
    term: 1,
    type: "append",
    prevIndex: 0,
    prevTerm: 0,
    commit: 0,
    entries,
  };
}

function framed(...payloads: Uint8Array[]): Uint8Array {
  const parts = payloads.map((payload) => {
    const header = Buffer.alloc(4);
    header.writeUInt32BE(payload.length);
    return Buffer.concat([header, payload]);
  });
  return Buffer.concat(parts);
}

describe("Raft transport", () => {
  it("delivers messages in order on one stream", async () => {
    const { a, b } = await connected();
    const before = a.links.opened.length;
    for (let commit = 1; commit <= 5; commit++) a.transport.send(heartbeat(a, b, commit));
    await settle();
    assert.deepEqual(
      b.received,
      [1, 2, 3, 4, 5].map((commit) => heartbeat(a, b, commit)),
    );
    assert.equal(a.links.opened.length, before);
  });

  it("never lets an append that only brings the commit index overtake the entries it follows", async () => {
    const { a, b } = await connected();
    const entries = append(a, b, 100);
    const commitNews = { ...append(a, b, 0), prevIndex: 1, prevTerm: 1, commit: 1, entries: [] } as RaftMessage;
    a.transport.send(entries);
    a.transport.send(commitNews);
    await settle();
    assert.deepEqual(b.received, [entries, commitNews]);
  });

  it("keeps what was sent while the stream was being opened", async () => {
    const { a, b } = pair();
    a.start();
    b.start();
    await settle();
    FakeLinks.connect(a.links, b.links);
    a.transport.send(heartbeat(a, b));
    await settle();
    assert.equal(b.received.length, 1);
  });

  it("tells of peers of its region that are connected before and after the start", async () => {
    const { a, b } = pair();
    FakeLinks.connect(a.links, b.links);
    a.start();
    assert.deepEqual(a.up, [], "not from within start");
    await settle();
    assert.deepEqual(a.up, [b.links.self]);
    FakeLinks.disconnect(a.links, b.links);
    FakeLinks.connect(a.links, b.links);
    assert.deepEqual(a.up, [b.links.self, b.links.self]);
  });

  it("opens its stream again once the peer has founded its region too", async () => {
    const { clock, a, b } = pair();
    FakeLinks.connect(a.links, b.links);
    a.start();
    await settle();
    b.start();
    await clock.advance(1_000);
    a.transport.send(heartbeat(a, b));
    await settle();
    assert.equal(b.received.length, 1);
  });

  it("counts what it can not send", async () => {
    const { a, b } = await connected();
    FakeLinks.disconnect(a.links, b.links);
    a.transport.send(heartbeat(a, b));
    assert.deepEqual(a.metrics.drops.slice(-1), ["raft-not-connected"]);
  });

  it("bounds what waits for a peer that does not read, and keeps a place for heartbeats (R60)", async () => {
    const world = pair({ queueBytesMax: 10_000 });
    const { a, b } = world;
    a.start();
    b.start();
    await settle();
    a.links.windowBytes = 1;
    FakeLinks.connect(a.links, b.links);
    await settle();
    for (let i = 0; i < 5; i++) a.transport.send(append(a, b, 4_000));
    a.transport.send(heartbeat(a, b));
    assert.deepEqual(a.metrics.drops, ["raft-queue-full", "raft-queue-full", "raft-queue-full"]);
    a.links.opened[0]!.stream.allow(Number.POSITIVE_INFINITY);
    await settle();
    assert.deepEqual(
      b.received.map(({ type }) => type),
      ["heartbeat", "append", "append"],
    );
  });

  const preambles: readonly (readonly [string, (a: Side, b: Side) => unknown])[] = [
    ["another cluster (F17)", (a, b) => [1, "c2", a.links.self, b.links.self]],
    ["another sender (R60)", (_a, b) => [1, CLUSTER, b.links.self, b.links.self]],
    ["another receiver", (a) => [1, CLUSTER, a.links.self, a.links.self]],
    ["an older version than was agreed", (a, b) => [0, CLUSTER, a.links.self, b.links.self]],
    ["a newer version than was agreed", (a, b) => [2, CLUSTER, a.links.self, b.links.self]],
    ["too few fields", () => [1, CLUSTER]],
  ];
  for (const [what, preamble] of preambles) {
    it(`resets a stream whose preamble names ${what}`, async () => {
      const { a, b } = await connected();
      const raw = b.links.openRaw(a.links.self, RAFT_PROTOCOL);
      raw.send(framed(pack(preamble(a, b)), encodeRaftMessage(heartbeat(a, b))));
      await settle();
      assert.equal(raw.isClosed, true);
      assert.deepEqual(b.received, []);
      assert.deepEqual(b.metrics.badFrames, ["raft"]);
    });
  }

  it("R15: resets a stream at the first message that is not valid", async () => {
    const { a, b } = await connected();
    const raw = b.links.openRaw(a.links.self, RAFT_PROTOCOL);
    const preamble = pack([1, CLUSTER, a.links.self, b.links.self]);
    const good = encodeRaftMessage(heartbeat(a, b));
    raw.send(framed(preamble, good, pack([6, -1, 1, 1, 0]), good));
    await settle();
    assert.equal(b.received.length, 1);
    assert.equal(raw.isClosed, true);
    assert.deepEqual(b.metrics.badFrames, ["raft"]);
  });

  it("a message of a type that only newer nodes know costs its stream, and the next one serves again", async () => {
    const { a, b } = await connected();
    const preamble = pack([1, CLUSTER, a.links.self, b.links.self]);
    const good = encodeRaftMessage(heartbeat(a, b));
    const first = b.links.openRaw(a.links.self, RAFT_PROTOCOL);
    first.send(framed(preamble, good, pack([200, 1, "what is to come"]), good));
    await settle();
    assert.deepEqual([b.received.length, first.isClosed, b.metrics.badFrames], [1, true, ["raft"]]);
    b.links.openRaw(a.links.self, RAFT_PROTOCOL).send(framed(preamble, good));
    await settle();
    assert.equal(b.received.length, 2);
  });

  it("a stream that is played back from another connection is none of its sender's (R60)", async () => {
    const { a, b } = await connected();
    const mallory = new FakeLinks(peerInfo("m"));
    FakeLinks.connect(mallory, b.links);
    const recorded = framed(pack([1, CLUSTER, a.links.self, b.links.self]), encodeRaftMessage(heartbeat(a, b)));
    const raw = b.links.openRaw(mallory.self, RAFT_PROTOCOL);
    raw.send(recorded);
    await settle();
    assert.deepEqual([raw.isClosed, b.received, b.metrics.badFrames], [true, [], ["raft"]]);
  });

  it("accepts no stream from another region", async () => {
    const { a, b } = await connected();
    const abroad = new FakeLinks(peerInfo("x", "eu-west"));
    FakeLinks.connect(abroad, b.links);
    const raw = b.links.openRaw(abroad.self, RAFT_PROTOCOL);
    raw.send(framed(pack([1, CLUSTER, abroad.self, b.links.self]), encodeRaftMessage(heartbeat(a, b))));
    await settle();
    assert.equal(raw.isClosed, true);
    assert.deepEqual(b.received, []);
  });
});

describe("snapshots", () => {
  const headerOf = (side: Side): SnapshotHeader => ({
    cluster: CLUSTER,
    term: 2,
    lastIndex: 10,
    lastTerm: 1,
    membership: foundingMembership([{ id: side.links.self, name: side.links.info.name }]),
  });

  async function* chunksOf(...sizes: number[]): AsyncGenerator<Uint8Array> {
    for (const [i, size] of sizes.entries()) yield new Uint8Array(size).fill(i);
  }

  it("arrive chunk by chunk, and the sender hears when they are installed", async () => {
    const { a, b } = await connected();
    const sizes: number[] = [];
    b.install = async (from, header, chunks) => {
      assert.equal(from, a.links.self);
      assert.deepEqual(header, headerOf(a));
      for await (const chunk of chunks) sizes.push(chunk.length);
    };
    await a.transport.sendSnapshot(b.links.self, headerOf(a), chunksOf(100_000, 0, 3, 200_000));
    assert.deepEqual(sizes, [100_000, 0, 3, 200_000]);
  });

  it("hold the sender up while the receiver writes", async () => {
    const { a, b } = await connected();
    const gate = Promise.withResolvers<void>();
    const MIB = 1024 * 1024;
    let read = 0;
    b.install = async (_from, _header, chunks) => {
      await gate.promise;
      for await (const chunk of chunks) read += chunk.length;
    };
    a.links.windowBytes = Number.POSITIVE_INFINITY;
    let taken = 0;
    async function* counted() {
      for (let i = 0; i < 20; i++) {
        taken++;
        yield new Uint8Array(MIB);
      }
    }
    const sent = a.transport.sendSnapshot(b.links.self, headerOf(a), counted());
    for (let turn = 0; turn < 10; turn++) await settle();
    assert.equal(read, 0);
    gate.resolve();
    await sent;
    assert.equal(read, 20 * MIB);
    assert.equal(taken, 20);
  });

  it("that are refused are told so, without being sent whole", async () => {
    const { a, b } = await connected();
    b.install = async () => {
      throw new Error("of an older term");
    };
    let taken = 0;
    async function* endless() {
      for (;;) {
        taken++;
        yield new Uint8Array(100_000);
        await settle();
      }
    }
    const sent = a.transport.sendSnapshot(b.links.self, headerOf(a), endless());
    await assert.rejects(
      sent,
      (error) => error instanceof NetworkError && error.detail.code === "REMOTE" && /older term/.test(error.message),
    );
    assert.ok(taken < 20, `${taken} chunks were read`);
  });

  it("fail on both sides when the link breaks", async () => {
    const { a, b } = await connected();
    const ended = Promise.withResolvers<unknown>();
    b.install = async (_from, _header, chunks) => {
      try {
        for await (const _ of chunks) a.links.opened.at(-1)!.stream.abort(new Error("cut"));
      } catch (error) {
        ended.resolve(error);
        throw error;
      }
    };
    async function* slow() {
      yield new Uint8Array(10);
      await settle();
      await settle();
      yield new Uint8Array(10);
    }
    const sent = a.transport.sendSnapshot(b.links.self, headerOf(a), slow());
    await assert.rejects(sent, (error) => error instanceof NetworkError && error.detail.code === "PEER_LOST");
    assert.ok((await ended.promise) instanceof Error);
  });

  it("in which nothing moves are given up", async () => {
    const { clock, a, b } = await connected();
    b.install = () => new Promise(() => {});
    const sent = a.transport.sendSnapshot(b.links.self, headerOf(a), chunksOf(1));
    const failed = assert.rejects(sent, (error) => error instanceof NetworkError && error.detail.code === "TIMEOUT");
    await settle();
    await clock.advance(61_000);
    await failed;
  });

  it("that break the protocol are reset and counted", async () => {
    const { a, b } = await connected();
    const raw = b.links.openRaw(a.links.self, SNAPSHOT_PROTOCOL);
    const failed = Promise.withResolvers<unknown>();
    b.install = async (_from, _header, chunks) => {
      try {
        for await (const _ of chunks);
      } catch (error) {
        failed.resolve(error);
        throw error;
      }
    };
    const preamble = pack([1, CLUSTER, a.links.self, b.links.self]);
    raw.send(framed(preamble, encodeSnapshotHeader(headerOf(a)), Uint8Array.of(9)));
    assert.ok((await failed.promise) instanceof Error);
    await settle();
    assert.deepEqual(b.metrics.badFrames, ["snapshot"]);
    assert.equal(raw.isClosed, true);
  });
});
