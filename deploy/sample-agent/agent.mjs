/**
 * A sample agent: it offers the capability "greeting", and keeps itself registered by plain HTTP.
 *
 * It registers with its own region's registry, renews its lease as often as the registry asks it to, registers again when
 * told that its lease is gone, waits when the registry can not answer, and takes its leave on SIGTERM.
 *
 *   MCP_MESH_REGISTRY_URL    where the registry is; default http://127.0.0.1:8000
 *   MCP_MESH_AGENT_NAME      id and name; default sample-agent
 *   MCP_MESH_ADVERTISE_HOST  what others reach this agent by; default this machine's name
 *   MCP_MESH_ADVERTISE_PORT  and on which port; default 8081
 *   AUTH_TOKEN               what the registry asks for, where it asks for a token
 */

import { createServer } from "node:http";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

const env = process.env;
const registry = (env.MCP_MESH_REGISTRY_URL ?? "http://127.0.0.1:8000").replace(/\/+$/, "");
const id = env.MCP_MESH_AGENT_NAME ?? "sample-agent";
const host = env.MCP_MESH_ADVERTISE_HOST ?? hostname();
const port = Number(env.MCP_MESH_ADVERTISE_PORT ?? 8081);
const self = `${registry}/v1/agents/${encodeURIComponent(id)}`;

const RETRY_MS = 1_000;
const RETRY_MS_MAX = 30_000;
const TIMEOUT_MS = 5_000;

const say = (text) => process.stdout.write(`${id}: ${text}\n`);

/** @returns {Promise<{ status: number, body: any }>} */
async function call(method, url, body) {
  const response = await fetch(url, {
    method,
    signal: AbortSignal.timeout(TIMEOUT_MS),
    headers: {
      ...(env.AUTH_TOKEN && { authorization: `Bearer ${env.AUTH_TOKEN}` }),
      ...(body && { "content-type": "application/json" }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
}

const register = () =>
  call("PUT", self, {
    endpoint: `http://${host}:${port}`,
    capabilities: [{ name: "greeting", version: "1.0.0", tags: ["sample"], description: "Says hello." }],
  });

const renew = (incarnation) => call("POST", `${self}/renew`, { incarnation });

/** Registers and renews until it is told to stop. */
async function stayRegistered(signal) {
  let incarnation;
  let failures = 0;
  while (!signal.aborted) {
    let waitMs;
    try {
      const { status, body } = incarnation === undefined ? await register() : await renew(incarnation);
      if (status === 200 || status === 201) {
        if (incarnation === undefined) say(`registered in ${body.region}, lease ${body.leaseMs} ms`);
        incarnation = body.incarnation;
        failures = 0;
        waitMs = body.renewInMs;
      } else if (status === 404 || status === 410) {
        say("the lease is gone, registering again");
        incarnation = undefined;
        waitMs = 0;
      } else {
        throw new Error(`${status} ${body?.error?.code ?? ""}`);
      }
    } catch (error) {
      // Jittered, and longer each time: a registry that comes back must not meet all its agents at once.
      waitMs = Math.min(RETRY_MS * 2 ** failures++, RETRY_MS_MAX) * (0.5 + Math.random());
      say(`no answer from ${registry} (${error.cause?.message ?? error.message}), trying again in ${Math.round(waitMs)} ms`);
    }
    await sleep(waitMs, undefined, { signal }).catch(() => {});
  }
}

const server = createServer((_, response) => {
  response.setHeader("content-type", "application/json").end(JSON.stringify({ greeting: `Hello from ${id}` }));
});
server.listen(port, env.MCP_MESH_BIND_HOST ?? "0.0.0.0");

const stopping = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => stopping.abort());

await stayRegistered(stopping.signal);
await call("DELETE", self).then(
  () => say("deregistered"),
  (error) => say(`not deregistered (${error.message}): the lease will run out`),
);
server.close();
server.closeAllConnections();
