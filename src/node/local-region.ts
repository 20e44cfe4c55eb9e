/** This node's own region in the federation's words, as far as other regions may see it; answered by registry, group, members. */

import type { LocalRegion, RegionKeyPair } from "../federation/interface.ts";
import type { ConsensusGroup } from "../raft/index.ts";
import type { RegistryService } from "../registry/registry-service.ts";
import type { RegistryStateMachine } from "../registry/registry-state-machine.ts";
import type { SummaryNode } from "../types/summary.ts";

export interface LocalRegionParts {
  readonly registry: RegistryService;
  readonly stateMachine: RegistryStateMachine;
  readonly group: ConsensusGroup;
  readonly nodes: () => readonly SummaryNode[];
  readonly signingKey: () => RegionKeyPair | undefined;
}

export function localRegion({ registry, stateMachine, group, nodes, signingKey }: LocalRegionParts): LocalRegion {
  return {
    region: registry.region,
    isLeader: () => group.status().role === "leader",
    term: () => group.status().term,
    revision: () => group.status().appliedIndex,
    stalenessMs: () => group.status().stalenessMs,
    agents: () => registry.exportedAgents(),
    nodes,
    entries: () => registry.exportedCapabilities(),
    entry: (name) => registry.exportedCapability(name),
    onChange: (listener) => registry.onChange(listener),
    async lookup(query, consistency) {
      if (consistency === "linearizable") await registry.read("linearizable");
      return registry.lookupForAbroad(query);
    },
    signingKey,
    keySuccessions: () => stateMachine.keySuccessions,
    retirements: () => stateMachine.retirements,
    farewell: () => stateMachine.farewell,
  };
}
