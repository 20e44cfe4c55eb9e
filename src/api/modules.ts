/** What every face gets of the server that carries it. */

import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import type { Metrics } from "../metrics/metrics.ts";
import type { Registry } from "../registry/interface.ts";
import type { Clock } from "../util/clock.ts";
import type { Logger } from "../util/logger.ts";
import type { ClusterAdmin, ClusterView } from "./ports.ts";

export interface FaceOptions {
  readonly registry: Registry;
  readonly view: ClusterView;
  readonly admin: ClusterAdmin;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly limits: HttpLimits;
  readonly leases: DefaultLeases;
  /** True from the moment the node was told to stop. */
  readonly isShuttingDown: () => boolean;
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

export const DEFAULT_HTTP_LIMITS: HttpLimits = { bodyBytesMax: 1024 * 1024, meshBodyBytesMax: 10 * 1024 * 1024 };

export type Face = FastifyPluginAsyncTypebox<FaceOptions>;
