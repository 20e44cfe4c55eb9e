/** Calls to an agent that answers, through either (contract B "Proxy"). */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Improvements } from "../registry-pair.ts";
import { agent, type Scenario } from "../scenario.ts";

/** Set by whoever forwards, as it likes. */
const OWN_HEADERS: readonly string[] = [
  "accept-encoding",
  "connection",
  "host",
  "user-agent",
  "x-forwarded-for",
  "transfer-encoding",
  "content-length",
];

const SENT = {
  "content-type": "application/json",
  accept: "application/json, text/event-stream",
  "x-trace-id": "t",
  "x-parent-span": "p",
  "x-mesh-timeout": "5",
  "x-mesh-job-id": "j",
  authorization: "Bearer secret",
  cookie: "c=1",
  "x-other": "o",
};

export const proxy: readonly Scenario[] = [
  {
    name: "what is forwarded, and what comes back",
    run: async (pair) => {
      const server = createServer(answer);
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as AddressInfo;
      try {
        await pair.post(agent("echoing", ["echoing"], { name: "echo-name", http_host: "127.0.0.1", http_port: port }));
        for (const target of [`127.0.0.1:${port}`, `echoing:${port}`, `echo-name:${port}`]) {
          await pair.send({ method: "POST", path: `/proxy/${target}/mcp`, body: '{"a":1}', headers: SENT });
        }
        const call = (method: string, rest: string, body?: string, improvements?: Improvements) =>
          pair.send(
            { method, path: `/proxy/echoing:${port}/mcp${rest}`, ...(body !== undefined && { body }) },
            improvements,
          );
        await call("GET", "");
        await call("GET", "/deeper/path");
        await call("POST", "", "not json");
        await call("POST", "");
        await call("PUT", "", "{}");
        for (const status of [201, 400, 404, 500, 503]) await call("GET", `/status/${status}`);
        await call("GET", "/status/302", undefined, {
          "redirects are relayed": [
            "status: 200 → 302",
            'body.url: "/elsewhere" → "/mcp/status/302"',
            "body.headers.referer: …",
          ],
        });
        await call("GET", "/events");
        await call("GET", "/deeper?x=1&y=%2F", undefined, {
          "queries are forwarded": ['body.url: "/mcp/deeper" → "/mcp/deeper?x=1&y=%2F"'],
        });
        await pair.leave("echoing");
        await call("GET", "");
      } finally {
        server.close();
      }
    },
  },
];

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url = "" } = request;
  if (url.endsWith("/events")) {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end("event: message\ndata: 1\n\ndata: 2\n\n");
    return;
  }
  let body = "";
  for await (const chunk of request) body += chunk;
  const status = /\/status\/(\d+)$/.exec(url)?.[1] ?? "200";
  response.writeHead(Number(status), { "content-type": "application/json", location: "/elsewhere" });
  response.end(JSON.stringify({ method, url, headers: forwarded(request), body }));
}

/** An empty header is as good as none. */
function forwarded({ headers }: IncomingMessage): object {
  return Object.fromEntries(Object.entries(headers).filter(([name, value]) => value && !OWN_HEADERS.includes(name)));
}
