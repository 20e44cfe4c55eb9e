import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { generateRegionKey, RegionSigner } from "../../../src/federation/region-key.ts";
import { encode, PULL_CONTEXT, type PullAnswer, readPullBody } from "../../../src/federation/wire.ts";
import type { NetworkError } from "../../../src/network/interface.ts";
import { FakeFederation } from "../../support/fake-federation.ts";

const NONCE = "00".repeat(16);
const DIGESTS = "summary/digests";
const BUCKETS = "summary/buckets";

/** East with one node and 20 capabilities, whose gossip is lost; west is not started yet. */
function eastAlone(nodes = 1): FakeFederation {
  const all = new FakeFederation();
  all.network.gossipLoss = 1;
  all.found("east", nodes);
  all.declare("west", 1);
  for (let i = 0; i < 20; i++) all.regions.get("east")!.register(`a${i}`, `capability-${i}`);
  return all;
}

function ask(all: FakeFederation, payload: unknown): Promise<unknown> {
  const { requests } = all.node("west-1").node;
  return requests.request(all.node("east-1").node.self.nodeId, DIGESTS, payload, { timeoutMs: 5_000 });
}

const codeOf = ({ detail }: NetworkError) => (detail.code === "REMOTE" ? detail.remoteCode : detail.code);

