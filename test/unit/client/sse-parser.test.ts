import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type ServerSentEvent, SseParser } from "../../../src/client/sse-parser.ts";

const STREAM = [
  "retry: 2500",
  ": hello",
  "",
  "event: registered",
  "id: c.7.0",
  'data: {"a":1}',
  "",
  "data:first",
  "data: second",
  "",
  "id: c.8.0",
  "unknown: field",
  "",
  "data",
  "",
  "event: never finished",
].join("\n");

const EVENTS: ServerSentEvent[] = [
  { event: "registered", id: "c.7.0", data: '{"a":1}' },
  { event: "message", id: "c.7.0", data: "first\nsecond" },
  { event: "message", id: "c.8.0", data: "" },
];

describe("server-sent events", () => {
  for (const [name, newline] of [
    ["LF", "\n"],
    ["CRLF", "\r\n"],
    ["CR", "\r"],
  ] as const) {
    it(`are read the same however the stream is cut, with lines that end in ${name}`, () => {
      const text = STREAM.replaceAll("\n", newline);
      fc.assert(
        fc.property(fc.array(fc.nat(text.length), { maxLength: 12 }), (cuts) => {
          const parser = new SseParser();
          const at = [0, ...cuts.sort((a, b) => a - b), text.length];
          const events = at.slice(1).flatMap((end, i) => parser.push(text.slice(at[i], end)));
          assert.deepEqual(events, EVENTS);
          assert.equal(parser.retryMs, 2_500);
        }),
      );
    });
  }

  it("that are larger than any node sends are an error, not memory", () => {
    const parser = new SseParser();
    const piece = `data: ${"x".repeat(64 * 1_024)}\n`;
    assert.throws(
      () => {
        for (let i = 0; i < 20; i++) parser.push(piece);
      },
      { code: "UNEXPECTED_ANSWER" },
    );
    assert.throws(() => new SseParser().push("x".repeat(2 * 1_024 * 1_024)), { code: "UNEXPECTED_ANSWER" });
  });
});
