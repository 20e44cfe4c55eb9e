/**
 * A fleet of agents that keep their leases through HTTP, each on its own time, so that a slow answer lowers no rate.
 *
 * One half speaks as MCP Mesh agents do: `HEAD /heartbeat/{id}` every 5 s, and a failure waits for the next (contract A1).
 * The other half does as `/v1` advises: it renews when it is told to, comes again when a refusal tells it to, and tries the
 * next node, with jitter and backoff, when there was no answer. Connections are shared, `SOCKETS_PER_NODE` to each node.
 */

import { Agent, request as httpRequest } from "node:http";

/** MCP_MESH_HEALTH_INTERVAL by default. */
export const HEARTBEAT_MS = 5_000;
/** So that both halves come equally often: native agents are asked to renew four times within a lease. */
const NATIVE_LEASE_MS = 4 * HEARTBEAT_MS;
/** What an agent waits for an answer (contract A1). */
export const DEADLINE_MS = 30_000;
/** Where a node says nothing about when to come again. */
const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 2_000;
const SOCKETS_PER_NODE = 512;
const CAPABILITIES = 500;

/** What happened in one second. */
export interface Second {
  /** Seconds since the fleet began. */
  readonly at: number;
  readonly requests: number;
  readonly acknowledged: number;
  /** Answered 503. */
  readonly refused: number;
  /** Not answered: the node was gone. */
  readonly lost: number;
  readonly slowestMs: number;
}

interface FleetAgent {
  readonly id: string;
  readonly face: "mesh" | "v1";
  node: number;
  failures: number;
  acknowledgedAt: number;
}

interface Answer {
  /** 0 when there was none. */
  readonly status: number;
  readonly body: string;
}

export class Fleet {
  readonly #origins: readonly string[];
  readonly #agents: readonly FleetAgent[];
  readonly #http = new Agent({ keepAlive: true, maxSockets: SOCKETS_PER_NODE });
  readonly #seconds: { -readonly [Field in keyof Second]: number }[] = [];
  readonly #beganAt = performance.now();
  #isStopped = false;
  /** Answers that tell an agent that its registration is gone: each is a broken promise. */
  lostLeases = 0;
  /** Requests that waited longer than an agent does. */
  overDeadline = 0;

