/** An agent that speaks MCP over HTTP on loopback: enough of it for `meshctl call` and `meshctl list --tools=NAME`. */

import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";

export interface McpTool {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: object;
  /** In one JSON body, as a stream of events, or in one that never comes to its end. */
  readonly answersIn: "json" | "events" | "endless events";
  /** The text of its result. */
  run(args: Readonly<Record<string, unknown>>): string;
}

interface RpcRequest {
  readonly id?: number;
  readonly method: string;
  readonly params?: { readonly name?: string; readonly arguments?: Readonly<Record<string, unknown>> };
}

export interface McpCall {
  readonly method: string;
  readonly tool: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

const HOST = "127.0.0.1";

export class McpAgent {
  /** In the order of their arrival. */
  readonly calls: McpCall[] = [];
  readonly host = HOST;
  readonly #tools: readonly McpTool[];
  readonly #server = createServer((request, response) => this.#answer(request, response));

  static async start(tools: readonly McpTool[]): Promise<McpAgent> {
    const agent = new McpAgent(tools);
    agent.#server.listen(0, HOST);
    await once(agent.#server, "listening");
    return agent;
  }

  private constructor(tools: readonly McpTool[]) {
    this.#tools = tools;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { id, method, params } = (await json(request)) as RpcRequest;
    this.calls.push({ method, tool: params?.name, headers: request.headers });
    if (method === "tools/list") {
      const tools = this.#tools.map(({ name, description, inputSchema }) => ({ name, description, inputSchema }));
      return endJson(response, { jsonrpc: "2.0", id, result: { tools } });
    }
    const tool = method === "tools/call" ? this.#tools.find(({ name }) => name === params?.name) : undefined;
    if (tool === undefined) return endJson(response, { jsonrpc: "2.0", id, error: { code: -32_601, message: method } });
    const result = { content: [{ type: "text", text: tool.run(params?.arguments ?? {}) }] };
    if (tool.answersIn === "json") return endJson(response, { jsonrpc: "2.0", id, result });
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(": ping\n\n");
    if (tool.answersIn === "events") {
      response.end(`event: message\ndata: ${JSON.stringify({ jsonrpc: "2.0", id, result })}\n\n`);
    }
  }
}

function endJson(response: ServerResponse, body: object): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}
