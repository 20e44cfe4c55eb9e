/** The words in which events speak of agents: those of the MCP Mesh registry, which audits and dashboards read (contract A11). */

import type { StoredAgent } from "../types/agent.ts";
import type { RegistryEvent } from "../types/event.ts";
import { rfc3339 } from "../util/clock.ts";

type EventRecord = Omit<RegistryEvent, "sequence" | "revision">;

export function registered(agent: StoredAgent, change: "created" | "recovered", atMs: number): EventRecord {
  const { name, type, version } = agent.record;
  const data =
    change === "created"
      ? { agent_type: type, name, version }
      : {
          reason: "recovery",
          source: "status_change_hook",
          description: "Agent recovered to healthy status",
          ...transition("unhealthy", "healthy", atMs),
        };
  return { type: "register", ...who(agent), atMs, data };
}

export function unregistered(agent: StoredAgent, atMs: number): EventRecord {
  const { name, type, version } = agent.record;
  const data = { agent_type: type, name, version, reason: "graceful_shutdown", source: "delete_endpoint" };
  return { type: "unregister", ...who(agent), atMs, data };
}

export function fellSilent(agent: StoredAgent, atMs: number): EventRecord {
  const data = {
    reason: "health_degradation",
    source: "status_change_hook",
    description: "Agent became unhealthy",
    ...transition("healthy", "unhealthy", atMs),
  };
  return { type: "unhealthy", ...who(agent), atMs, data };
}

export function rotated(agent: StoredAgent, atMs: number): EventRecord {
  const data = { agent_id: agent.id, entity_id: null, name: agent.record.name, reason: "cert_rotation" };
  return { type: "rotate", ...who(agent), atMs, data };
}

function who({ id, record }: StoredAgent) {
  return { agentId: id, agentName: record.name };
}

function transition(before: string, after: string, atMs: number) {
  const detectedAt = `${rfc3339(atMs).slice(0, "2026-01-01T00:00:00".length)}Z`;
  return { old_status: before, new_status: after, transition_type: `${before}_to_${after}`, detected_at: detectedAt };
}
