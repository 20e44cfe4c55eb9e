/** What every face gets of the server that carries it. */

import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import type { Metrics } from "../metrics/metrics.ts";
import type { Trend } from "../metrics/trend.ts";
import type { ChangeFeed } from "../registry/change-feed.ts";
import type { Registry } from "../registry/interface.ts";
import type { Tracing } from "../types/tracing.ts";
import type { Clock } from "../util/clock.ts";
import type { Logger } from "../util/logger.ts";
import type { Random } from "../util/random.ts";
import type { HttpSecurity } from "./guard.ts";
import type { LoadGuard } from "./load-guard.ts";
import { type CallAgent, callAgent } from "./mesh/call-agent.ts";
import type { Activity, BackupSource, ClusterAdmin, ClusterView, FederationAdmin, PeerAdmin } from "./ports.ts";
import type { WatchLimits } from "./v1/watchers.ts";

export interface FaceOptions {
  readonly registry: Registry;
  readonly view: ClusterView;
  readonly admin: ClusterAdmin;
  readonly peers: PeerAdmin;
  readonly federation: FederationAdmin;
  readonly backups: BackupSource;
  readonly metrics: Metrics;
  readonly trend: Trend;
  readonly activity: Activity;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly limits: HttpLimits;
  readonly leases: DefaultLeases;
  readonly mesh: MeshOptions;
  readonly proxy: ProxyOptions;
  readonly watch: WatchOptions;
  /** HTTPS in place of HTTP. */
  readonly tls?: TlsServerOptions;
  /** Networks of proxies that are believed who asked them, and how (`x-forwarded-for`, `x-forwarded-proto`). */
  readonly trustedProxies?: readonly string[];
  /** Absent: everybody may do everything. */
  readonly security?: HttpSecurity;
  /** Absent: everything is served, however much it is. */
  readonly load?: LoadGuard;
  /** True from the moment the node was told to stop. */
  readonly isShuttingDown: () => boolean;
  /** Absent on nodes that export no traces. */
  readonly tracing?: Tracing | undefined;
}

/** As `node:https` takes them. */
export interface TlsServerOptions {
  readonly cert: string;
  readonly key: string;
  readonly ca: string[];
  readonly requestCert: boolean;
  readonly rejectUnauthorized: boolean;
}

export interface HttpLimits {
  /** Largest request body of the native face and the seed forms; the default is 1 MiB. */
  readonly bodyBytesMax: number;
  /** Largest request body of the MCP Mesh face; the default is 10 MiB (contract, section 1). */
  readonly meshBodyBytesMax: number;
}

/** Leases of agents that do not name one, by the face they come in through; in milliseconds. */
export interface DefaultLeases {
  readonly meshMs: number;
  readonly seedMs: number;
  readonly nativeMs: number;
}

/** What the MCP Mesh face is told by configuration. */
export interface MeshOptions {
  /** `/admin` is served on a port of its own, and not on this one. */
  readonly isAdminApart: boolean;
  /** What the paths of A2A surfaces are put behind, without a slash at its end; empty when they are not published. */
  readonly publicUrlPrefix: string;
}

export const MESH_DEFAULTS: MeshOptions = { isAdminApart: false, publicUrlPrefix: "" };

/** How calls to agents are forwarded. */
export interface ProxyOptions {
  /** What a call has that names no time of its own, in milliseconds. */
  readonly timeoutMs: number;
  /** Request headers that are forwarded beside those of the contract; a name that ends with `*` is a prefix. */
  readonly propagateHeaders: readonly string[];
  /** Most calls at one time; beyond, callers are told to retry. */
  readonly callsMax: number;
  readonly callAgent: CallAgent;
}

export const PROXY_DEFAULTS: ProxyOptions = { timeoutMs: 60_000, propagateHeaders: [], callsMax: 512, callAgent };

/** What `/v1/watch` tells, and to how many. */
export interface WatchOptions {
  readonly feed: ChangeFeed;
  /** Id of the cluster that the feed's revisions are of; empty until the region is founded. */
  readonly cluster: () => string;
  readonly random: Random;
  readonly limits?: Partial<WatchLimits>;
}

export const DEFAULT_HTTP_LIMITS: HttpLimits = { bodyBytesMax: 1024 * 1024, meshBodyBytesMax: 10 * 1024 * 1024 };

export type Face = FastifyPluginAsyncTypebox<FaceOptions>;
