/** Two ends of an encrypted connection that lives in memory. */

import type { TestContext } from "node:test";
import { generateKeyPair } from "@libp2p/crypto/keys";
import type { MessageStream } from "@libp2p/interface";
import type { noise } from "@libp2p/noise";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import { type AbstractMultiaddrConnection, multiaddrConnectionPair } from "@libp2p/utils";

type Noise = ReturnType<typeof noise>;
type Upgrader = Parameters<Noise>[0]["upgrader"];

export interface EncryptedPair {
  readonly near: MessageStream;
  readonly far: MessageStream;
  /** How many pieces the near end gave its transport so far. */
  pieces(): number;
}

export async function encryptedPair(test: TestContext, dialer: Noise, listener = dialer): Promise<EncryptedPair> {
  const [near, far] = multiaddrConnectionPair();
  test.after(() => near.abort(new Error("the test is over")));
  let pieces = 0;
  const transport = near as AbstractMultiaddrConnection;
  const sendData = transport.sendData.bind(transport);
  transport.sendData = (data) => {
    pieces += [...data].length;
    return sendData(data);
  };
  const encrypter = async (noise: Noise) => {
    const privateKey = await generateKeyPair("Ed25519");
    return noise({
      privateKey,
      peerId: peerIdFromPrivateKey(privateKey),
      logger: { forComponent: () => near.log },
      upgrader: { getStreamMuxers: () => new Map() } as unknown as Upgrader,
    });
  };
  const [outbound, inbound] = [await encrypter(dialer), await encrypter(listener)];
  const [out, into] = await Promise.all([outbound.secureOutbound(near), inbound.secureInbound(far)]);
  return { near: out.connection, far: into.connection, pieces: () => pieces };
}

/** Sends the messages, and resolves with all that arrived once nothing is missing. */
export async function carry(from: MessageStream, to: MessageStream, messages: readonly Uint8Array[]): Promise<Buffer> {
  const arrived: Uint8Array[] = [];
  let missingBytes = messages.reduce((sum, message) => sum + message.length, 0);
  await new Promise<void>((resolve) => {
    to.addEventListener("message", ({ data }) => {
      arrived.push(data.subarray());
      missingBytes -= data.byteLength;
      if (missingBytes === 0) resolve();
    });
    for (const message of messages) from.send(message);
  });
  return Buffer.concat(arrived);
}
