import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { NetworkError, type RaftTransportListener } from "../../src/network/interface.ts";
import type { NetworkOptions } from "../../src/network/network.ts";
import { summaryTopic } from "../../src/network/protocols.ts";
import type { GossipSummaryChannel } from "../../src/network/summary-channel.ts";
import { asClusterId, asNodeId, asNodeName, asRegionId, type NodeId } from "../../src/types/ids.ts";
import { foundingMembership, NO_MEMBERS } from "../../src/types/membership.ts";
import type { RaftMessage, SnapshotHeader } from "../../src/types/raft.ts";
import {
  becomes,
  eventually,
  FEDERATION,
  type LoopbackNode,
  linked,
  PSK,
  startNode,
} from "../support/loopback-network.ts";
import { dialRaw, sayHello, startRawPeer } from "../support/raw-peer.ts";

const limit = { timeout: 30_000 };
const CLUSTER = asClusterId("c1");

async function startPair(
  test: TestContext,
  ofA: Partial<NetworkOptions> = {},
  ofB: Partial<NetworkOptions> = {},
): Promise<[LoopbackNode, LoopbackNode]> {
  const a = await startNode(test, { ...ofA, name: asNodeName("a") });
  const b = await startNode(test, { ...ofB, name: asNodeName("b"), memberTargets: [a.target] });
  await linked(a, b);
  return [a, b];
}

function listen(node: LoopbackNode, hooks: Partial<RaftTransportListener> = {}): RaftMessage[] {
  const received: RaftMessage[] = [];
  node.raft.start(CLUSTER, {
    onMessage: (_from, message) => received.push(message),
    onSnapshot: async () => {},
    onPeerGone: () => {},
    onPeerUp: () => {},
    ...hooks,
  });
  return received;
}

const heartbeat = (from: NodeId, to: NodeId, commit: number): RaftMessage => ({
  ...{ from, to, term: 1, type: "heartbeat" },
  ...{ commit, leaderCommit: commit, sinceQuorumMs: 0, readRound: 0, sentAt: 1, echo: 0, echoHeldMs: 0 },
});

/** Sends heartbeats until one arrives: the stream of a pair that just started may have been refused once. */
async function openRaft(a: LoopbackNode, b: LoopbackNode, received: RaftMessage[]): Promise<void> {
  await eventually(() => {
    a.raft.send(heartbeat(a.nodeId, b.nodeId, 0));
    return received.length > 0;
  });
  const marker = heartbeat(a.nodeId, b.nodeId, 999_999);
  a.raft.send(marker);
  await eventually(
    () => received.at(-1)?.type === "heartbeat" && (received.at(-1) as { commit: number }).commit === 999_999,
  );
  received.length = 0;
}

