import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DecodeError } from "../../../src/network/codec.ts";
import { CONTROL_BYTES_MAX, FrameChannel } from "../../../src/network/frame-channel.ts";
import { CHUNK_BYTES_MAX } from "../../../src/network/protocols.ts";
import { FakeStream, settle } from "../../support/fake-stream.ts";

interface Opened {
  readonly channel: FrameChannel;
  readonly frames: string[];
  readonly closes: (Error | undefined)[];
}

function open(
  stream: FakeStream,
  options: { frameBytesMax?: number; queueBytesMax?: number; fail?: Error } = {},
): Opened {
  const frames: string[] = [];
  const closes: (Error | undefined)[] = [];
  const channel = new FrameChannel(stream.asStream, {
    frameBytesMax: options.frameBytesMax ?? 1_000_000,
    queueBytesMax: options.queueBytesMax ?? 1_000_000,
    onFrame: (payload) => {
      if (options.fail !== undefined) throw options.fail;
      frames.push(Buffer.from(payload).toString());
    },
    onClose: (error) => closes.push(error),
  });
  return { channel, frames, closes };
}

const text = (value: string) => Buffer.from(value);

describe("FrameChannel, sending", () => {
  it("gathers what is sent in one turn into one buffer", async () => {
    const [ours, theirs] = FakeStream.pair();
    const { channel } = open(ours);
    const { frames } = open(theirs);
    for (const word of ["a", "b", "c"]) channel.send(text(word));
    await settle();
    assert.deepEqual(frames, ["a", "b", "c"]);
    assert.equal(ours.sent.length, 1);
  });

  it("cuts what is long into buffers that yamux does not cut again", async () => {
    const [ours, theirs] = FakeStream.pair();
    const { channel } = open(ours);
    const { frames } = open(theirs);
    channel.send(Buffer.alloc(3 * CHUNK_BYTES_MAX, "x"), "bulk");
    await settle();
    assert.equal(frames[0]?.length, 3 * CHUNK_BYTES_MAX);
    assert.ok(ours.sent.length >= 4);
    assert.ok(ours.sent.every((chunk) => chunk.length <= CHUNK_BYTES_MAX));
  });

  it("hands nothing to a full stream, and goes on when it drains", async () => {
    // The fake throws when it is written to while full.
    const [ours, theirs] = FakeStream.pair(1);
    const { channel } = open(ours);
    const { frames } = open(theirs);
    channel.send(text("first"));
    await settle();
    channel.send(text("second"));
    channel.send(text("third"));
    await settle();
    assert.deepEqual(frames, ["first"]);
    ours.allow(1_000);
    await settle();
    assert.deepEqual(frames, ["first", "second", "third"]);
  });

  it("lets control frames overtake bulk that waits, and keeps the order within each (R60)", async () => {
    const [ours, theirs] = FakeStream.pair(1);
    const { channel } = open(ours);
    const { frames } = open(theirs);
    channel.send(text("bulk 0"), "bulk");
    await settle();
    for (const word of ["bulk 1", "bulk 2"]) channel.send(text(word), "bulk");
    for (const word of ["control 1", "control 2"]) channel.send(text(word));
    ours.allow(1_000);
    await settle();
    assert.deepEqual(frames, ["bulk 0", "control 1", "control 2", "bulk 1", "bulk 2"]);
  });

  it("finishes a frame that has begun before any other", async () => {
    const [ours, theirs] = FakeStream.pair(1);
    const { channel } = open(ours);
    const { frames } = open(theirs);
    channel.send(Buffer.alloc(2 * CHUNK_BYTES_MAX, "x"), "bulk");
    await settle();
    channel.send(text("control"));
    ours.allow(Number.POSITIVE_INFINITY);
    await settle();
    assert.deepEqual(
      frames.map((payload) => payload.length),
      [2 * CHUNK_BYTES_MAX, "control".length],
    );
  });

  it("refuses bulk over its limit, and still takes control frames", async () => {
    const [ours] = FakeStream.pair(0);
    const { channel } = open(ours, { queueBytesMax: 100 });
    channel.send(Buffer.alloc(10), "bulk");
    await settle();
    assert.equal(channel.send(Buffer.alloc(60), "bulk"), true);
    assert.equal(channel.send(Buffer.alloc(60), "bulk"), false);
    assert.equal(channel.send(Buffer.alloc(60)), true);
  });

  it("bounds control frames too", async () => {
    const [ours] = FakeStream.pair(0);
    const { channel } = open(ours);
    channel.send(Buffer.alloc(1));
    await settle();
    assert.equal(channel.send(Buffer.alloc(CONTROL_BYTES_MAX)), true);
    assert.equal(channel.send(Buffer.alloc(1)), false);
  });

  it("tells when little enough waits, and when it closed", async () => {
    const [ours] = FakeStream.pair(1);
    const { channel } = open(ours);
    channel.send(Buffer.alloc(10), "bulk");
    await settle();
    channel.send(Buffer.alloc(10), "bulk");
    const drained = channel.drained(0);
    ours.allow(1);
    await drained;
    channel.send(Buffer.alloc(10), "bulk");
    const closed = channel.drained(0);
    channel.reset(new Error("enough"));
    await closed;
    assert.equal(channel.send(Buffer.alloc(1)), false);
  });

  it("sends what waits before it ends", async () => {
    const [ours, theirs] = FakeStream.pair();
    const { channel, closes } = open(ours);
    const other = open(theirs);
    channel.send(text("last words"));
    await channel.end();
    await settle();
    assert.deepEqual(other.frames, ["last words"]);
    assert.deepEqual([closes, other.closes], [[undefined], [undefined]]);
  });
});

describe("FrameChannel, receiving", () => {
  it("resets the stream on a frame over the limit", async () => {
    const [ours, theirs] = FakeStream.pair();
    const { closes } = open(ours, { frameBytesMax: 10 });
    theirs.send(Buffer.from("0000000b", "hex"));
    await settle();
    assert.ok(closes[0] instanceof DecodeError);
    assert.notEqual(ours.abortedWith, null);
  });

  it("resets the stream when a frame makes no sense, and hands out nothing after it", async () => {
    const [ours, theirs] = FakeStream.pair();
    const { closes, channel } = open(ours, { fail: new DecodeError("nonsense") });
    theirs.send(Buffer.from("0000000161000000016100000001", "hex"));
    await settle();
    assert.equal(closes.length, 1);
    assert.equal(channel.isClosed, true);
  });

  it("resets a stream that ends inside a frame", async () => {
    const [ours, theirs] = FakeStream.pair();
    const { closes } = open(ours);
    theirs.send(Buffer.from("0000000561", "hex"));
    await theirs.close();
    await settle();
    assert.ok(closes[0] instanceof DecodeError);
  });

  it("says once that the other side reset it", async () => {
    const [ours, theirs] = FakeStream.pair();
    const { closes, channel } = open(ours);
    theirs.abort(new Error("gone"));
    await settle();
    channel.reset(new Error("ours, too late"));
    assert.equal(closes.length, 1);
    assert.match(String(closes[0]), /reset by the other side/);
  });
});
