import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fellSilent, registered } from "../../../src/registry/event-records.ts";
import type { StoredAgent } from "../../../src/types/agent.ts";
import { agentId, aRecord } from "./fixtures.ts";

const AT_MS = Date.UTC(2026, 0, 1, 12, 30, 15, 250);
const AGENT: StoredAgent = {
  id: agentId(1),
  record: aRecord({ name: "weather", version: "1.2.3" }),
  incarnation: 7,
  health: "healthy",
  revision: 7,
  registeredAtMs: AT_MS,
  changedAtMs: AT_MS,
};
const RECOGNIZED = { source: "status_change_hook", detected_at: "2026-01-01T12:30:15Z" };

describe("A11: events of an agent's health", () => {
  it("A11: say of one that fell silent what the contract's registry says", () => {
    assert.deepEqual(fellSilent(AGENT, AT_MS).data, {
      reason: "health_degradation",
      description: "Agent became unhealthy",
      old_status: "healthy",
      new_status: "unhealthy",
      transition_type: "healthy_to_unhealthy",
      ...RECOGNIZED,
    });
  });

  it("A11: tell an agent that comes back from one that is new", () => {
    assert.deepEqual(registered(AGENT, "created", AT_MS).data, {
      agent_type: "mcp_agent",
      name: "weather",
      version: "1.2.3",
    });
    assert.deepEqual(registered(AGENT, "recovered", AT_MS).data, {
      reason: "recovery",
      description: "Agent recovered to healthy status",
      old_status: "unhealthy",
      new_status: "healthy",
      transition_type: "unhealthy_to_healthy",
      ...RECOGNIZED,
    });
  });
});