describe("Raft between two nodes", () => {
  it("delivers messages in order, large and small", limit, async (test) => {
    const [a, b] = await startPair(test);
    listen(a);
    const received = listen(b);
    await openRaft(a, b, received);
    const sent = Array.from({ length: 300 }, (_, i): RaftMessage => {
      const data = new Uint8Array(i % 50 === 0 ? 500_000 : 100).fill(i);
      const entries = [{ index: i + 1, term: 1, kind: "command" as const, data }];
      return { from: a.nodeId, to: b.nodeId, term: 1, type: "append", prevIndex: i, prevTerm: 1, commit: i, entries };
    });
    for (const message of sent) a.raft.send(message);
    await eventually(() => received.length >= sent.length);
    assert.deepEqual(received, sent);
    assert.deepEqual(
      a.metrics.drops.filter((kind) => kind === "raft-queue-full"),
      [],
    );
  });

  it("streams a snapshot of many chunks", limit, async (test) => {
    const [a, b] = await startPair(test);
    const header: SnapshotHeader = {
      ...{ cluster: CLUSTER, term: 1, lastIndex: 9, lastTerm: 1 },
      membership: foundingMembership([{ id: b.nodeId, name: asNodeName("b") }]),
    };
    const parts = Array.from({ length: 128 }, (_, i) => new Uint8Array(64 * 1024).fill(i));
    const received: Uint8Array[] = [];
    listen(a);
    listen(b, {
      onSnapshot: async (from, got, chunks) => {
        assert.equal(from, a.nodeId);
        assert.deepEqual(got, header);
        for await (const chunk of chunks) received.push(Uint8Array.from(chunk));
      },
    });
    async function* chunks() {
      yield* parts;
    }
    await a.raft.sendSnapshot(b.nodeId, header, chunks());
    assert.deepEqual(Buffer.concat(received), Buffer.concat(parts));
  });

  it("passes between an older node and a newer one in the version that both know", limit, async (test) => {
    const [older, newer] = await startPair(test, { versions: { min: 1, max: 1 } }, { versions: { min: 1, max: 2 } });
    const [byOlder, byNewer] = [listen(older), listen(newer, { onSnapshot: async () => {} })];
    await openRaft(older, newer, byNewer);
    await openRaft(newer, older, byOlder);
    const header: SnapshotHeader = {
      ...{ cluster: CLUSTER, term: 1, lastIndex: 9, lastTerm: 1 },
      membership: NO_MEMBERS,
    };
    async function* nothing() {}
    await older.raft.sendSnapshot(newer.nodeId, header, nothing());
    assert.deepEqual([...older.metrics.refusals, ...newer.metrics.refusals], []);
  });

  it("tells the sender that a snapshot was refused, without reading it", limit, async (test) => {
    const [a, b] = await startPair(test);
    listen(a);
    listen(b, {
      onSnapshot: async () => {
        throw new Error("of an older term");
      },
    });
    const header: SnapshotHeader = {
      ...{ cluster: CLUSTER, term: 1, lastIndex: 9, lastTerm: 1 },
      membership: NO_MEMBERS,
    };
    async function* endless() {
      for (;;) yield new Uint8Array(64 * 1024);
    }
    const sent = a.raft.sendSnapshot(b.nodeId, header, endless());
    await assert.rejects(sent, (error) => error instanceof NetworkError && error.detail.code === "REMOTE");
  });
});

describe("requests between two nodes", () => {
  it("are answered, also many at a time and up to 1 MiB", limit, async (test) => {
    const [a, b] = await startPair(test);
    b.requests.handle("echo", async (_from, payload) => payload);
    const large = new Uint8Array(1024 * 1024 - 8).fill(7);
    const asked = [large, ...Array.from({ length: 500 }, (_, i) => i)];
    const answers = await Promise.all(
      asked.map((payload) => a.requests.request(b.nodeId, "echo", payload, { timeoutMs: 10_000 })),
    );
    assert.deepEqual(Buffer.from(answers[0] as Uint8Array), Buffer.from(large));
    assert.deepEqual(answers.slice(1), asked.slice(1));
  });

  it("time out, and carry the other side's error", limit, async (test) => {
    const [a, b] = await startPair(test);
    b.requests.handle("never", () => new Promise(() => {}));
    b.requests.handle("fail", async () => {
      throw new NetworkError("not here", { code: "NOT_CONNECTED", peer: b.nodeId });
    });
    const late = a.requests.request(b.nodeId, "never", null, { timeoutMs: 50 });
    await assert.rejects(late, (error) => error instanceof NetworkError && error.detail.code === "TIMEOUT");
    const failed = a.requests.request(b.nodeId, "fail", null, { timeoutMs: 5_000 });
    await assert.rejects(
      failed,
      (error) =>
        error instanceof NetworkError && error.detail.code === "REMOTE" && error.detail.remoteCode === "NOT_CONNECTED",
    );
  });
});

async function startChild(
  test: TestContext,
  ...targets: string[]
): Promise<{ child: ChildProcess; nodeId: NodeId; port: number }> {
  const script = fileURLToPath(new URL("../support/network-child.ts", import.meta.url));
  const child = spawn(process.execPath, [script, ...targets], { stdio: ["ignore", "pipe", "inherit"] });
  test.after(() => child.kill("SIGKILL"));
  const [line] = (await once(child.stdout!, "data")) as [Buffer];
  const { nodeId, port } = JSON.parse(line.toString()) as { nodeId: string; port: number };
  return { child, nodeId: asNodeId(nodeId), port };
}

