import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { generateKeyPair } from "@libp2p/crypto/keys";
import { noise } from "@libp2p/noise";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { type AbstractMultiaddrConnection, multiaddrConnectionPair } from "@libp2p/utils";
import { wholePackets } from "../../../src/network/whole-packets.ts";

const PLAIN = noise();
type Upgrader = Parameters<typeof PLAIN>[0]["upgrader"];

/** Two ends of an encrypted connection that lives in memory, and how many pieces the transport was given so far. */
async function encrypted(test: TestContext, encrypters: typeof PLAIN) {
  const [near, far] = multiaddrConnectionPair();
  test.after(() => near.abort(new Error("the test is over")));
  const encrypter = async () => {
    const privateKey = await generateKeyPair("Ed25519");
    const upgrader = { getStreamMuxers: () => new Map() } as unknown as Upgrader;
    return encrypters({
      privateKey,
      peerId: peerIdFromPrivateKey(privateKey),
      logger: { forComponent: () => near.log },
      upgrader,
    });
  };
  let pieces = 0;
  const transport = near as AbstractMultiaddrConnection;
  const sendData = transport.sendData.bind(transport);
  transport.sendData = (data) => {
    pieces += [...data].length;
    return sendData(data);
  };
  const [dialer, listener] = [await encrypter(), await encrypter()];
  const [out, into] = await Promise.all([dialer.secureOutbound(near), listener.secureInbound(far)]);
  return { near: out.connection, far: into.connection, pieces: () => pieces };
}

/** Sends each message, and says in how many pieces they left, and what arrived. */
async function exchange(test: TestContext, encrypters: typeof PLAIN, messages: readonly Uint8Array[]) {
  const { near, far, pieces } = await encrypted(test, encrypters);
  const before = pieces();
  const arrived: Uint8Array[] = [];
  let missingBytes = messages.reduce((sum, message) => sum + message.length, 0);
  await new Promise<void>((resolve) => {
    far.addEventListener("message", ({ data }) => {
      arrived.push(data.subarray());
      missingBytes -= data.byteLength;
      if (missingBytes === 0) resolve();
    });
    for (const message of messages) near.send(message);
  });
  return { pieces: pieces() - before, arrived: Buffer.concat(arrived) };
}

const MESSAGES = [1, 50, 600, 65_000].map((length, i) => new Uint8Array(length).fill(i + 1));

describe("wholePackets", () => {
  it("gives the transport each packet in one piece, where plain noise gives two or three", async (test) => {
    assert.ok((await exchange(test, PLAIN, MESSAGES)).pieces >= 2 * MESSAGES.length, "or there is nothing to join");
    assert.equal((await exchange(test, wholePackets(PLAIN), MESSAGES)).pieces, MESSAGES.length);
  });

  it("carries what plain noise carries", async (test) => {
    const messages = [...MESSAGES, new Uint8Array(300_000).fill(9)];
    const { arrived } = await exchange(test, wholePackets(PLAIN), messages);
    assert.deepEqual(arrived, Buffer.concat(messages));
  });
});
