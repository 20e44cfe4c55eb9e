/** `atoll lookup CAPABILITY`: who can do it, anywhere, and what did not answer. */

import type { LookupExplanation, RegionTrace } from "../../types/lookup.ts";
import type { LookupView } from "../api-client.ts";
import { formatAge, formatHealth, formatTable, type Output, printJson, style } from "../output.ts";
import { type ClientOptions, connect } from "./client-options.ts";

export interface LookupOptions extends ClientOptions {
  readonly version?: string;
  readonly tags?: string;
  readonly region?: string;
  readonly scope?: string;
  readonly zone?: string;
  readonly explain?: boolean;
  readonly health?: string;
  readonly consistency?: string;
  readonly limit?: number;
}

export async function lookup(capability: string, options: LookupOptions, output: Output): Promise<void> {
  const answer = await connect(options).lookup({ capability, ...queryOf(options) });
  if (options.json) return printJson(output, answer);
  output.print(formatAgents(answer));
  for (const line of describeRegions(answer)) output.note(line);
}

/** Named one by one: of the rest, some are what the command proves itself with, and belong in no address. */
function queryOf({ limit, version, tags, region, scope, zone, explain, health, consistency }: LookupOptions) {
  return { limit, version, tags, region, scope, zone, explain, health, consistency };
}

function formatAgents({ agents, explanation }: LookupView): string {
  const rows = agents.map((agent, i) => [
    agent.id,
    agent.region,
    agent.endpoint,
    agent.version,
    formatHealth(agent.health),
    agent.tags.join(" "),
    ...(explanation === undefined ? [] : describePlace(explanation.places[i])),
  ]);
  const head = ["AGENT", "REGION", "ENDPOINT", "VERSION", "HEALTH", "TAGS"];
  return formatTable(explanation === undefined ? head : [...head, "SCORE", "ZONE", "DISTANCE", "BEHIND BY"], rows);
}

function describePlace(place: LookupExplanation["places"][number] | undefined): string[] {
  if (place === undefined) return ["-", "-", "-", "-"];
  const { score, isInZone, distanceMs, behindBy } = place;
  const distance = distanceMs === undefined ? "-" : `${distanceMs.toFixed(1)} ms`;
  return [String(score), isInZone ? "same" : "-", distance, behindBy ?? "-"];
}

/** What was dropped of the node's own region, stage by stage. */
function describeDropped({ matching, moved }: LookupExplanation): string[] {
  const lines = (matching?.stages ?? []).flatMap(({ stage, dropped, listed }) => {
    if (dropped === 0) return [];
    const names = listed.map(({ id, reason, details }) => `  ${id}: ${reason} ${JSON.stringify(details)}`);
    const leftOut = dropped - listed.length;
    return [`${stage} dropped ${dropped}:`, ...names, ...(leftOut > 0 ? [`  and ${leftOut} more`] : [])];
  });
  if (moved.count > 0) lines.push(`${moved.count} left out that live elsewhere by now`);
  return lines.map((line) => style.dim(line));
}

function describeTrace({ did, asked, summary, breaker }: RegionTrace): string {
  const facts = [
    ...(asked === undefined ? [] : [`${asked.node} of ${asked.requests} asked, after ${formatAge(asked.tookMs)}`]),
    ...(summary === undefined ? [] : [`summary of revision ${summary.revision}, ${formatAge(summary.ageMs)} old`]),
    ...(summary?.changedRevision === undefined ? [] : [`last change at ${summary.changedRevision}`]),
    ...(breaker === undefined || breaker === "closed" ? [] : [`breaker ${breaker}`]),
  ];
  return facts.length === 0 ? did : `${did}: ${facts.join(", ")}`;
}

/** One line per region, so that an empty answer is never taken for "there are none" when somebody was not asked. */
function describeRegions({ regions, complete, nextCursor, explanation }: LookupView): string[] {
  const lines = regions.flatMap(({ region, source, agents, stalenessMs, error, trace }) => [
    error === undefined
      ? style.dim(
          `${region}: ${agents} found, ${source === "none" ? "no match by its summary" : source}, at most ${formatAge(stalenessMs)} old`,
        )
      : style.yellow(`${region}: did not answer (${error.code}: ${error.message})`),
    ...(trace === undefined ? [] : [style.dim(`  ${describeTrace(trace)}`)]),
  ]);
  if (explanation !== undefined) lines.push(...describeDropped(explanation));
  if (!complete) lines.push(style.yellow("Incomplete: a region that may have matching agents did not answer."));
  if (nextCursor !== undefined) lines.push("There are more: raise --limit.");
  return lines;
}
