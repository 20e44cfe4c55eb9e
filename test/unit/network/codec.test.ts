import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { asCount, asText, DecodeError, FrameDecoder, pack, unpack } from "../../../src/network/codec.ts";

const hex = (text: string) => Buffer.from(text, "hex");

function frame(payload: Uint8Array): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(payload.length);
  return Buffer.concat([header, payload]);
}

describe("msgpack values", () => {
  it("come back as they were sent", () => {
    const value = { text: "é", list: [1, -1, 1.5, null, true, Number.MAX_SAFE_INTEGER], deep: { empty: {} } };
    assert.deepEqual(unpack(pack(value)), value);
  });

  it("leave out fields that are undefined", () => {
    assert.deepEqual(unpack(pack({ here: 1, gone: undefined })), { here: 1 });
  });

  it("are kept when the packer is used again", () => {
    const first = pack("first");
    pack("second");
    assert.equal(unpack(first), "first");
  });

  const refused: readonly (readonly [string, string])[] = [
    ["an array that counts more than there is", "ddffffffff"],
    ["a map that counts more than there is", "dfffffffff"],
    ["text that is cut off", "a541"],
    ["binary that is cut off", "c6ffffffff00"],
    ["a length that is cut off", "da01"],
    ["nothing", ""],
    ["bytes behind the value", "c0c0"],
    ["an extension type", "d4000a"],
    ["an extension of a given length", "c70100ff"],
    ["a regular expression", "c705780161a0a0a0"],
    ["a map key that is not text", "8101c0"],
    ["the tag that msgpack never uses", "c1"],
    ["arrays nested too deep", `${"91".repeat(40)}c0`],
  ];
  for (const [what, bytes] of refused) {
    it(`refuse ${what}`, () => assert.throws(() => unpack(hex(bytes)), DecodeError));
  }

  it("do not reach an object's prototype", () => {
    const value = unpack(hex("81a95f5f70726f746f5f5f81a168c3")) as Record<string, unknown>;
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
    assert.equal(value.h, undefined);
  });
});

describe("FrameDecoder", () => {
  function decodeInPieces(bytes: Uint8Array, pieceBytes: number): string[] {
    const decoder = new FrameDecoder(100);
    const frames: string[] = [];
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      decoder.push(bytes.subarray(at, at + pieceBytes), (payload) => frames.push(Buffer.from(payload).toString()));
    }
    assert.equal(decoder.bufferedBytes, 0);
    return frames;
  }

  it("finds the same frames however the bytes are cut", () => {
    const bytes = Buffer.concat(["one", "", "three"].map((text) => frame(Buffer.from(text))));
    for (let piece = 1; piece <= bytes.length; piece++) {
      assert.deepEqual(decodeInPieces(bytes, piece), ["one", "", "three"], `in pieces of ${piece}`);
    }
  });

  it("hands out payloads that stay as they are", () => {
    const decoder = new FrameDecoder(100);
    const kept: Uint8Array[] = [];
    for (const text of ["first", "second"]) {
      const bytes = frame(Buffer.from(text));
      decoder.push(bytes.subarray(0, 6), (payload) => kept.push(payload));
      decoder.push(bytes.subarray(6), (payload) => kept.push(payload));
    }
    assert.deepEqual(
      kept.map(String),
      ["first", "second"].map((text) => String(new Uint8Array(Buffer.from(text)))),
    );
  });

  it("refuses a frame over the limit as soon as its length is known", () => {
    const decoder = new FrameDecoder(100);
    assert.throws(() => decoder.push(hex("00000065"), () => {}), DecodeError);
  });

  it("keeps no more than was sent of a frame that trickles in", () => {
    const decoder = new FrameDecoder(1_000_000);
    decoder.push(hex("000f4240"), () => assert.fail("no frame yet"));
    for (let sent = 0; sent < 1_000; sent++) decoder.push(Uint8Array.of(0), () => assert.fail("no frame yet"));
    assert.equal(decoder.bufferedBytes, 1_004);
  });
});

describe("field checks", () => {
  it("take integers from 0 to 2^53 - 1 as counts (R15)", () => {
    assert.equal(asCount(Number.MAX_SAFE_INTEGER, "term"), Number.MAX_SAFE_INTEGER);
    for (const bad of [-1, 1.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, "1", null, undefined, 1n]) {
      assert.throws(() => asCount(bad, "term"), DecodeError);
    }
  });

  it("refuse text that is empty, too long or has control characters", () => {
    assert.equal(asText("abc", "name", 3), "abc");
    for (const bad of ["", "abcd", "a\n", "\u0000", 1, null]) assert.throws(() => asText(bad, "name", 3), DecodeError);
  });
});
