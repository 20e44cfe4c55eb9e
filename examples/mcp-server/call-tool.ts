/**
 * Finds the MCP server that offers a tool, wherever it is, and calls the tool.
 *
 *   node --conditions=atoll-source examples/mcp-server/call-tool.ts forecast '{"city":"Lisbon"}'
 */

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { AtollClient } from "atoll/client";

const [tool = "forecast", input = '{"city":"Lisbon"}'] = process.argv.slice(2);
const { ATOLL_URLS = "http://127.0.0.1:8000,http://127.0.0.1:8100" } = process.env;

const { agents } = await new AtollClient({ urls: ATOLL_URLS.split(",") }).lookup(tool, { tags: ["mcp"] });
const [found] = agents;
if (found === undefined) throw new Error(`nobody offers ${tool}; is the server registered?`);

const client = new Client({ name: "call-tool", version: "1.0.0" });
await client.connect(new StreamableHTTPClientTransport(new URL(found.endpoint)));
const { content } = await client.callTool({ name: tool, arguments: JSON.parse(input) });
console.log(JSON.stringify(content));
await client.close();
