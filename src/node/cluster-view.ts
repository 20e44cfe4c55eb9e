/** What the HTTP faces show of nodes, regions and the group, read from the parts at each question. */

import type { ClusterStatus, ClusterView, NodeRole, NodeStatus, RegionStatus } from "../api/ports.ts";
import type { Federation } from "../federation/federation.ts";
import type { PeerDirectory } from "../network/interface.ts";
import type { Founding } from "../raft/bootstrap.ts";
import type { ConsensusGroup } from "../raft/index.ts";
import { canonicalExport, type ExportPolicy } from "../registry/export-policy.ts";
import type { RegistryService } from "../registry/registry-service.ts";
import type { NodeId } from "../types/ids.ts";
import type { SummaryNode } from "../types/summary.ts";
import { compareText } from "../util/compare.ts";
import type { Readiness } from "./readiness.ts";

export interface ClusterViewParts {
  readonly federationId: string;
  readonly self: () => SummaryNode;
  readonly version: string;
  readonly registry: RegistryService;
  readonly exportConfigured: ExportPolicy;
  readonly group: ConsensusGroup;
  readonly readiness: () => Readiness;
  /** Present once the network is up, ... */
  readonly directory: () => PeerDirectory | undefined;
  /** ... the region is founded ... */
  readonly founding: () => Founding | undefined;
  /** ... and the federation has started. */
  readonly federation: () => Federation | undefined;
  readonly members: () => readonly SummaryNode[];
}

export class NodeClusterView implements ClusterView {
  readonly #parts: ClusterViewParts;

  constructor(parts: ClusterViewParts) {
    this.#parts = parts;
  }

  applied(): { revision: number; stalenessMs: number } {
    const { appliedIndex, stalenessMs } = this.#parts.group.status();
    return { revision: appliedIndex, stalenessMs };
  }

  node(): NodeStatus {
    const { self, registry, version } = this.#parts;
    return { ...self(), region: registry.region, role: this.#ownRole(), link: "self", version };
  }

  nodes(): NodeStatus[] {
    const { members, registry, federation } = this.#parts;
    const home = members()
      .slice(1)
      .map((node) => this.#remoteNode(node, registry.region));
    const abroad = (federation()?.status() ?? []).flatMap(({ region, nodes }) =>
      nodes.map((node) => this.#remoteNode(node, region)),
    );
    const order = (a: NodeStatus, b: NodeStatus) => compareText(a.region, b.region) || compareText(a.name, b.name);
    return [this.node(), ...[...home, ...abroad].sort(order)];
  }

  regions(): RegionStatus[] {
    const { registry, group, federation, founding, members } = this.#parts;
    const { stalenessMs, appliedIndex, commitIndex, term } = group.status();
    const { healthy, unhealthy, capabilities } = registry.countAgents();
    const own: RegionStatus = {
      region: registry.region,
      link: "self",
      cluster: founding()?.cluster ?? "",
      leader: this.#leaderName(),
      term,
      revision: appliedIndex,
      lagRevisions: Math.max(0, commitIndex - appliedIndex),
      stalenessMs,
      inSync: true,
      agents: healthy + unhealthy,
      capabilities,
      nodes: members().map(({ name, nodeId, http }) => ({ name, nodeId, http })),
    };
    const others = (federation()?.status() ?? []).map(
      ({ link, summaryAgeMs, nodes, ...status }): RegionStatus => ({
        ...status,
        link,
        leader: null,
        stalenessMs: summaryAgeMs,
        nodes: nodes.map(({ name, nodeId, http }) => ({ name, nodeId, http })),
      }),
    );
    return [own, ...others];
  }

  cluster(): ClusterStatus {
    const { federationId, registry, self, group, founding } = this.#parts;
    const { term, commitIndex, appliedIndex, lastIndex, logStartIndex, stalenessMs, sinceLeaderMs, membership } =
      group.status();
    const { healthy, unhealthy } = registry.countAgents();
    const configured = canonicalExport(this.#parts.exportConfigured);
    const toMember = (votes: boolean) => (member: { name: string; id: NodeId }) => ({
      name: member.name,
      nodeId: member.id,
      votes,
    });
    return {
      federation: federationId,
      region: registry.region,
      cluster: founding()?.cluster ?? "",
      node: self().name,
      role: this.#ownRole(),
      leader: this.#leaderName(),
      term,
      commitIndex,
      appliedIndex,
      lastIndex,
      logStartIndex,
      stalenessMs,
      sinceLeaderMs,
      members: [...membership.voters.map(toMember(true)), ...membership.learners.map(toMember(false))],
      agents: { healthy, unhealthy },
      export: { policy: registry.exportPolicy() ?? configured, configured },
    };
  }

  readiness(): Readiness {
    return this.#parts.readiness();
  }

  federationHint(): readonly string[] {
    const { registry } = this.#parts;
    const directory = this.#parts.directory();
    if (directory === undefined) return [];
    const distance = (id: NodeId) => directory.roundTripMs(id) ?? Number.POSITIVE_INFINITY;
    return directory
      .peers()
      .filter((peer) => peer.region !== registry.region)
      .sort((a, b) => distance(a.nodeId) - distance(b.nodeId) || compareText(a.name, b.name))
      .map((peer) => peer.http);
  }

  #ownRole(): NodeRole {
    const { founding, group, self } = this.#parts;
    if (founding() === undefined) return "unknown";
    const { role, membership } = group.status();
    return membership.learners.some(({ id }) => id === self().nodeId) ? "learner" : role;
  }

  #remoteNode(node: SummaryNode, region: string): NodeStatus {
    const id = node.nodeId as NodeId;
    const directory = this.#parts.directory();
    const isLinked = directory?.get(id) !== undefined;
    const roundTripMs = directory?.roundTripMs(id);
    const { leader, membership } = this.#parts.group.status();
    let role: NodeRole = "unknown";
    if (region === this.#parts.registry.region) {
      if (id === leader) role = "leader";
      else if (isLinked) role = membership.learners.some((learner) => learner.id === id) ? "learner" : "follower";
    }
    return {
      ...node,
      region,
      role,
      link: isLinked ? "connected" : "away",
      ...(roundTripMs !== undefined && { roundTripMs }),
    };
  }

  #leaderName(): string | null {
    const { leader, membership } = this.#parts.group.status();
    return membership.voters.find(({ id }) => id === leader)?.name ?? null;
  }
}
