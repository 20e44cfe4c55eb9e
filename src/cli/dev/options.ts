/** What `atoll dev` was asked for, and the federation that follows from it: names, ports, folders. */

import { join } from "node:path";
import type { Address } from "../../config/option.ts";
import { splitSecrets } from "../../config/secrets.ts";
import { UsageError } from "../errors.ts";

export interface DevOptions {
  readonly regions: readonly RegionSize[];
  readonly httpBase: number;
  readonly dataDir: string;
  readonly isFresh: boolean;
  readonly wanMs: number;
  readonly isJson: boolean;
}

export interface RegionSize {
  readonly region: string;
  readonly nodes: number;
}

export interface PlannedNode {
  readonly name: string;
  readonly region: string;
  readonly httpPort: number;
  /** Where it listens for other nodes. */
  readonly nodePort: number;
  readonly dataDir: string;
  readonly logFile: string;
}

export const REGIONS_DEFAULT = "us-east:3,us-west:3";
const REGIONS_MAX = 16;
const NODES_PER_REGION_MAX = 7;
/** Between the ports of one region and the next. */
const PORTS_PER_REGION = 100;
/** From a node's HTTP port to its port for other nodes, or back where ports would run out. */
const NODE_PORT_OFFSET = 10_000;
const PORT_MAX = 65_535;
const REGION_NAME = /^[a-z0-9]([a-z0-9-]{0,57}[a-z0-9])?$/;

/**
 * Reads `us-east:3,us-west:3`.
 *
 * @throws UsageError naming the part that is wrong
 */
export function parseRegions(text: string): RegionSize[] {
  const regions = text.split(",").map((part) => {
    const [region = "", count = "3", ...rest] = part.trim().split(":");
    const nodes = /^\d{1,2}$/.test(count) ? Number(count) : 0;
    if (rest.length > 0 || !REGION_NAME.test(region) || nodes < 1 || nodes > NODES_PER_REGION_MAX) {
      throw new UsageError(
        `--regions: "${part}" is not name:nodes, such as us-east:3, with 1 to ${NODES_PER_REGION_MAX} nodes and a name of ` +
          "lower-case letters, digits and hyphens",
      );
    }
    return { region, nodes };
  });
  if (regions.length > REGIONS_MAX) throw new UsageError(`--regions: at most ${REGIONS_MAX} regions`);
  if (new Set(regions.map(({ region }) => region)).size < regions.length) {
    throw new UsageError("--regions: every region needs a name of its own");
  }
  return regions;
}

/**
 * Lays the federation out: node j of region i serves HTTP on base + 100 i + j.
 *
 * @throws UsageError when the ports do not fit below 65536
 */
export function planNodes({
  regions,
  httpBase,
  dataDir,
}: Pick<DevOptions, "regions" | "httpBase" | "dataDir">): PlannedNode[] {
  const last = httpBase + PORTS_PER_REGION * (regions.length - 1) + NODES_PER_REGION_MAX;
  if (last > PORT_MAX)
    throw new UsageError(`--http-base: ${httpBase} leaves no room for ${regions.length} regions below ${PORT_MAX}`);
  const offset = last + NODE_PORT_OFFSET <= PORT_MAX ? NODE_PORT_OFFSET : -NODE_PORT_OFFSET;
  return regions.flatMap(({ region, nodes }, i) =>
    Array.from({ length: nodes }, (_, j) => {
      const name = `${region}-${j + 1}`;
      const httpPort = httpBase + PORTS_PER_REGION * i + j;
      const folder = join(dataDir, name);
      return { name, region, httpPort, nodePort: httpPort + offset, dataDir: folder, logFile: `${folder}.log` };
    }),
  );
}

/** What dev decides for its children; whatever else the developer's environment says reaches them as it is. */
export function nodeEnvironment(
  node: PlannedNode,
  regionNodes: readonly PlannedNode[],
  peers: readonly Address[],
  encryptionKey: string,
): Record<string, string> {
  const members = regionNodes.map(({ name, nodePort }) => `${name}@127.0.0.1:${nodePort}`);
  return {
    ATOLL_NAME: node.name,
    ATOLL_REGION: node.region,
    ATOLL_FEDERATION: "dev",
    ATOLL_DATA_DIR: node.dataDir,
    ATOLL_MEMBERS: members.join(","),
    ATOLL_HTTP_HOST: "127.0.0.1",
    ATOLL_HTTP_PORT: String(node.httpPort),
    ATOLL_HTTP_METRICS_PORT: "0",
    // This machine alone reaches them, and its certificates, if it has any, name other hosts.
    ATOLL_HTTP_TLS_MODE: "off",
    ATOLL_HTTP_PUBLIC_URL: httpUrl(node),
    ATOLL_NETWORK_HOST: "127.0.0.1",
    ATOLL_NETWORK_PORT: String(node.nodePort),
    // The relay is the only way to another region: an address learned from elsewhere would lead around a cut.
    ATOLL_NETWORK_ADVERTISE: "none",
    ATOLL_NETWORK_PEERS: peers.map(({ host, port }) => `${host}:${port}`).join(",") || "none",
    ATOLL_NETWORK_ENCRYPTION_KEY: encryptionKey,
  };
}

/** What a node asks dev for too, when the developer's environment has it ask for tokens. */
export function tokenFor(env: Readonly<Record<string, string | undefined>>): string | undefined {
  return env.ATOLL_TOKEN || splitSecrets(env.ATOLL_AUTH_TOKEN || env.AUTH_TOKEN)[0];
}

export function httpUrl({ httpPort }: PlannedNode): string {
  return `http://127.0.0.1:${httpPort}`;
}