describe("summary pull", () => {
  it("fetches only the buckets that differ", async () => {
    const all = eastAlone();
    all.start("west-1");
    await all.clock.advance(100);
    const fetched: number[] = [];
    all.node("east-1").node.requests.alter(BUCKETS, (answer) => {
      fetched.push((answer as PullAnswer).buckets.length);
      return answer;
    });
    all.regions.get("east")!.register("a7", "capability-7");
    await all.clock.advance(16_000);
    assert.deepEqual(fetched, [1]);
    assert.deepEqual(all.differences(), []);
  });

  it("takes a large summary in pages of about half a MiB", async () => {
    const all = eastAlone();
    const tags = ["t".repeat(1_900)];
    for (let i = 0; i < 1_000; i++) all.regions.get("east")!.register(`b${i}`, `large-${i}`, { tags });
    all.start("west-1");
    await all.clock.advance(500);
    assert.deepEqual(all.differences(), []);
    const pages = all.node("west-1").node.requests.sent.get(BUCKETS) ?? 0;
    assert.ok(pages >= 4 && pages <= 6, `${pages} pages`);
  });

  it("ends with equal digests while the region changes between the pages", async () => {
    const all = eastAlone();
    const east = all.regions.get("east")!;
    const tags = ["t".repeat(1_900)];
    for (let i = 0; i < 1_000; i++) east.register(`b${i}`, `large-${i}`, { tags });
    all.start("west-1");
    for (let i = 0; i < 20; i++) {
      await all.clock.advance(5);
      if (i % 2 === 0) east.deregister(`b${i * 40}`);
      else east.register(`c${i}`, `new-${i}`);
    }
    await all.clock.advance(12_000);
    assert.deepEqual(all.differences(), []);
  });

  it("turns to another node of the region when one answers nonsense", async () => {
    const all = eastAlone(3);
    let liar: string | undefined;
    for (const name of ["east-1", "east-2", "east-3"]) {
      all.node(name).node.requests.alter(DIGESTS, (answer) => {
        liar ??= name;
        return liar === name ? "nonsense" : answer;
      });
    }
    all.start("west-1");
    await all.clock.advance(10_000);
    assert.deepEqual(
      all.differences().filter((line) => line.startsWith("west-1")),
      [],
    );
    assert.ok(all.node("west-1").metrics.pulls.includes("failed"));
  });

  it("turns to another node when one is behind the newest header", async () => {
    const all = new FakeFederation();
    all.found("east", 2);
    all.node("east-2").view.freeze();
    for (let i = 0; i < 20; i++) all.regions.get("east")!.register(`a${i}`, `capability-${i}`);
    all.declare("west", 1);
    all.start("west-1");
    await all.clock.advance(8_000);
    assert.deepEqual(
      all.differences().filter((line) => line.startsWith("west-1")),
      [],
    );
  });

  it("P11: takes nothing from an answer that is not proven in every part", async () => {
    const lies: [string, string, (answer: PullAnswer) => unknown][] = [
      ["a flipped bit in the statement", DIGESTS, (answer) => ({ ...answer, body: flipped(answer.body) })],
      ["a flipped bit in the signature", DIGESTS, (answer) => ({ ...answer, signature: flipped(answer.signature) })],
      ["a flipped bit in the digests", DIGESTS, (answer) => ({ ...answer, digests: flipped(answer.digests!) })],
      ["digests that are too short", DIGESTS, (answer) => ({ ...answer, digests: answer.digests!.subarray(1) })],
      ["a bucket without its entries", BUCKETS, (answer) => ({ ...answer, buckets: emptied(answer.buckets) })],
      ["an entry that was altered", BUCKETS, (answer) => ({ ...answer, buckets: inflated(answer.buckets) })],
      ["an entry that is over a bound", BUCKETS, (answer) => ({ ...answer, buckets: bloated(answer.buckets) })],
      [
        "a number of a bucket that is none",
        BUCKETS,
        (answer) => ({ ...answer, buckets: [{ bucket: 256, entries: [] }] }),
      ],
    ];
    for (const [what, method, lie] of lies) {
      const all = eastAlone();
      all.node("east-1").node.requests.alter(method, (answer) => lie(answer as PullAnswer));
      const { federation } = all.start("west-1");
      await all.clock.advance(3_000);
      assert.equal(federation.status()[0]?.capabilities, 0, what);
      assert.equal(federation.status()[0]?.inSync, false, what);
    }
  });

  it("is told no digests when its own are equal, and takes that for proof as of when it asked", async () => {
    const all = eastAlone();
    const answers: PullAnswer[] = [];
    all.node("east-1").node.requests.alter(DIGESTS, (answer) => {
      answers.push(answer as PullAnswer);
      return answer;
    });
    all.start("west-1");
    await all.clock.advance(200);
    assert.deepEqual(
      answers.map(({ digests }) => digests?.length),
      [2_048],
      "to the first comparison, when nothing is held yet",
    );
    await all.clock.advance(60_000);
    assert.ok(answers.length > 2);
    assert.ok(answers.slice(1).every(({ digests }) => digests === undefined));
    assert.ok(all.node("west-1").federation.status()[0]!.summaryAgeMs < 20_000);
  });

  it("P11: digests that are left out although they differ are refused", async () => {
    const all = eastAlone();
    const { federation } = all.start("west-1");
    await all.clock.advance(200);
    all.node("east-1").node.requests.alter(DIGESTS, (answer) => {
      const { digests, ...rest } = answer as PullAnswer;
      return rest;
    });
    const before = federation.status()[0]!;
    all.regions.get("east")!.register("late", "capability-late");
    await all.clock.advance(60_000);
    const { capabilities, summaryAgeMs } = federation.status()[0]!;
    assert.equal(capabilities, before.capabilities);
    assert.ok(summaryAgeMs >= 59_000, `age ${summaryAgeMs}`);
    assert.ok(all.node("west-1").metrics.refusals.includes("malformed"));
  });

  it("P11: an answer made for another request is not taken for a fresh one", async () => {
    const all = eastAlone();
    all.start("west-1");
    await all.clock.advance(200);
    const recorded = (await all.until(ask(all, { nonce: NONCE, buckets: [] }))) as PullAnswer;
    all.node("east-1").node.requests.alter(DIGESTS, () => recorded);
    await all.clock.advance(40_000);
    const status = all.node("west-1").federation.status()[0]!;
    assert.ok(status.summaryAgeMs >= 39_000, `age ${status.summaryAgeMs}`);
    assert.ok(all.node("west-1").metrics.refusals.includes("bad-signature"));
  });

  it("P11: an answer signed with another key is refused and shown", async () => {
    const all = eastAlone();
    all.start("west-1");
    await all.clock.advance(200);
    const thief = generateRegionKey();
    const signer = new RegionSigner(() => thief);
    all.node("east-1").node.requests.alter(DIGESTS, (answer) => {
      const { body, digests } = answer as PullAnswer;
      return { publicKey: thief.publicKey, body, signature: signer.sign(PULL_CONTEXT, body), digests, buckets: [] };
    });
    await all.clock.advance(16_000);
    const status = all.node("west-1").federation.status()[0]!;
    assert.match(status.distrust ?? "", /key is not the pinned one/);
    assert.equal(status.capabilities, 20);
  });

  it("P11: a peer can not speak for a region that is not the one it is asked for", async () => {
    const all = eastAlone();
    const { key } = all.regions.get("east")!;
    const signer = new RegionSigner(() => key);
    all.node("east-1").node.requests.alter(DIGESTS, (answer) => {
      const { header, ...statement } = readPullBody((answer as PullAnswer).body);
      const body = encode({ header: { ...header, region: "north" }, ...statement });
      return { ...(answer as PullAnswer), body, signature: signer.sign(PULL_CONTEXT, body) };
    });
    const { federation, metrics } = all.start("west-1");
    await all.clock.advance(3_000);
    assert.deepEqual(
      federation.status().map(({ region, cluster }) => [region, cluster]),
      [["east", ""]],
    );
    assert.ok(metrics.refusals.includes("foreign"));
  });
});

