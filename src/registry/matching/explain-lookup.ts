/**
 * Why a lookup answers what it does, for who asks to be told (`explain=true`): what each stage did to the offers of this
 * region, and what put each agent where it stands. Pure.
 *
 * Elsewhere: the same stages for dependencies (`explain.ts`), the order itself (`lookup-merge.ts`).
 */

import type { FoundAgent } from "../../types/agent.ts";
import type { LookupExplanation, PlaceTrace, RegionAnswer, RegionQuery, StageTrace } from "../../types/lookup.ts";
import { runStage, stagesOf, TRACE_LISTED_MAX, type TraceOptions } from "./explain.ts";
import type { Offer } from "./resolve.ts";
import { compareVersions, parseVersion } from "./version-constraint.ts";

/** Offers that a lookup is explained by: as many as one turn of the event loop can spare. */
export const LOOKUP_OFFERS_MAX = 10_000;

/**
 * What the stages do to the offers of a capability, one after the other, of `LOOKUP_OFFERS_MAX` at most.
 *
 * @param offers - all offers of the capability
 * @param reasonOf - why an offer is not available; undefined when it is
 */
export function traceMatching(
  offers: readonly Offer[],
  { namespace, health, schema, capability, tags, version }: Omit<RegionQuery, "after">,
  reasonOf: TraceOptions["reasonOf"],
): NonNullable<LookupExplanation["matching"]> {
  const lookedAt = offers.slice(0, LOOKUP_OFFERS_MAX);
  const stages: StageTrace[] = [];
  let remaining: readonly Offer[] = lookedAt;
  if (namespace !== undefined) {
    remaining = lookedAt.filter(({ agent }) => agent.record.namespace === namespace);
    stages.push({
      stage: "namespace",
      kept: remaining.length,
      dropped: lookedAt.length - remaining.length,
      listed: [],
    });
  }
  const need = { capability, tags, version, required: false, ...schema };
  for (const [stage, judge] of stagesOf(need, new Map(), reasonOf)) {
    if (stage === "capability_match" || stage === "tiebreaker" || (stage === "health" && health === "any")) continue;
    const { stage: told, kept } = runStage(stage, remaining, judge, TRACE_LISTED_MAX);
    stages.push({ stage, kept: kept.length, dropped: remaining.length - kept.length, listed: told.evicted ?? [] });
    remaining = kept;
  }
  return { offers: offers.length, lookedAt: lookedAt.length, stages };
}

/**
 * Why each agent of an answer stands where it does.
 *
 * @param agents - in the order of the answer
 * @param isInZone - whether an agent is of this region and of the asker's zone
 */
export function tracePlaces(
  agents: readonly FoundAgent[],
  home: string,
  regions: readonly RegionAnswer[],
  isInZone: (agent: FoundAgent) => boolean,
): PlaceTrace[] {
  const distances = new Map(regions.map(({ region, distanceMs }) => [region, distanceMs]));
  return agents.map((agent, i) => {
    const { id, functionName, region, score, version } = agent;
    const distanceMs = region === home ? 0 : distances.get(region);
    const before = agents[i - 1];
    return {
      ...{ id, functionName, region, score, version, isInZone: isInZone(agent) },
      ...(distanceMs !== undefined && { distanceMs }),
      ...(before !== undefined && { behindBy: whatPutsBehind(before, agent, home, isInZone) }),
    };
  });
}

function whatPutsBehind(
  before: FoundAgent,
  agent: FoundAgent,
  home: string,
  isInZone: (agent: FoundAgent) => boolean,
): NonNullable<PlaceTrace["behindBy"]> {
  if (before.score !== agent.score) return "score";
  if (compareVersions(parseVersion(before.version), parseVersion(agent.version)) !== 0) return "version";
  if (isInZone(before) && !isInZone(agent)) return "zone";
  if (before.region === agent.region) return "name";
  return before.region === home ? "region" : "distance";
}
