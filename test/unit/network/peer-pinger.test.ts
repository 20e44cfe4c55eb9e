import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NetworkError, type RequestHandler, type RequestResponse } from "../../../src/network/interface.ts";
import { PeerPinger } from "../../../src/network/peer-pinger.ts";
import { asClusterId, type ClusterId, type NodeId } from "../../../src/types/ids.ts";
import { FakeLinks, peerInfo } from "../../support/fake-links.ts";
import { settle } from "../../support/fake-stream.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

/** One pinger whose peer answers as the test says. */
class Bench {
  readonly clock = new VirtualClock();
  readonly links = new FakeLinks(peerInfo("a"));
  readonly peer = new FakeLinks(peerInfo("b"));
  readonly asked: unknown[] = [];
  readonly pongs: { readonly ms: number; readonly isHeard: boolean }[] = [];
  readonly learned: ClusterId[] = [];
  readonly silent: NodeId[] = [];
  ours: ClusterId | null = null;
  answer: () => Promise<unknown> = async () => [null, true];
  serve: RequestHandler = async () => assert.fail("no handler");
  readonly pinger: PeerPinger;

  constructor() {
    const requests: RequestResponse = {
      request: (_to, _method, payload) => {
        this.asked.push(payload);
        return this.answer();
      },
      handle: (_method, handler) => {
        this.serve = handler;
      },
    };
    this.pinger = new PeerPinger({
      links: this.links,
      requests,
      clock: this.clock,
      intervalMs: 1_000,
      cluster: () => this.ours,
      learnCluster: (_peer, cluster) => this.learned.push(cluster),
      hears: () => false,
      onPong: (_peer, ms, isHeard) => this.pongs.push({ ms, isHeard }),
      onSilent: (peer) => this.silent.push(peer),
    });
    this.pinger.start();
    FakeLinks.connect(this.links, this.peer);
  }

  /** What the real requests do when nobody answers. */
  async timeOut(): Promise<never> {
    throw new NetworkError("late", { code: "TIMEOUT", peer: this.peer.self, timeoutMs: 1 });
  }
}

describe("PeerPinger", () => {
  it("asks at once and then again and again, and measures the round trip", async () => {
    const bench = new Bench();
    await settle();
    bench.answer = () => new Promise((resolve) => void bench.clock.schedule(40, () => resolve([null, false])));
    await bench.clock.advance(1_100);
    assert.deepEqual(bench.pongs, [
      { ms: 0, isHeard: true },
      { ms: 40, isHeard: false },
    ]);
  });

  it("F14: reports a peer after three unanswered pings in a row", async () => {
    const bench = new Bench();
    await settle();
    bench.answer = () => bench.timeOut();
    await bench.clock.advance(2_000);
    bench.answer = async () => [null, true];
    await bench.clock.advance(1_000);
    bench.answer = () => bench.timeOut();
    await bench.clock.advance(2_000);
    assert.deepEqual(bench.silent, [], "an answer in between starts the count anew");
    await bench.clock.advance(1_000);
    assert.deepEqual(bench.silent, [bench.peer.self]);
  });

  it("takes a refusal for a sign of life", async () => {
    const bench = new Bench();
    bench.answer = async () => {
      throw new NetworkError("busy", { code: "REMOTE", peer: bench.peer.self, remoteCode: "OVERLOADED" });
    };
    await bench.clock.advance(10_000);
    assert.deepEqual(bench.silent, []);
  });

  it("carries the cluster both ways", async () => {
    const bench = new Bench();
    bench.answer = async () => ["c1", true];
    await bench.clock.advance(1_000);
    assert.equal(bench.learned.at(-1), "c1");
    bench.ours = asClusterId("c9");
    assert.deepEqual(await bench.serve(bench.peer.info, ["c2"]), ["c9", false]);
    assert.equal(bench.learned.at(-1), "c2");
  });

  it("announces at once, also while a ping is under way", async () => {
    const bench = new Bench();
    await settle();
    const gate = Promise.withResolvers<unknown>();
    bench.answer = () => gate.promise;
    await bench.clock.advance(1_000);
    bench.ours = asClusterId("c1");
    bench.pinger.announce();
    gate.resolve([null, true]);
    await settle();
    assert.deepEqual(bench.asked.at(-1), ["c1"]);
  });

  it("takes a pong that makes no sense for none", async () => {
    const bench = new Bench();
    await settle();
    bench.answer = async () => "pong";
    await bench.clock.advance(5_000);
    assert.ok(bench.silent.length > 0);
    assert.equal(bench.pongs.length, 1);
  });
});
