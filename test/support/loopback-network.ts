/** Real nodes on 127.0.0.1, for tests of `src/network` with libp2p. */

import type { TestContext } from "node:test";
import { generateNodeKey } from "../../src/network/libp2p-host.ts";
import { createNetwork, type Network, type NetworkOptions } from "../../src/network/network.ts";
import { asFederationId, asNodeName, asRegionId, type NodeId } from "../../src/types/ids.ts";
import { sleep, systemClock } from "../../src/util/clock.ts";
import { silentLogger } from "../../src/util/logger.ts";
import { seededRandom } from "../../src/util/random.ts";
import { CountedNetworkMetrics } from "./counted-network-metrics.ts";

export interface LoopbackNode extends Network {
  readonly metrics: CountedNetworkMetrics;
  readonly key: Uint8Array;
  /** How others dial it. */
  readonly target: string;
}

export const FEDERATION = asFederationId("test-federation");
export const PSK = Buffer.from("a shared key of the federation");

/** Starts a node that stops when the test ends. */
export async function startNode(test: TestContext, options: Partial<NetworkOptions> = {}): Promise<LoopbackNode> {
  const metrics = new CountedNetworkMetrics();
  const key = options.key ?? generateNodeKey();
  const network = await createNetwork({
    federation: FEDERATION,
    region: asRegionId("us-east"),
    name: asNodeName("node"),
    cluster: null,
    http: "http://127.0.0.1:8000",
    listenHost: "127.0.0.1",
    listenPort: 0,
    advertise: [],
    memberTargets: [],
    peerTargets: [],
    psk: PSK,
    clock: systemClock,
    random: seededRandom(7),
    logger: silentLogger,
    counters: metrics,
    pingIntervalMs: 200,
    ...options,
    key,
  });
  test.after(() => network.stop());
  return { ...network, metrics, key, target: `127.0.0.1:${network.listenPort}` };
}

/** Resolves once `node` is connected to `peer`, or is not any more. */
export function becomes(node: Network, peer: NodeId, state: "up" | "down"): Promise<void> {
  const isSo = () => (node.directory.get(peer) !== undefined) === (state === "up");
  if (isSo()) return Promise.resolve();
  return new Promise((resolve) => {
    const unsubscribe = node.directory.onChange(() => {
      if (!isSo()) return;
      unsubscribe();
      resolve();
    });
  });
}

/** Resolves when both nodes are connected to each other. */
export async function linked(a: Network, b: Network): Promise<void> {
  await Promise.all([becomes(a, b.nodeId, "up"), becomes(b, a.nodeId, "up")]);
}

/** Asks again and again until it is so. The test's own time limit ends the wait. */
export async function eventually(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(systemClock, 10);
}
