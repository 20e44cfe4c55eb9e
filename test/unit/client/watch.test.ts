import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AtollClient, type WatchOptions } from "../../../src/client/atoll-client.ts";
import type { WatchEvent } from "../../../src/client/wire.ts";
import { FakeNodes } from "../../support/fake-nodes.ts";

/** One stream that a node sends, piece by piece, as the test says. */
class FakeStream {
  readonly node: string;
  readonly url: URL;
  readonly lastEventId: string | undefined;
  readonly body: ReadableStream<Uint8Array>;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  isCancelled = false;

  constructor(url: URL, lastEventId: string | undefined) {
    this.node = url.hostname;
    this.url = url;
    this.lastEventId = lastEventId;
    this.body = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
    });
  }

  write(text: string): void {
    this.#controller?.enqueue(new TextEncoder().encode(text));
  }

  end(): void {
    this.#controller?.close();
  }

  break(reason: unknown): void {
    this.isCancelled = true;
    this.#controller?.error(reason);
  }
}

const event = (type: string, id: string, data: object = {}) =>
  `event: ${type}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;

function createWorld() {
  const world = new FakeNodes();
  const [a, b] = world.addRegion("east", 4, ["a", "b"]);
  const [x] = world.addRegion("west", 80, ["x"]);
  a!.roundTripMs = 1;
  const streams: FakeStream[] = [];
  world.answers.set("/v1/watch", (url, { region }, { headers }) => {
    const stream = new FakeStream(url, headers["last-event-id"]);
    streams.push(stream);
    const answered = { "content-type": "text/event-stream", "x-atoll-region": region.name };
    return new Response(stream.body, { headers: answered });
  });
  // As a real one, `fetch` breaks the body of an answer whose request is aborted.
  const environment = {
    ...world.environment,
    fetch: async (url: string, init: RequestInit) => {
      const before = streams.length;
      const response = await world.environment.fetch(url, init);
      const stream = streams[before];
      if (stream !== undefined) init.signal?.addEventListener("abort", () => stream.break(init.signal?.reason));
      return response;
    },
  };
  const atoll = new AtollClient({ urls: world.nodes.map(({ url }) => url), environment });
  const watch = (options: WatchOptions = {}) => {
    const events: WatchEvent[] = [];
    const failures: string[] = [];
    const stop = new AbortController();
    const onFailure = (node: string, { code }: { code: string }) => failures.push(`${code} ${new URL(node).hostname}`);
    const done = (async () => {
      for await (const event of atoll.watch({ signal: stop.signal, onFailure, ...options })) events.push(event);
    })();
    done.catch(() => {});
    return { events, failures, stop, done };
  };
  return { world, atoll, watch, streams, a: a!, b: b!, x: x! };
}

describe("a watch", () => {
  it("tells what the nearest node says, and asks for what the caller wants to hear", async () => {
    const { world, watch, streams } = createWorld();
    const { events } = watch({
      capability: ["forecast", "alert"],
      event: "removed",
      scope: "federation",
      initial: true,
    });
    await world.clock.advance(500);
    const [stream] = streams;
    assert.equal(stream!.node, "a");
    assert.equal(
      stream!.url.search,
      "?capability=forecast&capability=alert&event=removed&scope=federation&initial=true",
    );
    stream!.write(`${event("ready", "c:7", { region: "east", revision: 7 })}event: removed\nid: c:8:0\nda`);
    await world.clock.advance(10);
    stream!.write('ta: {"revision":8}\n\n');
    await world.clock.advance(10);
    assert.deepEqual(events, [
      { type: "ready", id: "c:7", region: "east", revision: 7 },
      { type: "removed", id: "c:8:0", revision: 8 },
    ]);
  });

  for (const [what, breakStream] of [
    ["its connection breaks", (stream: FakeStream) => stream.break(new TypeError("terminated"))],
    ["its node ends it", (stream: FakeStream) => stream.end()],
    ["its node says goodbye", (stream: FakeStream) => stream.write("event: goodbye\ndata: {}\n\n")],
    ["its node is silent for too long", () => {}],
  ] as const) {
    it(`goes on after the last event on another node of the region when ${what}`, async () => {
      const { world, watch, streams } = createWorld();
      const { events } = watch();
      await world.clock.advance(500);
      streams[0]!.write(event("updated", "c:8:0"));
      await world.clock.advance(14_000);
      streams[0]!.write(": heartbeat\nid: c:9\n\n");
      await world.clock.advance(10);
      breakStream(streams[0]!);
      for (let waits = 0; streams.length < 2 && waits < 50; waits++) await world.clock.advance(1_000);
      assert.deepEqual([streams[1]!.node, streams[1]!.lastEventId], ["b", "c:9"]);
      streams[1]!.write(event("updated", "c:10:0"));
      await world.clock.advance(10);
      assert.deepEqual(
        events.map(({ id }) => id),
        ["c:8:0", "c:10:0"],
      );
    });
  }

  it("lasts as long as the node's heartbeats do", async () => {
    const { world, watch, streams } = createWorld();
    watch();
    for (let i = 0; i < 20; i++) {
      await world.clock.advance(15_000);
      streams[0]!.write(": heartbeat\n\n");
    }
    assert.equal(streams.length, 1);
  });

  it("goes on in another region when its own is gone, and passes on that something was lost", async () => {
    const { world, watch, streams, a, b } = createWorld();
    const { events } = watch();
    await world.clock.advance(500);
    streams[0]!.write(event("updated", "c:8:0"));
    await world.clock.advance(10);
    a.mood = "gone";
    b.mood = "gone";
    streams[0]!.break(new TypeError("terminated"));
    await world.clock.advance(1_000);
    assert.deepEqual([streams[1]!.node, streams[1]!.lastEventId], ["x", "c:8:0"]);
    streams[1]!.write(event("resync", "w:3", { from: 3, reason: "foreign" }));
    await world.clock.advance(10);
    assert.deepEqual(events.at(-1), { type: "resync", id: "w:3", from: 3, reason: "foreign" });
  });

  it("begins anew when a node took its place back", async () => {
    const { world, watch, streams } = createWorld();
    watch({ initial: true, lastEventId: "c:7" });
    await world.clock.advance(500);
    assert.equal(streams[0]!.lastEventId, "c:7");
    streams[0]!.write(event("resync", "", { from: 9, reason: "expired" }));
    await world.clock.advance(10);
    streams[0]!.end();
    await world.clock.advance(100);
    assert.deepEqual([streams[1]!.lastEventId, streams[1]!.url.search], [undefined, "?initial=true"]);
  });

  it("does not fall upon nodes that end every stream at once", async () => {
    const { world, watch, streams } = createWorld();
    watch();
    for (let second = 0; second < 60; second++) {
      await world.clock.advance(1_000);
      for (const stream of streams) if (!stream.isCancelled) stream.break(new TypeError("terminated"));
    }
    assert.ok(streams.length > 10 && streams.length < 130, `${streams.length} streams in a minute`);
  });

  it("ends when a node refuses what was asked for", async () => {
    const { world, watch, a } = createWorld();
    await world.clock.advance(0);
    const { done } = watch({ namespace: "x".repeat(64) });
    world.answers.delete("/v1/watch");
    a.mood = { status: 400, code: "INVALID_FIELD", field: "namespace" };
    await assert.rejects(world.until(done), { code: "INVALID_FIELD", field: "namespace" });
  });

  it("lets go of its connection when the caller stops", async () => {
    const { world, watch, atoll, streams } = createWorld();
    const { stop, done } = watch();
    await world.clock.advance(500);
    stop.abort(new Error("enough"));
    await assert.rejects(done, /enough/);
    assert.ok(streams[0]!.isCancelled);
    const first = (async () => {
      for await (const event of atoll.watch()) return event;
      return undefined;
    })();
    await world.clock.advance(500);
    streams[1]!.write(event("updated", "c:8:0"));
    assert.equal((await world.until(first))?.type, "updated");
    assert.ok(streams[1]!.isCancelled);
  });

  it("takes a stream that is not a node's for a stranger's, and says so", async () => {
    const { world, watch, streams } = createWorld();
    const { failures } = watch();
    await world.clock.advance(500);
    streams[0]!.write("data: hello\n\n");
    await world.clock.advance(500);
    assert.deepEqual(failures, ["UNEXPECTED_ANSWER a"]);
    assert.equal(streams[1]!.node, "b");
  });
});