/** Passes bytes on to a port of this machine; `cut` resets what is connected and goes on listening. */
async function startRelay(test: TestContext, to: number): Promise<{ port: number; cut: () => void }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const onward = connect(to, "127.0.0.1");
    for (const [from, into] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      sockets.add(from);
      from.on("error", () => into.destroy());
      from.on("close", () => into.destroy());
      from.pipe(into);
    }
  });
  const cut = () => {
    for (const socket of sockets) socket.resetAndDestroy();
    sockets.clear();
  };
  test.after(() => {
    cut();
    server.close();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, cut };
}

describe("a peer that is killed", () => {
  it("fails pending requests at once", limit, async (test) => {
    const a = await startNode(test);
    const { child, nodeId } = await startChild(test, a.target);
    await becomes(a, nodeId, "up");
    assert.equal(await a.requests.request(nodeId, "echo", "there", { timeoutMs: 5_000 }), "there");
    const pending = a.requests.request(nodeId, "never", null, { timeoutMs: 600_000 });
    child.kill("SIGKILL");
    await assert.rejects(pending, (error) => error instanceof NetworkError && error.detail.code === "PEER_LOST");
    assert.equal(a.directory.get(nodeId), undefined);
  });

  it("P6: is reported as gone", limit, async (test) => {
    const a = await startNode(test);
    const gone = Promise.withResolvers<NodeId>();
    listen(a, { onPeerGone: gone.resolve });
    const { child, nodeId, port } = await startChild(test);
    a.directory.learn(asRegionId("us-east"), [`127.0.0.1:${port}`]);
    await becomes(a, nodeId, "up");
    child.kill("SIGKILL");
    assert.equal(await gone.promise, nodeId);
  });

  it("is not taken for one that only lost its connection", limit, async (test) => {
    const b = await startNode(test);
    const relay = await startRelay(test, b.listenPort);
    const a = await startNode(test, { memberTargets: [`127.0.0.1:${relay.port}`] });
    const gone: NodeId[] = [];
    let ups = 0;
    listen(a, { onPeerGone: (nodeId) => gone.push(nodeId), onPeerUp: () => ups++ });
    await eventually(() => ups === 1);
    relay.cut();
    await eventually(() => ups === 2);
    assert.deepEqual(gone, []);
  });
});

describe("links that end", () => {
  it("are dialled again when the peer is back on its port, with another key", limit, async (test) => {
    const a = await startNode(test, { name: asNodeName("a") });
    const b = await startNode(test, { name: asNodeName("b"), memberTargets: [a.target] });
    await linked(a, b);
    await a.stop();
    await becomes(b, a.nodeId, "down");
    const back = await startNode(test, { name: asNodeName("a"), listenPort: a.listenPort });
    await linked(b, back);
    assert.notEqual(back.nodeId, a.nodeId);
  });

  it("F15: are dialled at the new address of a name", limit, async (test) => {
    const first = await startNode(test, { listenHost: "127.0.0.2" });
    let address = "127.0.0.2";
    const b = await startNode(test, {
      peerTargets: [`registry-west.global:${first.listenPort}`],
      names: {
        addresses: async (host) => (host === "registry-west.global" ? [address] : [host]),
        services: async (name) => assert.fail(`${name} is not asked for`),
      },
    });
    await linked(first, b);
    await first.stop();
    address = "127.0.0.3";
    const moved = await startNode(test, { listenHost: "127.0.0.3", listenPort: first.listenPort });
    await linked(moved, b);
  });
});

