/** `atoll lookup CAPABILITY`: who can do it, anywhere, and what did not answer. */

import { ApiClient, type LookupView } from "../api-client.ts";
import { formatAge, formatHealth, formatTable, type Output, printJson, style } from "../output.ts";
import type { ClientOptions } from "./client-options.ts";

export interface LookupOptions extends ClientOptions {
  readonly version?: string;
  readonly tags?: string;
  readonly region?: string;
  readonly scope?: string;
  readonly zone?: string;
  readonly health?: string;
  readonly consistency?: string;
  readonly limit?: number;
}

export async function lookup(capability: string, options: LookupOptions, output: Output): Promise<void> {
  const { url, json, ...query } = options;
  const answer = await new ApiClient(url).lookup({ capability, ...query });
  if (json) return printJson(output, answer);
  output.print(formatAgents(answer));
  for (const line of describeRegions(answer)) output.note(line);
}

function formatAgents({ agents }: LookupView): string {
  const rows = agents.map((agent) => [
    agent.id,
    agent.region,
    agent.endpoint,
    agent.version,
    formatHealth(agent.health),
    agent.tags.join(" "),
  ]);
  return formatTable(["AGENT", "REGION", "ENDPOINT", "VERSION", "HEALTH", "TAGS"], rows);
}

/** One line per region, so that an empty answer is never taken for "there are none" when somebody was not asked. */
function describeRegions({ regions, complete, nextCursor }: LookupView): string[] {
  const lines = regions.map(({ region, source, agents, stalenessMs, error }) =>
    error === undefined
      ? style.dim(
          `${region}: ${agents} found, ${source === "none" ? "no match by its summary" : source}, at most ${formatAge(stalenessMs)} old`,
        )
      : style.yellow(`${region}: did not answer (${error.code}: ${error.message})`),
  );
  if (!complete) lines.push(style.yellow("Incomplete: a region that may have matching agents did not answer."));
  if (nextCursor !== undefined) lines.push("There are more: raise --limit.");
  return lines;
}
