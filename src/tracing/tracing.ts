/**
 * Opens the export of traces, on nodes that are configured to have one.
 *
 * The OpenTelemetry packages are loaded then and not before: a node without `tracing.endpoint` has none of their code in memory
 * and hands `undefined` to its parts.
 */

import type { OpenTracing, TracingOptions } from "./interface.ts";

/** Undefined when no endpoint is configured. */
export async function openTracing(options: TracingOptions): Promise<OpenTracing | undefined> {
  const { endpoint } = options.config;
  if (endpoint === undefined) return undefined;
  const { OtlpTracing } = await import("./otlp-tracing.ts");
  options.logger.info({ code: "TRACES_ENABLED", endpoint }, "traces are exported");
  return new OtlpTracing(endpoint, options);
}
