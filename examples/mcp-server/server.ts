/**
 * An MCP server whose tools are found through Atoll.
 *
 *   node --conditions=atoll-source examples/mcp-server/server.ts
 */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { StreamableHTTPServerTransport } from "@modelcontextprotocol/sdk/server/streamableHttp.js";
import { AtollClient } from "atoll/client";
import { deregisterOnExit } from "atoll/client/node";
import { z } from "zod";
import { registerMcpServer } from "./register-mcp-server.ts";

/** Without sessions each request has a server of its own. */
function createWeatherServer(): McpServer {
  const server = new McpServer({ name: "weather", version: "1.0.0" });
  server.registerTool(
    "forecast",
    { description: "Tells tomorrow's weather of a city", inputSchema: { city: z.string() } },
    ({ city }) => ({ content: [{ type: "text", text: `${city}: sunny, 21 °C` }] }),
  );
  server.registerTool("alerts", { description: "Lists weather warnings" }, () => ({
    content: [{ type: "text", text: "none" }],
  }));
  return server;
}

const http = createServer(async (request, response) => {
  const server = createWeatherServer();
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true });
  response.once("close", () => server.close());
  await server.connect(transport);
  await transport.handleRequest(request, response);
});
await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
const { port } = http.address() as AddressInfo;

const { ATOLL_URLS = "http://127.0.0.1:8000,http://127.0.0.1:8100" } = process.env;
const registration = await registerMcpServer(createWeatherServer(), new AtollClient({ urls: ATOLL_URLS.split(",") }), {
  id: "weather",
  endpoint: `http://127.0.0.1:${port}/mcp`,
  tags: ["mcp"],
});
deregisterOnExit(registration);

console.log(`registered with ${registration.node} in ${registration.region}`);
