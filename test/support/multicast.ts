/** Whether this machine carries multicast between its processes. */

import { createSocket } from "node:dgram";
import { once } from "node:events";

const GROUP = "224.0.0.251";
const PROBE_MS = 2_000;

/** Sends a datagram to itself, on a port of its own. @returns why it did not arrive; null when it did */
export async function multicastProblem(): Promise<string | null> {
  const socket = createSocket({ type: "udp4", reuseAddr: true });
  try {
    socket.bind(0);
    await once(socket, "listening");
    socket.addMembership(GROUP);
    socket.setMulticastLoopback(true);
    const arrived = once(socket, "message", { signal: AbortSignal.timeout(PROBE_MS) });
    socket.send("probe", socket.address().port, GROUP);
    await arrived;
    return null;
  } catch (error) {
    return `multicast does not work here: ${error instanceof Error ? error.message : error}`;
  } finally {
    socket.close();
  }
}
