/** How another region's part of an answer came about, for who asks to be told (`explain=true`). */

import type { RegionAnswer, RegionTrace } from "../types/lookup.ts";
import type { SummaryTable } from "./summary-table.ts";

/**
 * @param answer - with the trace that asking left, if the region was asked
 * @param breaker - of the region, now that it was answered
 */
export function traceRegion(
  answer: RegionAnswer,
  capability: string,
  table: SummaryTable,
  breaker: NonNullable<RegionTrace["breaker"]>,
): RegionTrace {
  const { region, trace } = answer;
  const header = table.headerOf(region);
  const changedRevision = table.entry(region, capability)?.revision;
  return {
    ...trace,
    did: whatWasDone(answer),
    ...(header !== undefined && {
      summary: {
        revision: header.revision,
        ageMs: table.ageMs(region),
        ...(changedRevision !== undefined && { changedRevision }),
      },
    }),
    breaker,
  };
}

function whatWasDone({ source, error }: RegionAnswer): RegionTrace["did"] {
  switch (source) {
    case "local":
      return "read";
    case "live":
      return "asked";
    case "cached":
      return error === undefined ? "kept" : "kept-unconfirmed";
    case "none":
      if (error === undefined) return "ruled-out";
      return error.code === "REGION_FAILING" ? "breaker-open" : "failed";
  }
}