describe("gossip", () => {
  /** What `node` hears from now on. */
  function hearing(node: LoopbackNode): Set<string> {
    const heard = new Set<string>();
    node.summaries.subscribe((message) => {
      heard.add(Buffer.from(message).toString());
      return "accept";
    });
    return heard;
  }

  /** Publishes under `text` until all of `heard` have it: what is lost before the streams are open is not repeated by gossip. */
  async function reaches(from: LoopbackNode, text: string, heard: readonly Set<string>[]): Promise<void> {
    await eventually(() => {
      from.summaries.publish(Buffer.from(text));
      return heard.every((set) => set.has(text));
    });
  }

  it("reaches every node that is linked, and nobody repeats it", limit, async (test) => {
    const hub = await startNode(test, { name: asNodeName("hub") });
    const b = await startNode(test, { name: asNodeName("b"), memberTargets: [hub.target] });
    const c = await startNode(test, {
      name: asNodeName("c"),
      region: asRegionId("eu-west"),
      peerTargets: [hub.target],
    });
    await Promise.all([linked(hub, b), linked(hub, c)]);
    const [heardByHub, heardByC] = [hearing(hub), hearing(c)];
    await reaches(b, "from b", [heardByHub]);
    assert.equal(b.directory.get(c.nodeId), undefined, "b and c are not connected");
    await reaches(hub, "from the hub", [heardByC]);
    assert.ok(!heardByC.has("from b"));
  });

  it("is told apart even when a message says the same again", limit, async (test) => {
    const [a, b] = await startPair(test);
    let count = 0;
    b.summaries.subscribe(() => {
      count++;
      return "accept";
    });
    await eventually(() => {
      a.summaries.publish(Buffer.from("nothing new"));
      return count >= 3;
    });
  });

  it("F13: reaches a node that was restarted with the same key within seconds", limit, async (test) => {
    const a = await startNode(test, { name: asNodeName("a") });
    const b = await startNode(test, { name: asNodeName("b"), peerTargets: [a.target] });
    const c = await startNode(test, { name: asNodeName("c"), peerTargets: [a.target, b.target] });
    await Promise.all([linked(a, b), linked(a, c), linked(b, c)]);
    await reaches(a, "before", [hearing(b), hearing(c)]);
    await c.stop();
    await Promise.all([becomes(a, c.nodeId, "down"), becomes(b, c.nodeId, "down")]);
    const targets = { peerTargets: [a.target, b.target], listenPort: c.listenPort };
    const back = await startNode(test, { ...targets, name: asNodeName("c"), key: c.key });
    assert.equal(back.nodeId, c.nodeId);
    await Promise.all([linked(a, back), linked(b, back)]);
    const heard = [hearing(a), hearing(b)];
    await Promise.all([reaches(a, "after", [hearing(back)]), reaches(back, "from the restarted", heard)]);
  });

  it("F13: reaches a peer that is out of the mesh and in its back-off", limit, async (test) => {
    const hub = await startNode(test, { name: asNodeName("hub") });
    hearing(hub);
    const outside = await startRawPeer(test);
    const { gossip } = outside.services;
    const topic = summaryTopic(FEDERATION);
    // It asks for a place in the mesh, and a direct peer gets none: that prune is the back-off of 60 s.
    const pruned = once(gossip as unknown as EventTarget, "gossipsub:prune");
    const got = new Set<string>();
    gossip.addEventListener("message", ({ detail }) => got.add(Buffer.from(detail.data).subarray(12).toString()));
    gossip.subscribe(topic);
    const identity = {
      ...{ federation: FEDERATION, region: asRegionId("us-east"), name: asNodeName("outside") },
      ...{ cluster: null, http: "http://outside", addresses: [] },
    };
    await sayHello(outside, await dialRaw(outside, hub.listenPort), identity, PSK);
    await pruned;
    await reaches(hub, "told", [got]);
  });

  it("F14: is taken up again after gossipsub lost a peer without noticing", limit, async (test) => {
    const [a, b] = await startPair(test);
    const heardByA = hearing(a);
    const heardByB = hearing(b);
    await Promise.all([reaches(a, "before", [heardByB]), reaches(b, "before", [heardByA])]);
    // What gossipsub does on a frame over its limit, while the connection stays.
    (a.summaries as GossipSummaryChannel).detach(b.nodeId);
    await Promise.all([reaches(a, "after", [heardByB]), reaches(b, "after", [heardByA])]);
    assert.notEqual(a.directory.get(b.nodeId), undefined);
  });

  it("does not send what is over 64 KiB", limit, async (test) => {
    const [a] = await startPair(test);
    a.summaries.publish(new Uint8Array(64 * 1024 + 1));
    assert.deepEqual(a.metrics.drops, ["summary-too-large"]);
  });

  it("counts what a listener rejects", limit, async (test) => {
    const [a, b] = await startPair(test);
    const heardByB = hearing(b);
    b.summaries.subscribe((message) => (Buffer.from(message).toString() === "lie" ? "reject" : "accept"));
    await reaches(a, "truth", [heardByB]);
    a.summaries.publish(Buffer.from("lie"));
    await b.metrics.until(() => b.metrics.drops.includes("summary-rejected"));
  });
});
