/** The client writes the wire's types down again (ADR 0011). This compiles only as long as they are the server's. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type * as commands from "../../../src/cli/api-client.ts";
import type * as client from "../../../src/client/wire.ts";
import type * as agents from "../../../src/types/agent.ts";
import { createTestApp } from "../../support/api-app.ts";

type Assert<Condition extends true> = Condition;
type Fits<Given, Wanted> = Given extends Wanted ? true : false;

export type Checks = [
  Assert<Fits<agents.FoundAgent, Omit<client.FoundAgent, "metadata" | "kwargs">>>,
  Assert<Fits<keyof agents.FoundAgent, keyof client.FoundAgent>>,
  Assert<Fits<keyof client.FoundAgent, keyof agents.FoundAgent>>,
  Assert<Fits<client.AgentType, agents.AgentType>>,
  Assert<Fits<agents.AgentType, client.AgentType>>,
  Assert<Fits<agents.AgentRuntime, client.AgentRuntime>>,
  Assert<Fits<commands.NodeView, client.NodeView>>,
];

describe("what the client says of an agent", () => {
  it("is all of what a node takes, and nothing that it refuses", async () => {
    const { send } = await createTestApp();
    const description: Required<Omit<client.AgentDescription, "id">> = {
      endpoint: "http://agent:9000",
      name: "agent",
      namespace: "default",
      type: "mcp_agent",
      runtime: "typescript",
      version: "1.0.0",
      description: "says hello",
      zone: "a",
      labels: { team: "sky" },
      metadata: { any: ["thing"] },
      leaseMs: 30_000,
      capabilities: [
        "ping",
        {
          name: "greet",
          functionName: "say_hello",
          version: "1.2.0",
          tags: ["english"],
          description: "greets",
          dependencies: [{ capability: "clock", tags: ["+utc", ["a", "b"]], version: "^1", required: true }],
          inputSchema: { type: "object" },
          outputSchema: { type: "object" },
          kwargs: { timeout: 3 },
        } satisfies Required<client.CapabilityDescription>,
      ],
    };
    const answer = await send({ method: "PUT", url: "/v1/agents/agent-1", payload: description });
    assert.equal(answer.statusCode, 201, answer.body);
    const openapi = (await send({ method: "GET", url: "/openapi.json" })).json();
    const schema = openapi.paths["/v1/agents/{id}"].put.requestBody.content["application/json"].schema;
    assert.deepEqual(Object.keys(schema.properties).sort(), Object.keys(description).sort());
  });
});
