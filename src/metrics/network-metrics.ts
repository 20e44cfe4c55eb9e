/** Links to other nodes. */

import type { Registry } from "prom-client";
import { byKey, just, lazyCounter, lazyGauge } from "./lazy.ts";
import type { NetworkNumbers } from "./source.ts";

export function exposeNetwork(register: Registry, read: () => NetworkNumbers): void {
  lazyGauge<"where">(
    register,
    { name: "atoll_network_peers", help: "Authenticated links to other nodes.", labelNames: ["where"] },
    () => {
      const { peersInRegion, peersAbroad } = read();
      return [
        [{ where: "region" }, peersInRegion],
        [{ where: "abroad" }, peersAbroad],
      ];
    },
  );
  lazyCounter<"code">(
    register,
    {
      name: "atoll_network_handshakes_refused_total",
      help: "Handshakes that this node refused, by error code.",
      labelNames: ["code"],
    },
    () => byKey("code", read().handshakesRefusedTotal),
  );
  lazyCounter<"kind">(
    register,
    {
      name: "atoll_network_dropped_total",
      help: "Messages not sent, not taken or not passed on, by why.",
      labelNames: ["kind"],
    },
    () => byKey("kind", read().droppedTotal),
  );
  lazyCounter<"protocol">(
    register,
    {
      name: "atoll_network_bad_frames_total",
      help: "Streams reset because a peer broke their protocol.",
      labelNames: ["protocol"],
    },
    () => byKey("protocol", read().badFramesTotal),
  );
  const sent = { name: "atoll_network_sent_bytes_total", help: "Bytes sent to other nodes, before encryption." };
  lazyCounter(register, sent, () => just(read().bytesSentTotal));
  const received = { name: "atoll_network_received_bytes_total", help: "Bytes received from other nodes, decrypted." };
  lazyCounter(register, received, () => just(read().bytesReceivedTotal));
}