  constructor(origins: readonly string[], size: number) {
    this.#origins = origins;
    this.#agents = Array.from({ length: size }, (_, i) => ({
      id: `fleet-${i}`,
      face: i % 2 === 0 ? "mesh" : "v1",
      node: i % origins.length,
      failures: 0,
      acknowledgedAt: 0,
    }));
  }

  get timeline(): readonly Second[] {
    return this.#seconds;
  }

  /** Registers everybody, `clients` at a time; each heartbeats from then on. @throws Error when one is refused */
  async start(clients: number): Promise<void> {
    let next = 0;
    const client = async () => {
      for (let agent = this.#agents[next++]; agent !== undefined; agent = this.#agents[next++]) {
        const { status, body } = await this.#register(agent);
        if (status >= 300 || status === 0) throw new Error(`${agent.id} was not registered: ${status} ${body}`);
        this.#after(agent, HEARTBEAT_MS * Math.random());
      }
    };
    await Promise.all(Array.from({ length: clients }, client));
  }

  stop(): void {
    this.#isStopped = true;
    this.#http.destroy();
  }

  /** Agents whose last sign of life was acknowledged at this time or before. */
  silentSince(time: number): number {
    return this.#agents.filter(({ acknowledgedAt }) => acknowledgedAt <= time).length;
  }

  /** Acknowledged signs of life per second over the last `seconds` whole ones. */
  rate(seconds: number): number {
    const last = this.#seconds.slice(-1 - seconds, -1);
    return last.reduce((sum, { acknowledged }) => sum + acknowledged, 0) / Math.max(1, last.length);
  }

  #after(agent: FleetAgent, delayMs: number): void {
    if (!this.#isStopped) setTimeout(() => void this.#beat(agent), delayMs);
  }

  async #beat(agent: FleetAgent): Promise<void> {
    const second = this.#second();
    second.requests++;
    const sentAt = performance.now();
    const { status, body } = await this.#ask(agent);
    if (this.#isStopped) return;
    const tookMs = performance.now() - sentAt;
    second.slowestMs = Math.max(second.slowestMs, Math.round(tookMs));
    if (tookMs >= DEADLINE_MS) this.overDeadline++;
    if (status === 404 || status === 410) this.lostLeases++;
    const isAcknowledged = status >= 200 && status < 300;
    if (isAcknowledged) {
      this.#second().acknowledged++;
      agent.acknowledgedAt = performance.now();
      agent.failures = 0;
    } else {
      agent.failures++;
      if (status === 0) second.lost++;
      else second.refused++;
    }
    this.#after(agent, this.#pauseMs(agent, status, body));
  }

  /** A heartbeat; a mesh agent that is told of news, or that it is unknown, asks for them at once. */
  async #ask(agent: FleetAgent): Promise<Answer> {
    if (agent.face === "v1") return this.#send(agent, "POST", `/v1/agents/${agent.id}/renew`, {});
    const answer = await this.#send(agent, "HEAD", `/heartbeat/${agent.id}`);
    if (answer.status === 410) await this.#register(agent);
    return answer.status === 202 ? this.#register(agent) : answer;
  }

  #pauseMs(agent: FleetAgent, status: number, body: string): number {
    if (agent.face === "mesh") return HEARTBEAT_MS;
    if (status === 200) return (JSON.parse(body) as { renewInMs: number }).renewInMs;
    agent.node = (agent.node + 1) % this.#origins.length;
    if (status === 503) return (JSON.parse(body) as { error: { retryAfterMs: number } }).error.retryAfterMs;
    const backoffMs = Math.min(BACKOFF_FIRST_MS * 2 ** (agent.failures - 1), BACKOFF_MAX_MS);
    return backoffMs * (0.5 + Math.random());
  }

  #register(agent: FleetAgent): Promise<Answer> {
    const capability = `skill-${Number(agent.id.slice("fleet-".length)) % CAPABILITIES}`;
    if (agent.face === "v1") {
      const body = { endpoint: `http://${agent.id}:8080`, capabilities: [capability], leaseMs: NATIVE_LEASE_MS };
      return this.#send(agent, "PUT", `/v1/agents/${agent.id}`, body);
    }
    const tools = [{ function_name: capability, capability }];
    return this.#send(agent, "POST", "/heartbeat", {
      agent_id: agent.id,
      http_host: agent.id,
      http_port: 8080,
      tools,
    });
  }

  #second() {
    const at = Math.floor((performance.now() - this.#beganAt) / 1_000);
    for (let missing = this.#seconds.length; missing <= at; missing++) {
      this.#seconds.push({ at: missing, requests: 0, acknowledged: 0, refused: 0, lost: 0, slowestMs: 0 });
    }
    return this.#seconds[at]!;
  }

  #send(agent: FleetAgent, method: string, path: string, body?: unknown): Promise<Answer> {
    return new Promise((resolve) => {
      const payload = body === undefined ? undefined : JSON.stringify(body);
      const headers =
        payload === undefined
          ? {}
          : { "content-type": "application/json", "content-length": Buffer.byteLength(payload) };
      const options = { agent: this.#http, method, headers, timeout: DEADLINE_MS };
      const sent = httpRequest(`${this.#origins[agent.node]}${path}`, options, (response) => {
        let text = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          text += chunk;
        });
        response.once("error", () => resolve({ status: 0, body: "" }));
        response.once("end", () => resolve({ status: response.statusCode ?? 0, body: text }));
      });
      sent.once("timeout", () => sent.destroy(new Error("no answer")));
      sent.once("error", () => resolve({ status: 0, body: "" }));
      sent.end(payload);
    });
  }
}
