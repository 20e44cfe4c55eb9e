/** The relay on real loopback sockets. Delays run on virtual time, so that order and bounds are seen, not timed. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { afterEach, beforeEach, describe, it } from "node:test";
import { WanRelay } from "../../../src/cli/dev/wan-relay.ts";
import { systemClock } from "../../../src/util/clock.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

describe("wan relay", () => {
  let target: Server;
  let targetPort: number;
  let accepted: Socket[];
  let onAccepted: ((socket: Socket) => void) | undefined;
  let relay: WanRelay | undefined;
  const opened: Socket[] = [];

  beforeEach(async () => {
    accepted = [];
    onAccepted = undefined;
    target = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on("error", () => {});
      accepted.push(socket);
      onAccepted?.(socket);
    });
    target.listen(0, "127.0.0.1");
    await once(target, "listening");
    targetPort = (target.address() as { port: number }).port;
  });

  afterEach(async () => {
    for (const socket of [...opened.splice(0), ...accepted]) socket.destroy();
    await relay?.close();
    relay = undefined;
    target.close();
  });

  async function dial(port: number): Promise<Socket> {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    socket.on("error", () => {});
    opened.push(socket);
    await once(socket, "connect");
    return socket;
  }

  /** The socket at the target's end of the next connection. */
  function nextAccepted(): Promise<Socket> {
    return new Promise((resolve) => {
      onAccepted = resolve;
    });
  }

  async function read(socket: Socket, length: number): Promise<string> {
    let text = "";
    for await (const [chunk] of onData(socket)) {
      text += chunk.toString("latin1");
      if (text.length >= length) return text;
    }
    return text;
  }

  async function* onData(socket: Socket): AsyncGenerator<[Buffer]> {
    for (;;) yield (await once(socket, "data")) as [Buffer];
  }

  /** Long enough for anything that may pass over loopback to have passed: a round trip beside the relay. */
  async function settle(): Promise<void> {
    for (let i = 0; i < 3; i++) {
      const [near, far] = [connect({ port: targetPort, host: "127.0.0.1" }), nextAccepted()];
      opened.push(near);
      const other = await far;
      other.write("x");
      await once(near, "data");
      near.destroy();
    }
  }

  it("carries bytes both ways, and the end of each", async () => {
    relay = new WanRelay({ clock: systemClock, delayMs: 0 });
    const port = await relay.open("east", "west", targetPort);
    const far = nextAccepted();
    const near = await dial(port);
    near.end("ping");
    const there = await far;
    assert.equal(await read(there, 4), "ping");
    await once(there, "end");
    there.end("pong");
    assert.equal(await read(near, 4), "pong");
    await once(near, "end");
  });

  it("holds every chunk back for the delay, and keeps their order", async () => {
    const clock = new VirtualClock();
    relay = new WanRelay({ clock, delayMs: 40 });
    const port = await relay.open("east", "west", targetPort);
    const far = nextAccepted();
    const near = await dial(port);
    const there = await far;
    const seen: string[] = [];
    there.on("data", (chunk) => seen.push(chunk.toString()));
    near.write("first ");
    await settle();
    await clock.advance(20);
    near.write("second");
    await settle();
    await clock.advance(19);
    await settle();
    assert.deepEqual(seen, [], "39 ms after the first chunk nothing has arrived");
    await clock.advance(1);
    await settle();
    assert.deepEqual(seen, ["first "]);
    await clock.advance(20);
    await settle();
    assert.deepEqual(seen, ["first ", "second"]);
  });

  it("passes nothing while cut, in neither direction, and everything after the heal", async () => {
    relay = new WanRelay({ clock: systemClock, delayMs: 0 });
    const port = await relay.open("east", "west", targetPort);
    const far = nextAccepted();
    const near = await dial(port);
    const there = await far;
    const seen = { near: "", there: "" };
    near.on("data", (chunk) => {
      seen.near += chunk;
    });
    there.on("data", (chunk) => {
      seen.there += chunk;
    });
    relay.cut("west", "east");
    near.write("out");
    there.write("back");
    await settle();
    assert.deepEqual(seen, { near: "", there: "" });
    assert.equal(near.destroyed || there.destroyed, false, "sockets stay open");
    const both = Promise.all([once(near, "data"), once(there, "data")]);
    relay.heal("east", "west");
    await both;
    assert.deepEqual(seen, { near: "back", there: "out" });
  });

  it("keeps a close to itself while cut, and tells it after the heal", async () => {
    relay = new WanRelay({ clock: systemClock, delayMs: 0 });
    const port = await relay.open("east", "west", targetPort);
    const far = nextAccepted();
    const near = await dial(port);
    const there = await far;
    there.resume();
    relay.cut("east", "west");
    near.resetAndDestroy();
    await settle();
    assert.equal(there.destroyed, false);
    const gone = closed(there);
    relay.heal("east", "west");
    await gone;
  });

  it("accepts new connections while cut and gives them nothing; after the heal they work", async () => {
    relay = new WanRelay({ clock: systemClock, delayMs: 0 });
    const port = await relay.open("east", "west", targetPort);
    relay.cut("east", "west");
    const near = await dial(port);
    near.write("hello");
    await settle();
    const beside = accepted.length;
    await settle();
    assert.equal(accepted.length, beside + 3, "only the connections beside the relay reached the target");
    const far = nextAccepted();
    relay.heal("east", "west");
    assert.equal(await read(await far, 5), "hello");
  });

  it("forgets a connection whose dialler gave up during the cut", async () => {
    relay = new WanRelay({ clock: systemClock, delayMs: 0 });
    const port = await relay.open("east", "west", targetPort);
    relay.cut("east", "west");
    const near = await dial(port);
    const gone = closed(near);
    near.resume().end();
    await gone;
    const before = accepted.length;
    relay.heal("east", "west");
    await settle();
    assert.equal(accepted.length, before + 3, "nothing was dialled for it");
  });

  it("cuts one pair of regions and leaves the others alone", async () => {
    relay = new WanRelay({ clock: systemClock, delayMs: 0 });
    const port = await relay.open("east", "north", targetPort);
    relay.cut("east", "west");
    const far = nextAccepted();
    const near = await dial(port);
    near.write("hello");
    assert.equal(await read(await far, 5), "hello");
    assert.deepEqual([relay.isCut("west", "east"), relay.isCut("east", "north")], [true, false]);
  });

  it("counts what came through between two regions, both ways together, and nothing that is held", async () => {
    relay = new WanRelay({ clock: systemClock, delayMs: 0 });
    const port = await relay.open("east", "west", targetPort);
    const far = nextAccepted();
    const near = await dial(port);
    const there = await far;
    near.write("out");
    assert.equal(await read(there, 3), "out");
    there.write("back");
    assert.equal(await read(near, 4), "back");
    relay.cut("east", "west");
    near.write("held");
    await settle();
    assert.deepEqual([relay.carriedBytes("west", "east"), relay.carriedBytes("east", "north")], [7, 0]);
  });

  it("closes the connection when the node behind it refuses", async () => {
    target.close();
    await once(target, "close");
    relay = new WanRelay({ clock: systemClock, delayMs: 0 });
    const near = await dial(await relay.open("east", "west", targetPort));
    await closed(near.resume());
  });

  it("makes the sender wait once it holds its bound, and loses nothing", async () => {
    const heldBytesMax = 64 * 1024;
    const sentBytes = 32 * 1024 * 1024;
    relay = new WanRelay({ clock: systemClock, delayMs: 0, heldBytesMax });
    const port = await relay.open("east", "west", targetPort);
    const far = nextAccepted();
    const near = await dial(port);
    const there = await far;
    relay.cut("east", "west");
    near.write(Buffer.alloc(sentBytes, "a"));
    near.end();
    let receivedBytes = 0;
    there.on("data", (chunk) => {
      receivedBytes += chunk.length;
    });
    await settle();
    assert.ok(near.writableLength > 0, "the sender still has bytes that nobody takes");
    assert.equal(receivedBytes, 0);
    const ended = once(there, "end");
    relay.heal("east", "west");
    await ended;
    assert.equal(receivedBytes, sentBytes);
  });
});

/** However it came about: `once` would reject when it was by a reset. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.once("close", () => resolve()));
}
