/** Registers what an MCP server offers: each of its tools becomes a capability. */

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import type { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import type { AgentDescription, AtollClient, CapabilityDescription, JsonObject, Registration } from "atoll/client";

/** The rest of the description; capabilities are the server's tools. */
export type McpServerDescription = Omit<AgentDescription, "capabilities"> & { readonly tags?: readonly string[] };

/**
 * @param server - connected to nothing yet: its tools are asked for as any client would
 * @throws AtollClientError as `AtollClient.register` does
 */
export async function registerMcpServer(
  server: McpServer,
  atoll: AtollClient,
  { tags = [], ...description }: McpServerDescription,
): Promise<Registration> {
  const capabilities = await toolsOf(server);
  return atoll.register({ ...description, capabilities: capabilities.map((tool) => ({ ...tool, tags })) });
}

async function toolsOf(server: McpServer): Promise<CapabilityDescription[]> {
  const [ours, theirs] = InMemoryTransport.createLinkedPair();
  await server.connect(theirs);
  const client = new Client({ name: "atoll", version: "1.0.0" });
  await client.connect(ours);
  const { tools } = await client.listTools();
  await client.close();
  return tools.map(({ name, description, inputSchema }) => ({
    name,
    inputSchema: inputSchema as JsonObject,
    ...(description !== undefined && { description }),
  }));
}
