import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NetworkError, type RequestHandler, type RequestResponse } from "../../../src/network/interface.ts";
import { PeerPinger } from "../../../src/network/peer-pinger.ts";
import { asClusterId, type ClusterId, type NodeId } from "../../../src/types/ids.ts";
import type { Random } from "../../../src/util/random.ts";
import { FakeLinks, peerInfo } from "../../support/fake-links.ts";
import { settle } from "../../support/fake-stream.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const INTERVAL_MS = 5_000;
/** At most, after a link has shown that it works. */
const QUIET_MS = 6_000;
/** A ping that is not answered ends after this, and so does the wait after one that found something wrong. */
const QUICK_MS = 2_000;

/** One pinger whose peer answers as the test says. */
class Bench {
  readonly clock = new VirtualClock();
  /** The longest that may be. */
  readonly chance: Random = { next: () => 1 };
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
      random: this.chance,
      intervalMs: INTERVAL_MS,
      cluster: () => this.ours,
      learnCluster: (_peer, cluster) => this.learned.push(cluster),
      hears: () => false,
      onPong: (_peer, ms, isHeard) => this.pongs.push({ ms, isHeard }),
      onSilent: (peer) => this.silent.push(peer),
    });
    FakeLinks.connect(this.links, this.peer);
  }

  /** What the real requests do when nobody answers. */
  timeOut(): Promise<never> {
    const late = new NetworkError("late", { code: "TIMEOUT", peer: this.peer.self, timeoutMs: QUICK_MS });
    return new Promise((_, reject) => void this.clock.schedule(QUICK_MS, () => reject(late)));
  }

  /** A link that has shown that it works; its last ping was answered just now. */
  static async proven(): Promise<Bench> {
    const bench = new Bench();
    await settle();
    await bench.clock.advance(2 * QUICK_MS);
    assert.equal(bench.pongs.length, 3);
    return bench;
  }
}

describe("PeerPinger", () => {
  it("asks at once and then again and again, and measures the round trip", async () => {
    const bench = new Bench();
    await settle();
    bench.answer = () => new Promise((resolve) => void bench.clock.schedule(40, () => resolve([null, false])));
    await bench.clock.advance(QUICK_MS + 40);
    assert.deepEqual(bench.pongs, [
      { ms: 0, isHeard: true },
      { ms: 40, isHeard: false },
    ]);
  });

  it("asks a link that works less often, and one that something is wrong with in quick succession", async () => {
    const bench = await Bench.proven();
    await bench.clock.advance(QUIET_MS - 1);
    assert.equal(bench.asked.length, 3);
    bench.answer = async () => [null, false];
    await bench.clock.advance(1);
    assert.equal(bench.asked.length, 4);
    await bench.clock.advance(5 * QUICK_MS);
    assert.equal(bench.asked.length, 9, "as long as our gossip is not heard there");
  });

  it("takes being asked for asking: a quiet link costs one ping in each interval", async () => {
    const bench = await Bench.proven();
    for (let i = 0; i < 10; i++) {
      await bench.clock.advance(INTERVAL_MS);
      await bench.serve(bench.peer.info, [null]);
    }
    assert.equal(bench.asked.length, 3, "the peer was always first");
    await bench.clock.advance(QUIET_MS);
    assert.equal(bench.asked.length, 4);
  });

  it("is not kept from asking what it must know by a peer that asks all the time", async () => {
    const bench = new Bench();
    bench.answer = () => bench.timeOut();
    for (let i = 0; i < 20; i++) {
      await bench.clock.advance(500);
      await bench.serve(bench.peer.info, [null]);
    }
    assert.ok(bench.silent.length > 0);
  });

  it("F14: reports a peer after three unanswered pings in a row, 12 s after its last answer at most", async () => {
    const bench = await Bench.proven();
    bench.answer = () => bench.timeOut();
    await bench.clock.advance(QUIET_MS + 3 * QUICK_MS - 1);
    assert.deepEqual(bench.silent, []);
    await bench.clock.advance(1);
    assert.deepEqual(bench.silent, [bench.peer.self]);
  });

  it("F14: an answer in between starts the count anew", async () => {
    const bench = await Bench.proven();
    bench.answer = () => bench.timeOut();
    await bench.clock.advance(QUIET_MS + QUICK_MS);
    bench.answer = async () => [null, true];
    await bench.clock.advance(QUICK_MS);
    bench.answer = () => bench.timeOut();
    await bench.clock.advance(3 * QUICK_MS - 1);
    assert.deepEqual(bench.silent, []);
  });

  it("asks nobody who has gone", async () => {
    const bench = await Bench.proven();
    FakeLinks.disconnect(bench.links, bench.peer);
    await bench.clock.advance(10 * QUIET_MS);
    assert.equal(bench.asked.length, 3);
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
    await bench.clock.advance(QUICK_MS);
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
    await bench.clock.advance(QUICK_MS);
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
    await bench.clock.advance(3 * QUICK_MS);
    assert.ok(bench.silent.length > 0);
    assert.equal(bench.pongs.length, 1);
  });
});
