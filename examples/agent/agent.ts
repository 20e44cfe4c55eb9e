/**
 * A plain agent: an HTTP server that greets, registered for as long as it runs.
 *
 *   node --conditions=atoll-source examples/agent/agent.ts english
 */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { AtollClient } from "atoll/client";
import { deregisterOnExit } from "atoll/client/node";

const GREETINGS: Record<string, string> = { english: "Hello", french: "Bonjour", german: "Hallo" };
const [language = "english"] = process.argv.slice(2);
const { ATOLL_URLS = "http://127.0.0.1:8000,http://127.0.0.1:8100", AGENT_LEASE_MS = "30000" } = process.env;

const server = createServer((request, response) => {
  const name = new URL(request.url ?? "/", "http://agent").searchParams.get("name") ?? "stranger";
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ greeting: `${GREETINGS[language] ?? "Hi"}, ${name}!` }));
});
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
const { port } = server.address() as AddressInfo;

const atoll = new AtollClient({ urls: ATOLL_URLS.split(",") });
const registration = await atoll.register(
  {
    id: `greeter-${language}`,
    endpoint: `http://127.0.0.1:${port}`,
    capabilities: [{ name: "greet", version: "1.0.0", tags: [language] }],
    leaseMs: Number(AGENT_LEASE_MS),
  },
  { onEvent: (event) => event.type !== "renewed" && console.log(JSON.stringify(event)) },
);
deregisterOnExit(registration, { onFailure: (error) => console.error(error) });
