/**
 * What there is to tell of how an agent's dependencies were resolved (contract B "Audit"): one entry for each dependency of
 * which something new can be said.
 */

import type { Dependency, StoredAgent } from "../types/agent.ts";
import type { AgentIndex } from "./agent-index.ts";
import type { AuditEntry } from "./commands.ts";
import type { Resolutions, ResolvedDependency } from "./interface.ts";
import {
  auditData,
  type DependencyTrace,
  isWorthTelling,
  TRACE_LISTED_MAX,
  type TraceOptions,
  traceDependency,
} from "./matching/explain.ts";
import { type Audits, slotOf } from "./registry-state-machine.ts";

/** Candidates listed in a stage, of all dependencies of an agent together: what it is told of goes through the log. */
const LISTED_MAX = 320;

/** Chosen from another region, after this one had nobody. */
type TraceAbroad = DependencyTrace & { chosen_region: string };

/**
 * @param prior - what was last told of each dependency
 * @param before - resolves when a dependency may be looked at without keeping others waiting
 */
export async function auditOf(
  agent: StoredAgent,
  { dependencies }: Resolutions,
  prior: Audits,
  index: AgentIndex,
  options: TraceOptions,
  before: (dependency: Dependency) => Promise<void>,
): Promise<readonly AuditEntry[]> {
  const entries: AuditEntry[] = [];
  const listedMax = Math.min(TRACE_LISTED_MAX, Math.max(1, Math.floor(LISTED_MAX / dependencies.length)));
  for (const [functionName, resolved] of Map.groupBy(dependencies, (each) => each.functionName)) {
    for (const [position, each] of resolved.entries()) {
      await before(each.dependency);
      const trace = traceOf(each, index, { ...options, listedMax });
      const told = prior[slotOf(functionName, position)];
      if (!isWorthTelling(trace, told)) continue;
      const type = each.provider === null ? "dependency_unresolved" : "dependency_resolved";
      entries.push({ functionName, position, type, data: auditData(agent.id, position, trace, told) });
    }
  }
  return entries;
}

function traceOf(
  { dependency, provider }: ResolvedDependency,
  index: AgentIndex,
  options: TraceOptions,
): DependencyTrace | TraceAbroad {
  const trace = traceDependency(index.offers(dependency.capability), dependency, options);
  if (provider === null || provider.region === index.region) return trace;
  const { id: agent_id, endpoint, functionName: function_name, region } = provider;
  return { ...trace, chosen: { agent_id, endpoint, function_name }, chosen_region: region };
}
