import assert from "node:assert/strict";
import { describe, it } from "node:test";

interface ServerSentEvent {
  readonly event: string;
  readonly data: string;
  readonly id: string;
}

const PAGE = new URL("../../../../src/api/dashboard/page/", import.meta.url);
const { eventsOf }: { eventsOf(body: ReadableStream, onLife: () => void): AsyncIterable<ServerSentEvent> } =
  await import(`${PAGE}event-stream.js`);

async function read(pieces: readonly (string | Uint8Array)[]) {
  const bytes = pieces.map((piece) => (typeof piece === "string" ? new TextEncoder().encode(piece) : piece));
  let signs = 0;
  const events: ServerSentEvent[] = [];
  for await (const event of eventsOf(ReadableStream.from(bytes), () => signs++)) events.push(event);
  return { events, signs };
}

describe("the stream that the page reads", () => {
  it("is the same however it is cut", async () => {
    const text =
      'retry: 100\n\nid: r:1\nevent: leader\ndata: {"leader":"ü"}\n\n: heartbeat\nid: r:2\n\nevent: x\ndata: 1\n\n';
    const whole = await read([text]);
    assert.deepEqual(whole.events, [
      { event: "leader", data: '{"leader":"ü"}', id: "r:1" },
      { event: "x", data: "1", id: "r:2" },
    ]);
    const bytes = new TextEncoder().encode(text);
    const { events } = await read(Array.from(bytes, (_, i) => bytes.slice(i, i + 1)));
    assert.deepEqual(events, whole.events);
  });

  it("shows that the node lives with everything that comes, heartbeats too", async () => {
    assert.deepEqual(await read([": heartbeat\n\n", ": heartbeat\n\n"]), { events: [], signs: 2 });
  });

  it("leaves out what was cut off", async () => {
    assert.deepEqual((await read(["event: leader\ndata: {}\n"])).events, []);
  });

  it("gives up a line that has no end, for it would fill the memory", async () => {
    const endless = Array.from({ length: 40 }, () => "x".repeat(32 * 1024));
    await assert.rejects(read(endless), /too long/);
  });
});
