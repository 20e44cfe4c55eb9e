import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { multiaddrConnectionPair } from "@libp2p/utils";
import { yamux } from "@libp2p/yamux";
import { lazyWindows, UPDATE_AFTER_BYTES } from "../../../src/network/lazy-windows.ts";

const CHUNK_BYTES = 16 * 1024;
const PROMPT = yamux();

type YamuxStream = Awaited<ReturnType<ReturnType<ReturnType<typeof PROMPT>["createStreamMuxer"]>["createStream"]>>;

/** One stream of yamux between two ends of a connection that lives in memory. */
async function openStream(test: TestContext, muxers: typeof PROMPT) {
  const [near, far] = multiaddrConnectionPair();
  test.after(() => near.abort(new Error("the test is over")));
  const opener = muxers().createStreamMuxer(near);
  const accepter = muxers().createStreamMuxer(far);
  const accepted = Promise.withResolvers<YamuxStream>();
  accepter.addEventListener("stream", ({ detail }) => accepted.resolve(detail), { once: true });
  let answers = 0;
  near.addEventListener("message", () => answers++);
  const stream = await opener.createStream();
  stream.send(new Uint8Array(1));
  let missingBytes = 1;
  let onAll = () => {};
  (await accepted.promise).addEventListener("message", ({ data }) => {
    missingBytes -= data.byteLength;
    if (missingBytes === 0) onAll();
  });
  await new Promise(setImmediate);
  /** Sends, waits until all has arrived, and says how many packets came back meanwhile. */
  return async (chunks: number, chunkBytes: number) => {
    const before = answers;
    missingBytes += chunks * chunkBytes;
    const all = new Promise<void>((resolve) => {
      onAll = resolve;
    });
    for (let i = 0; i < chunks; i++) stream.send(new Uint8Array(chunkBytes));
    await all;
    await new Promise(setImmediate);
    return answers - before;
  };
}

describe("lazyWindows", () => {
  it("answers no small message with a window update, as plain yamux does", async (test) => {
    const plain = await openStream(test, PROMPT);
    const lazy = await openStream(test, lazyWindows(yamux()));
    assert.ok((await plain(20, 100)) > 0, "or there would be nothing to leave out");
    assert.equal(await lazy(20, 100), 0);
  });

  it("tells of a new window when half of it is used", async (test) => {
    const exchange = await openStream(test, lazyWindows(yamux()));
    assert.equal(await exchange(UPDATE_AFTER_BYTES / CHUNK_BYTES - 1, CHUNK_BYTES), 0);
    assert.equal(await exchange(1, CHUNK_BYTES), 1);
  });

  it("keeps streams that come before anybody listens for them", async (test) => {
    const [near, far] = multiaddrConnectionPair();
    test.after(() => near.abort(new Error("the test is over")));
    const opener = lazyWindows(yamux())().createStreamMuxer(near);
    const accepter = lazyWindows(yamux())().createStreamMuxer(far);
    const stream = await opener.createStream();
    const arrival = new Promise((resolve) => far.addEventListener("message", resolve, { once: true }));
    stream.send(new Uint8Array(1));
    await arrival;
    const accepted = new Promise((resolve) => accepter.addEventListener("stream", resolve, { once: true }));
    assert.ok(await accepted);
  });

  it("lets many windows through", async (test) => {
    const exchange = await openStream(test, lazyWindows(yamux()));
    assert.ok((await exchange(64 * (UPDATE_AFTER_BYTES / CHUNK_BYTES), CHUNK_BYTES)) <= 64);
  });
});