describe("answers to pulls", () => {
  it("F16: are given to a peer only so often, and again after a while", async () => {
    const all = eastAlone();
    all.start("west-1");
    await all.clock.advance(1_000);
    const asks = Array.from({ length: 100 }, () =>
      ask(all, { nonce: NONCE, buckets: [] }).then(() => "answered", codeOf),
    );
    const outcomes = await all.until(Promise.all(asks));
    assert.equal(outcomes.filter((outcome) => outcome === "answered").length, 64);
    assert.equal(outcomes.filter((outcome) => outcome === "RATE_LIMITED").length, 36);
    await all.clock.advance(1_000);
    await all.until(ask(all, { nonce: NONCE, buckets: [] }));
  });

  it("are refused with a code when the question does not have its form", async () => {
    const all = eastAlone();
    all.start("west-1");
    for (const payload of [null, {}, { nonce: "x", buckets: [] }, { nonce: NONCE, buckets: [256] }]) {
      const outcome = ask(all, payload).then(() => "answered", codeOf);
      assert.equal(await all.until(outcome), "MALFORMED");
    }
  });

  it("say NOT_READY before the region has a key, and STOPPING once the node stops", async () => {
    const all = eastAlone();
    const { key } = all.regions.get("east")!;
    all.regions.get("east")!.key = undefined;
    all.start("west-1");
    const question = { nonce: NONCE, buckets: [] };
    assert.equal(await all.until(ask(all, question).catch(codeOf)), "NOT_READY");
    all.regions.get("east")!.key = key;
    all.node("east-1").federation.stop();
    assert.equal(await all.until(ask(all, question).catch(codeOf)), "STOPPING");
  });
});

function flipped(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[copy.length >> 1]! ^= 1;
  return copy;
}

const emptied = (buckets: PullAnswer["buckets"]) => buckets.map(({ bucket }) => ({ bucket, entries: [] }));

const inflated = (buckets: PullAnswer["buckets"]) =>
  buckets.map(({ bucket, entries }) => ({ bucket, entries: entries.map((entry) => ({ ...entry, healthy: 9 })) }));

const bloated = (buckets: PullAnswer["buckets"]) =>
  buckets.map(({ bucket, entries }) => ({
    bucket,
    entries: entries.map((entry) => ({ ...entry, name: entry.name.repeat(100) })),
  }));
