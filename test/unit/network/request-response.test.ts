import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pack } from "../../../src/network/codec.ts";
import { NetworkError } from "../../../src/network/interface.ts";
import { LogLimiter } from "../../../src/network/log-limiter.ts";
import { REQUEST_PAYLOAD_BYTES_MAX, REQUEST_PROTOCOL } from "../../../src/network/protocols.ts";
import { Libp2pRequestResponse } from "../../../src/network/request-response.ts";
import type { Tracing } from "../../../src/types/tracing.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { CountedNetworkMetrics } from "../../support/counted-network-metrics.ts";
import { FakeLinks, peerInfo } from "../../support/fake-links.ts";
import { settle } from "../../support/fake-stream.ts";
import { FakeTracing, traceparent } from "../../support/fake-tracing.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

function pair({ servedMax = 1_000, tracing }: { servedMax?: number; tracing?: Tracing } = {}) {
  const clock = new VirtualClock();
  const sides = ["a", "b"].map((name) => {
    const links = new FakeLinks(peerInfo(name));
    const metrics = new CountedNetworkMetrics();
    const logLimiter = new LogLimiter(clock);
    const common = { links, clock, logger: silentLogger, logLimiter, metrics, servedMax };
    const requests = new Libp2pRequestResponse({ ...common, tracing });
    return { links, metrics, requests };
  });
  const [a, b] = sides as [(typeof sides)[0], (typeof sides)[0]];
  FakeLinks.connect(a.links, b.links);
  return { clock, a, b };
}

const withCode = (code: string) => (error: unknown) => error instanceof NetworkError && error.detail.code === code;
const never = () => new Promise<never>(() => {});

