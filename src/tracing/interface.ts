/** What a node opens for its traces, and what it says of itself for that. */

import type { Config } from "../config/schema.ts";
import type { Tracing } from "../types/tracing.ts";
import type { Logger } from "../util/logger.ts";

export interface OpenTracing extends Tracing {
  /** Exports what ended so far, and ends the export; at most a few seconds. Never rejects. */
  close(): Promise<void>;
}

export interface TracingOptions {
  readonly config: Config["tracing"];
  /** Named in every trace. */
  readonly node: {
    readonly federation: string;
    readonly region: string;
    readonly name: string;
    readonly version: string;
  };
  readonly logger: Logger;
}
