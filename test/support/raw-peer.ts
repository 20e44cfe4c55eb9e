/** A libp2p node without our manners: what a stranger, or a hostile member, can bring to our port. */

import type { TestContext } from "node:test";
import { type GossipSub, gossipsub, StrictNoSign } from "@libp2p/gossipsub";
import { type Identify, identify } from "@libp2p/identify";
import type { Connection, Libp2p, Stream } from "@libp2p/interface";
import { noise } from "@libp2p/noise";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { multiaddr } from "@multiformats/multiaddr";
import { createLibp2p } from "libp2p";
import { FrameChannel } from "../../src/network/frame-channel.ts";
import { dialerHello, type HelloIdentity } from "../../src/network/hello.ts";
import { HELLO_PROTOCOL, PROTOCOL_VERSIONS } from "../../src/network/protocols.ts";
import { asNodeId } from "../../src/types/ids.ts";

export type RawPeer = Libp2p<{ identify: Identify; gossip: GossipSub }>;

export async function startRawPeer(test: TestContext): Promise<RawPeer> {
  const peer = await createLibp2p({
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    services: {
      identify: identify({ runOnConnectionOpen: false }),
      gossip: gossipsub({
        globalSignaturePolicy: StrictNoSign,
        allowPublishToZeroTopicPeers: true,
        fallbackToFloodsub: false,
      }),
    },
  });
  test.after(() => peer.stop());
  return peer;
}

export function dialRaw(peer: RawPeer, port: number): Promise<Connection> {
  return peer.dial(multiaddr(`/ip4/127.0.0.1/tcp/${port}`));
}

/** Resolves when the other side has reset or closed the stream. */
export function closed(stream: Stream | Connection): Promise<void> {
  if (stream.status !== "open") return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  const onClose = () => resolve();
  // The two overloads have nothing in common for the compiler.
  if ("protocol" in stream) stream.addEventListener("close", onClose, { once: true });
  else stream.addEventListener("close", onClose, { once: true });
  return promise;
}

/** Says a hello that is accepted. */
export async function sayHello(
  peer: RawPeer,
  connection: Connection,
  identity: HelloIdentity,
  psk: Uint8Array,
): Promise<void> {
  const hello = dialerHello({
    self: asNodeId(peer.peerId.toString()),
    peer: asNodeId(connection.remotePeer.toString()),
    identity,
    versions: PROTOCOL_VERSIONS,
    psk,
    nonce: crypto.getRandomValues(new Uint8Array(32)),
  });
  const stream = await connection.newStream(HELLO_PROTOCOL);
  const admitted = Promise.withResolvers<void>();
  const channel = new FrameChannel(stream, {
    frameBytesMax: 8_192,
    queueBytesMax: 8_192,
    onFrame: (message) => {
      const { send, outcome } = hello.receive(message);
      if (send !== null) channel.send(send);
      if (outcome?.type === "admitted") admitted.resolve();
      if (outcome?.type === "refused") admitted.reject(new Error(outcome.code));
    },
    onClose: () => admitted.reject(new Error("the hello was broken off")),
  });
  channel.send(hello.opening!);
  await admitted.promise;
}