describe("requests", () => {
  it("are answered by the handler of their method, who learns who asks", async () => {
    const { a, b } = pair();
    b.requests.handle("greet", async (from, payload) => ({ from: from.name, payload }));
    const answer = await a.requests.request(b.links.self, "greet", [1, "two"], { timeoutMs: 100 });
    assert.deepEqual(answer, { from: "a", payload: [1, "two"] });
  });

  it("are part of the trace that they were asked in, on both sides; the others are not traced at all", async () => {
    const tracing = new FakeTracing();
    const { a, b } = pair({ tracing });
    const seen: unknown[] = [];
    b.requests.handle("greet", async () => void seen.push(tracing.current()));
    const ask = () => a.requests.request(b.links.self, "greet", null, { timeoutMs: 100 });
    await ask();
    assert.deepEqual([seen, tracing.started], [[undefined], []]);
    await tracing.within(1, ask);
    const [client, server] = tracing.started;
    assert.deepEqual([client?.kind, client?.parent], ["client", traceparent(1)]);
    assert.deepEqual([server?.kind, server?.parent, seen[1]], ["server", client?.traceparent, server?.traceparent]);
    assert.deepEqual(client?.attributes, {
      "rpc.system.name": "atoll",
      "rpc.method": "greet",
      "atoll.peer.name": "b",
      "atoll.peer.region": "us-east",
    });
    await settle();
    assert.deepEqual(tracing.ended, [{ name: "greet" }, { name: "greet" }]);
    await tracing.within(1, () => assert.rejects(a.requests.request(b.links.self, "x", null, { timeoutMs: 100 })));
    assert.deepEqual(tracing.ended.at(-1), { name: "x", error: "UNKNOWN_METHOD" });
  });

  it("are served whether or not the other side knows of traces, and carry nothing of them where there are none", async () => {
    const { a, b } = pair();
    b.requests.handle("greet", async () => "here");
    assert.equal(await a.requests.request(b.links.self, "greet", null, { timeoutMs: 100 }), "here");
    const { stream } = a.links.opened[0]!;
    stream.send(framed([7, "greet", pack(null), traceparent(1)]));
    await settle();
    assert.deepEqual(b.metrics.badFrames, []);
    stream.send(framed([8, "greet", pack(null), "00-not-a-trace"]));
    await settle();
    assert.deepEqual(b.metrics.badFrames, ["request"]);
  });

  it("share one stream, and are matched to their answers in any order", async () => {
    const { a, b } = pair();
    const release = new Map<number, () => void>();
    b.requests.handle(
      "wait",
      (_from, payload) => new Promise((done) => release.set(payload as number, () => done(payload))),
    );
    const asked = [1, 2, 3].map((n) => a.requests.request(b.links.self, "wait", n, { timeoutMs: 100 }));
    await settle();
    for (const n of [3, 1, 2]) release.get(n)!();
    assert.deepEqual(await Promise.all(asked), [1, 2, 3]);
    assert.equal(a.links.opened.length, 1);
  });

  it("fail with TIMEOUT when no answer came in time, and a late answer does no harm", async () => {
    const { clock, a, b } = pair();
    const gate = Promise.withResolvers<void>();
    b.requests.handle("slow", () => gate.promise);
    b.requests.handle("quick", async () => "here");
    const asked = a.requests.request(b.links.self, "slow", null, { timeoutMs: 500 });
    await Promise.all([assert.rejects(asked, withCode("TIMEOUT")), clock.advance(500)]);
    gate.resolve();
    assert.equal(await a.requests.request(b.links.self, "quick", null, { timeoutMs: 500 }), "here");
  });

  it("fail with PEER_LOST at once when the link ends", async () => {
    const { a, b } = pair();
    b.requests.handle("never", never);
    const asked = a.requests.request(b.links.self, "never", null, { timeoutMs: 60_000 });
    await settle();
    const failed = assert.rejects(asked, withCode("PEER_LOST"));
    FakeLinks.disconnect(a.links, b.links);
    await failed;
  });

  it("fail with NOT_CONNECTED without a link, or when no stream can be opened", async () => {
    const { a, b } = pair();
    const stranger = peerInfo("c").nodeId;
    await assert.rejects(a.requests.request(stranger, "x", null, { timeoutMs: 100 }), withCode("NOT_CONNECTED"));
    a.links.refusesToOpen = true;
    await assert.rejects(a.requests.request(b.links.self, "x", null, { timeoutMs: 100 }), withCode("NOT_CONNECTED"));
  });

  it("open a new stream after the old one broke", async () => {
    const { a, b } = pair();
    b.requests.handle("echo", async (_from, payload) => payload);
    await a.requests.request(b.links.self, "echo", 1, { timeoutMs: 100 });
    a.links.opened[0]!.stream.abort(new Error("broken"));
    assert.equal(await a.requests.request(b.links.self, "echo", 2, { timeoutMs: 100 }), 2);
    assert.equal(a.links.opened.length, 2);
  });

  it("carry the code of an error that the handler meant", async () => {
    const { a, b } = pair();
    b.requests.handle("refuse", async () => {
      throw new NetworkError("no", { code: "TOO_LARGE", bytes: 2, bytesMax: 1 });
    });
    const asked = a.requests.request(b.links.self, "refuse", null, { timeoutMs: 100 });
    await assert.rejects(
      asked,
      (error) =>
        error instanceof NetworkError && error.detail.code === "REMOTE" && error.detail.remoteCode === "TOO_LARGE",
    );
  });

  it("carry nothing of an error that the handler did not mean", async () => {
    const { a, b } = pair();
    b.requests.handle("crash", async () => {
      throw new Error("the password is 1234");
    });
    const asked = a.requests.request(b.links.self, "crash", null, { timeoutMs: 100 });
    await assert.rejects(asked, (error) => {
      assert.ok(
        error instanceof NetworkError && error.detail.code === "REMOTE" && error.detail.remoteCode === "INTERNAL",
      );
      return !error.message.includes("1234");
    });
  });

  it("to an unknown method are refused by name", async () => {
    const { a, b } = pair();
    const asked = a.requests.request(b.links.self, "nonsense", null, { timeoutMs: 100 });
    await assert.rejects(
      asked,
      (error) =>
        error instanceof NetworkError && error.detail.code === "REMOTE" && error.detail.remoteCode === "UNKNOWN_METHOD",
    );
  });

  it("over 1 MiB are not sent, and answers over 1 MiB are an error", async () => {
    const { a, b } = pair();
    const large = new Uint8Array(REQUEST_PAYLOAD_BYTES_MAX);
    await assert.rejects(a.requests.request(b.links.self, "x", large, { timeoutMs: 100 }), withCode("TOO_LARGE"));
    b.requests.handle("large", async () => large);
    await assert.rejects(a.requests.request(b.links.self, "large", null, { timeoutMs: 100 }), withCode("REMOTE"));
  });

  it("beyond those that are served at a time are answered OVERLOADED", async () => {
    const { a, b } = pair({ servedMax: 2 });
    const gate = Promise.withResolvers<void>();
    b.requests.handle("wait", () => gate.promise);
    const kept = [1, 2].map(() => a.requests.request(b.links.self, "wait", null, { timeoutMs: 1_000 }));
    const refused = a.requests.request(b.links.self, "wait", null, { timeoutMs: 1_000 });
    await assert.rejects(
      refused,
      (error) =>
        error instanceof NetworkError && error.detail.code === "REMOTE" && error.detail.remoteCode === "OVERLOADED",
    );
    gate.resolve();
    await Promise.all(kept);
    assert.equal(await a.requests.request(b.links.self, "wait", null, { timeoutMs: 1_000 }), null);
    assert.deepEqual(b.metrics.drops, ["request-overloaded"]);
  });

  const hostile: readonly (readonly [string, Uint8Array])[] = [
    ["garbage", Buffer.from("00000003c1c1c1", "hex")],
    ["a frame over the limit", Buffer.from("7fffffff", "hex")],
    ["a request without a method", framed([1, "", pack(null)])],
    ["a payload that is no value", framed([1, "x", Buffer.from("ddffffffff", "hex")])],
    ["a negative id", framed([-1, "x", pack(null)])],
  ];
  for (const [what, bytes] of hostile) {
    it(`that are ${what} reset the stream and are counted`, async () => {
      const { a, b } = pair();
      b.requests.handle("x", async () => assert.fail("was served"));
      const raw = b.links.openRaw(a.links.self, REQUEST_PROTOCOL);
      raw.send(bytes);
      await settle();
      assert.equal(raw.isClosed, true);
      assert.deepEqual(b.metrics.badFrames, ["request"]);
    });
  }
});

function framed(value: unknown): Uint8Array {
  const payload = pack(value);
  const header = Buffer.alloc(4);
  header.writeUInt32BE(payload.length);
  return Buffer.concat([header, payload]);
}
