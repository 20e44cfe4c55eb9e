/** Agents, leases and lookups. The `mcp_registry_*` names are those that existing scrapes and alerts look for (contract, section 3). */

import { Counter, type Registry } from "prom-client";
import { just, lazyCounter, lazyGauge } from "./lazy.ts";
import type { RegistryNumbers } from "./source.ts";

/** Which HTTP dialect a request came in. */
export type Face = "mesh" | "seed" | "v1";

export interface RegistryMetrics {
  /** @param change - what the registration did, as the registry says it */
  registration(face: Face, change: string): void;
  renewal(face: Face): void;
  deregistration(face: Face): void;
  lookup(face: Face, answer: { complete: boolean; regions: readonly { source: string }[] }): void;
  /** What this node did so far. */
  totals(): RegistryTotals;
}

export interface RegistryTotals {
  readonly lookups: number;
  /** Signs of life, whichever way they came. */
  readonly renewals: number;
  /** What went to the log. */
  readonly writes: number;
}

export function createRegistryMetrics(
  register: Registry,
  read: () => RegistryNumbers,
  uptimeSeconds: () => number,
): RegistryMetrics {
  exposeNumbers(register, read);
  let registrations = 0;
  let heartbeats = 0;
  let signsOfLife = 0;
  let written = 0;
  let lookedUp = 0;
  lazyCounter(
    register,
    { name: "mcp_registry_registrations_processed_total", help: "Registrations accepted by this node." },
    () => just(registrations),
  );
  lazyCounter(
    register,
    {
      name: "mcp_registry_heartbeats_processed_total",
      help: "Renewals and MCP Mesh heartbeats accepted by this node.",
    },
    () => just(heartbeats),
  );
  lazyGauge(register, { name: "mcp_registry_uptime_seconds", help: "Seconds since this node started." }, () =>
    just(uptimeSeconds()),
  );
  const byChange = new Counter({
    name: "atoll_registry_registrations_total",
    help: "Registrations accepted by this node, by what they changed.",
    labelNames: ["face", "change"] as const,
    registers: [register],
  });
  const renewals = new Counter({
    name: "atoll_registry_renewals_total",
    help: "Lease renewals accepted by this node.",
    labelNames: ["face"] as const,
    registers: [register],
  });
  const deregistrations = new Counter({
    name: "atoll_registry_deregistrations_total",
    help: "Deregistrations accepted by this node.",
    labelNames: ["face"] as const,
    registers: [register],
  });
  const lookups = new Counter({
    name: "atoll_discovery_lookups_total",
    help: "Lookups answered by this node; complete is false when a region that may have agents did not answer.",
    labelNames: ["face", "complete"] as const,
    registers: [register],
  });
  const parts = new Counter({
    name: "atoll_discovery_lookup_regions_total",
    help: "Regions' parts of lookup answers, by where their data came from.",
    labelNames: ["source"] as const,
    registers: [register],
  });
  return {
    registration(face, change) {
      registrations += 1;
      if (face === "mesh") heartbeats += 1;
      if (change === "unchanged") signsOfLife += 1;
      else written += 1;
      byChange.inc({ face, change });
    },
    renewal(face) {
      heartbeats += 1;
      signsOfLife += 1;
      renewals.inc({ face });
    },
    deregistration(face) {
      written += 1;
      deregistrations.inc({ face });
    },
    lookup(face, { complete, regions }) {
      lookedUp += 1;
      lookups.inc({ face, complete: String(complete) });
      for (const { source } of regions) parts.inc({ source });
    },
    totals: () => ({ lookups: lookedUp, renewals: signsOfLife, writes: written }),
  };
}

function exposeNumbers(register: Registry, read: () => RegistryNumbers): void {
  const agents = { name: "mcp_registry_agents_total", help: "Agents registered in this region, of any health." };
  lazyGauge(register, agents, () => {
    const { healthyAgents, unhealthyAgents } = read();
    return just(healthyAgents + unhealthyAgents);
  });
  const byStatus = {
    name: "mcp_registry_agents_by_status",
    help: "Agents registered in this region, by health.",
    labelNames: ["status"],
  } as const;
  lazyGauge<"status">(register, byStatus, () => {
    const { healthyAgents, unhealthyAgents } = read();
    return [
      [{ status: "healthy" }, healthyAgents],
      [{ status: "unhealthy" }, unhealthyAgents],
    ];
  });
  const capabilities = { name: "mcp_registry_capabilities_total", help: "Distinct capabilities in this region." };
  lazyGauge(register, capabilities, () => just(read().capabilities));
  const leases = { name: "atoll_registry_leases", help: "Leases that this node watches." };
  lazyGauge(register, leases, () => just(read().leases));
  const expired = {
    name: "atoll_registry_leases_expired_total",
    help: "Leases that ran out and were ended through the log, as applied by this node.",
  };
  lazyCounter(register, expired, () => just(read().leasesExpiredTotal));
  const returns = {
    name: "atoll_registry_quick_returns_total",
    help: "Agents that were back within one lease after theirs was ended, as applied by this node: they may have lived on.",
  };
  lazyCounter(register, returns, () => just(read().quickReturnsTotal));
  const brake = {
    name: "atoll_registry_brake_engaged",
    help: "1 on a leader that ends leases slowly, because an unlikely share of the agents fell silent at once.",
  };
  lazyGauge(register, brake, () => just(read().isBrakeEngaged ? 1 : 0));
}
