/**
 * A node in a process of its own, so that it can be killed. Arguments: the other node's `host:port`.
 *
 * Prints its port once it listens; answers `echo`, never answers `never`.
 */

import { generateNodeKey } from "../../src/network/libp2p-host.ts";
import { createNetwork } from "../../src/network/network.ts";
import { asNodeName, asRegionId } from "../../src/types/ids.ts";
import { systemClock } from "../../src/util/clock.ts";
import { silentLogger } from "../../src/util/logger.ts";
import { seededRandom } from "../../src/util/random.ts";
import { FEDERATION, PSK } from "./loopback-network.ts";

const network = await createNetwork({
  key: generateNodeKey(),
  federation: FEDERATION,
  region: asRegionId("us-east"),
  name: asNodeName("child"),
  cluster: null,
  http: "http://127.0.0.1:8000",
  listenHost: "127.0.0.1",
  listenPort: 0,
  advertise: [],
  memberTargets: process.argv.slice(2),
  peerTargets: [],
  psk: PSK,
  clock: systemClock,
  random: seededRandom(1),
  logger: silentLogger,
});
network.requests.handle("echo", async (_from, payload) => payload);
network.requests.handle("never", () => new Promise(() => {}));
process.stdout.write(`${JSON.stringify({ port: network.listenPort, nodeId: network.nodeId })}\n`);
