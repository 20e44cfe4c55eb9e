/**
 * `GET` and `POST /proxy/{host:port}/mcp[/...]`: calls an agent in the caller's place, for those who reach a node but not
 * the agents behind it (contract B).
 *
 * It is no way into a network: only agents are called, at the endpoint they registered, below their `/mcp`, and redirects
 * are handed back instead of followed. Bodies stream both ways, each side as fast as the other; the node holds no more of
 * them than its sockets do. Nothing is sent twice. Every call ends: when its time is up, when the caller is gone, when the
 * node stops.
 *
 * Elsewhere: which agent is meant (`Registry.endpointAt`), how it is called (`call-agent.ts`), when it ends (`proxy-calls.ts`).
 */

import { Readable } from "node:stream";
import type { FastifyReply, FastifyRequest, FastifySchema } from "fastify";
import { rfc3339 } from "../../util/clock.ts";
import { messageOf } from "../../util/errors.ts";
import { ApiError } from "../api-error.ts";
import { isEventStream } from "../headers.ts";
import type { Face } from "../modules.ts";
import type { AgentAnswer, AgentRequest } from "./call-agent.ts";
import { MESH_ERROR_RESPONSES } from "./errors.ts";
import { type ProxyCall, ProxyCalls } from "./proxy-calls.ts";
import { answerHeaders, requestHeaderFilter } from "./proxy-headers.ts";

const HOST_AND_PORT = /^.+:\d{1,5}$/;
const TARGET_EXPECTED = "{host}:{port}/mcp/{path}";
/** The longest time that a caller can ask for (contract B). */
const BUDGET_MS_MAX = 600_000;
/** What runs when the node is told to stop may go on this long: shorter than the time in which the node has to be gone. */
const STOP_GRACE_MS = 4_000;
const RETRY_AFTER_SECONDS = 1;

export const proxyRoutes: Face = async (app, { registry, clock, limits, proxy }) => {
  const chooseHeaders = requestHeaderFilter(proxy.propagateHeaders);
  const calls = new ProxyCalls(clock);

  // A body is the agent's to read, whatever it is.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, payload, done) => done(null, payload));
  app.addHook("preClose", async () => {
    clock.schedule(STOP_GRACE_MS, () => calls.endAll("this node is stopping"));
  });
  // Whoever reads events, or waits long for an answer, learns at once that the agent took the call.
  app.addHook("onSend", (_request, reply, payload, done) => {
    done(null, payload);
    if (payload instanceof Readable) reply.raw.flushHeaders();
  });

  async function forward(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const { target, path, query } = parseUrl(request.raw.url ?? "");
    if (path === "") return refuse(400, `Invalid target format: missing path. Expected format: ${TARGET_EXPECTED}`);
    if (!isMcpPath(path)) return refuse(400, "Only /mcp/* paths are allowed for proxying");
    const endpoint = HOST_AND_PORT.test(target) ? registry.endpointAt(target) : undefined;
    if (endpoint === undefined) return refuse(403, `Target host '${target}' is not a registered agent`);
    if (calls.size >= proxy.callsMax) {
      reply.header("retry-after", RETRY_AFTER_SECONDS);
      return refuse(503, `This node forwards ${proxy.callsMax} calls already. Retry later, or use another node`);
    }
    const call = calls.begin(reply.raw, budgetMs(request.raw.headers["x-mesh-timeout"], proxy.timeoutMs));
    try {
      const content = contentOf(request, call, limits.meshBodyBytesMax);
      const headers = { ...chooseHeaders(request.raw.headers), ...content.headers };
      const url = new URL(`${path}${query}`, endpoint);
      return relay(await proxy.callAgent({ ...content, url, headers }, call.signal), call, reply);
    } catch (thrown) {
      const reason = call.reasonOf(thrown);
      if (reason instanceof ApiError) throw reason;
      return refuse(502, `Failed to reach target agent: ${messageOf(reason)}`);
    }

    function refuse(status: number, error: string): FastifyReply {
      return reply.code(status).send({ error, timestamp: rfc3339(clock.wallTime()) });
    }
  }

  const schema: FastifySchema = {
    tags: ["mcp-mesh"],
    summary: "Call a registered agent: /proxy/{host:port}/mcp[/...]",
    response: MESH_ERROR_RESPONSES,
  };
  app.get("/proxy/*", { schema }, forward);
  app.post("/proxy/*", { schema }, forward);
};

/** Of the URL as it came, up to where the router looks: the path goes on as it is, escapes and all. */
function parseUrl(url: string): { target: string; path: string; query: string } {
  const [, target = "", path = "", query = ""] = /^\/proxy\/([^/?#]*)([^?#]*)([^#]*)/.exec(url) ?? [];
  return { target: decodeURIComponent(target), path, query };
}

/** Whether the path stays below `/mcp`, also for an agent that reads escapes and dots before it looks where it leads. */
function isMcpPath(path: string): boolean {
  if (path !== "/mcp" && !path.startsWith("/mcp/")) return false;
  return !decodeURIComponent(path)
    .split(/[/\\]/)
    .some((segment) => segment === "." || segment === "..");
}

/** As the real registry reads it: what is no whole number of seconds above zero is as good as absent. */
function budgetMs(asked: string | string[] | undefined, defaultMs: number): number {
  const seconds = typeof asked === "string" && /^\d+$/.test(asked) ? Number(asked) : 0;
  return seconds === 0 ? defaultMs : Math.min(seconds * 1000, BUDGET_MS_MAX);
}

/**
 * What a request brings, read as the agent takes it. A body that turns out too large ends the call.
 *
 * @throws ApiError BODY_TOO_LARGE
 */
function contentOf(request: FastifyRequest, call: ProxyCall, bytesMax: number): Omit<AgentRequest, "url"> {
  if (request.method !== "POST") return { method: "GET", headers: {} };
  const body = request.body as Readable | undefined;
  if (body === undefined) return { method: "POST", headers: {} };
  const tooLarge = new ApiError({ code: "BODY_TOO_LARGE", field: "body", bytesMax });
  const length = request.raw.headers["content-length"];
  if (Number(length ?? 0) > bytesMax) throw tooLarge;
  let bytes = 0;
  body.on("data", (chunk: Uint8Array) => {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) call.end(tooLarge);
  });
  return { method: "POST", headers: length === undefined ? {} : { "content-length": length }, body };
}

function relay(answer: AgentAnswer, call: ProxyCall, reply: FastifyReply): FastifyReply {
  const headers = answerHeaders(answer);
  // Events may end with more than the agent announced.
  const isOfEvents = isEventStream(headers.get("content-type")?.[0]);
  if (isOfEvents) headers.delete("content-length");
  reply.code(answer.status);
  for (const [name, values] of headers) reply.header(name, values.length === 1 ? values[0] : values);
  // A page of an agent's must not run as one of this node's.
  reply.header("content-security-policy", "sandbox");
  return reply.send(isOfEvents ? Readable.from(eventsOf(answer.body, call)) : answer.body);
}

const NEWLINE = 0x0a;

/** The events of a stream; one that ran out of time ends with a comment, which tells its reader from an end of its own. */
async function* eventsOf(body: Readable, call: ProxyCall): AsyncGenerator<Uint8Array | string> {
  let isLineOpen = false;
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      isLineOpen = chunk.at(-1) !== NEWLINE;
      yield chunk;
    }
  } catch (thrown) {
    if (!call.isOutOfTime) throw thrown;
    yield `${isLineOpen ? "\n" : ""}: mesh-proxy-timeout budget=${call.budgetText}\n\n`;
  }
}
