/**
 * Noise whose packets reach the transport in one piece.
 *
 * The library hands over the length of a packet and the packet as two buffers, and the transport writes each for itself: two
 * system calls and two segments for every heartbeat, append and answer, and often two wakings at the other end. What yamux
 * sends at once has 64 KiB at most: to copy it costs far less than a second write.
 */

import type { MessageStream } from "@libp2p/interface";
import type { noise } from "@libp2p/noise";

type Noise = ReturnType<typeof noise>;

export function wholePackets(encrypters: Noise): Noise {
  return (components) => {
    const encrypter = encrypters(components);
    const secureOutbound = encrypter.secureOutbound.bind(encrypter);
    const secureInbound = encrypter.secureInbound.bind(encrypter);
    encrypter.secureOutbound = (connection, options) => secureOutbound(whole(connection), options);
    encrypter.secureInbound = (connection, options) => secureInbound(whole(connection), options);
    return encrypter;
  };
}

function whole(connection: MessageStream): MessageStream {
  const send = connection.send.bind(connection);
  connection.send = (data) => send(data.subarray());
  return connection;
}
