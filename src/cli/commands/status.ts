/** `atoll status`: is this region well, and what does it see of the others? */

import type { ClusterView, RegionView } from "../api-client.ts";
import { formatAge, formatLink, formatTable, type Output, printJson, style } from "../output.ts";
import { type ClientOptions, connect } from "./client-options.ts";

export async function status(options: ClientOptions, output: Output): Promise<void> {
  const { json } = options;
  const client = connect(options);
  const [cluster, regions] = await Promise.all([client.cluster(), client.regions()]);
  if (json) return printJson(output, { cluster, regions });
  output.print(describeNode(cluster));
  output.print("");
  output.print(formatRegions(regions));
}

function describeNode(cluster: ClusterView): string {
  const leader =
    cluster.leader === null
      ? style.red("no leader: registrations wait, lookups are answered from what this node holds")
      : `leader ${cluster.leader}, term ${cluster.term}`;
  const voters = cluster.members.filter(({ votes }) => votes).map(({ name }) => name);
  return [
    `${style.bold(cluster.node)} (${cluster.role}) of region ${style.bold(cluster.region)}, federation ${cluster.federation}`,
    leader,
    voters.length > 0 ? `voters ${voters.join(", ")}` : style.red("not founded: waiting for the other members"),
    `applied ${cluster.appliedIndex} of ${cluster.commitIndex} committed, at most ${formatAge(cluster.stalenessMs)} old`,
    `agents: ${cluster.agents.healthy} healthy, ${cluster.agents.unhealthy} unhealthy`,
    ...describeExport(cluster.export),
  ].join("\n");
}

/** Nothing where everything is exported, and nobody would have it otherwise. */
function describeExport(exported: ClusterView["export"]): string[] {
  if (exported === undefined) return [];
  const [policy, configured] = [exported.policy.join(","), exported.configured.join(",")];
  if (policy !== configured) {
    return [
      style.red(`other regions see ${policy}, this node is configured for ${configured}: set federation.export alike`),
    ];
  }
  return policy === "*" ? [] : [`other regions see ${policy}`];
}

/** A table of the regions and, below it, what is wrong with each in words. */
export function formatRegions(regions: readonly RegionView[]): string {
  const rows = regions.map((region) => [
    region.region,
    formatLink(region.link),
    region.leader ?? "-",
    String(region.nodes.length),
    String(region.agents),
    String(region.capabilities),
    String(region.revision),
    region.lagRevisions === undefined ? "-" : String(region.lagRevisions),
    formatAge(region.stalenessMs),
    region.inSync ? "in sync" : style.yellow("catching up"),
    region.roundTripMs === undefined ? "-" : `${region.roundTripMs.toFixed(1)} ms`,
    region.silentMs === undefined ? "-" : formatAge(region.silentMs),
    formatBreaker(region),
  ]);
  const head = ["REGION", "LINK", "LEADER", "NODES", "AGENTS", "CAPABILITIES", "REVISION", "LAG", "AGE", "SUMMARY"];
  const table = formatTable([...head, "RTT", "SILENT", "BREAKER"], rows);
  return [table, ...regions.flatMap(describeTrouble)].join("\n");
}

function formatBreaker({ breaker }: RegionView): string {
  if (breaker === undefined) return "-";
  return breaker === "closed" ? breaker : style.red(breaker);
}

function describeTrouble({ region, distrust, breaker }: RegionView): string[] {
  const lines = [];
  if (distrust !== undefined) lines.push(style.red(`${region} is not trusted: ${distrust}`));
  if (breaker === "open") lines.push(style.yellow(`${region} is not asked for a while: lookups there kept failing`));
  return lines;
}
