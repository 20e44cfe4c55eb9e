/**
 * The registry of MCP Mesh, from its npm package, with SQLite as it comes.
 *
 * What makes it fair: Atoll is sent the very same requests, byte for byte, on its MCP Mesh face. Two options are changed: its
 * agents time out after a day, since nothing heartbeats for all of them, and it listens on loopback.
 */

import { join } from "node:path";
import { findMcpMesh, MCP_MESH_VERSION } from "./mcp-mesh-package.ts";
import { meshFastHeartbeat, meshHeartbeat, meshLookup, showsAgent } from "./mesh-requests.ts";
import { type Peer, type PeerCluster, PeerUnavailable, type StartOptions } from "./peer.ts";
import { orStop, stopAll, untilAll } from "./server-cluster.ts";
import { ServerNode } from "./server-node.ts";

const PROGRAM = "mcp-mesh-registry";
const START_TIMEOUT_MS = 30_000;
const AGENT_TIMEOUT_SECONDS = "86400";

/** One process, whatever number of nodes is asked for: it knows of no others. */
export const MCP_MESH_REGISTRY: Peer = {
  name: PROGRAM,
  async start(options) {
    const found = await findMcpMesh(PROGRAM);
    if ("missing" in found) throw new PeerUnavailable(found.missing);
    const node = launch(found.program, options);
    return orStop([node], async () => {
      const cluster = clusterOf(node, options);
      await cluster.untilReady(START_TIMEOUT_MS, options.signal);
      return cluster;
    });
  },
};

function clusterOf(node: ServerNode, { clock }: StartOptions): PeerCluster {
  const notInjected = "a single process has neither a majority to spare nor another region";
  return {
    nodes: [node],
    setting: `${PROGRAM} ${MCP_MESH_VERSION}, SQLite`,
    register: (i) => meshHeartbeat(i),
    renew: meshFastHeartbeat,
    lookup: meshLookup,
    read: meshLookup,
    shows: showsAgent,
    stalenessMs: () => undefined,
    leader: async () => undefined,
    term: async () => undefined,
    untilReady: (timeoutMs, signal) => untilAll([node], () => node.answers("/health"), { clock, timeoutMs, signal }),
    faults: { disk: { notInjected }, region: { notInjected } },
    stop: () => stopAll([node]),
  };
}

function launch(program: string, { httpBase, dataDir }: StartOptions): ServerNode {
  const folder = join(dataDir, PROGRAM);
  const command = {
    name: PROGRAM,
    program,
    args: ["--host", "127.0.0.1", "--port", `${httpBase}`],
    env: { DATABASE_URL: join(folder, "registry.db"), DEFAULT_TIMEOUT_THRESHOLD: AGENT_TIMEOUT_SECONDS },
    folder,
    logFile: join(dataDir, `${PROGRAM}.log`),
  };
  return new ServerNode(command, `http://127.0.0.1:${httpBase}`);
}
