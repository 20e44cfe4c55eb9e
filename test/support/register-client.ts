/**
 * The registry used as registers: the key is an agent's id, the value lies in its metadata, and a read is linearizable.
 *
 * What is answered is told as honestly as a history needs it. An operation has failed only when the registry promises that
 * nothing was done (docs/errors.md), or when nobody was there to take it; a write of which anything else is heard, or
 * nothing, may still take effect.
 */

import { Agent, request } from "node:http";
import type { Value } from "./history.ts";

export type Answer =
  | { readonly type: "ok"; readonly value: Value | boolean }
  | { readonly type: "fail" | "info"; readonly error: string };

/** Each of these reads this region's own state behind a read barrier. */
export const READ_FORMS = ["agent", "list", "lookup"] as const;
export type ReadForm = (typeof READ_FORMS)[number];

/** Beside every 4xx: codes that promise that nothing was written. */
const NOTHING_WRITTEN: ReadonlySet<string> = new Set(["NO_LEADER", "OVERLOADED", "STOPPING", "TOO_MANY_AGENTS"]);
/** Nothing is to end by itself during a run. */
const LEASE_MS = 86_400_000;
const ANSWER_BYTES_MAX = 1_048_576;

export class RegisterClient {
  readonly #agent = new Agent({ keepAlive: true });

  write(node: string, key: string, value: Value, timeoutMs: number): Promise<Answer> {
    const record = { endpoint: `http://${key}:8080`, capabilities: [key], metadata: { value }, leaseMs: LEASE_MS };
    return this.#change("PUT", node, key, timeoutMs, record, ({ status }) =>
      status === 200 || status === 201 ? value : undefined,
    );
  }

  /** That there was nothing to delete is an answer as well. */
  delete(node: string, key: string, timeoutMs: number): Promise<Answer> {
    return this.#change("DELETE", node, key, timeoutMs, undefined, ({ status, code }) => {
      if (status === 204) return true;
      return status === 404 && code === "UNKNOWN_AGENT" ? false : undefined;
    });
  }

  async read(node: string, key: string, form: ReadForm, timeoutMs: number): Promise<Answer> {
    try {
      const reply = await this.#send("GET", readUrl(node, key, form), timeoutMs);
      if (reply.status === 404 && reply.code === "UNKNOWN_AGENT") return { type: "ok", value: null };
      if (reply.status !== 200) return { type: "fail", error: describe(reply) };
      return { type: "ok", value: valueIn(reply.body, key, form) };
    } catch (error) {
      return { type: "fail", error: codeOf(error) };
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  async #change(
    method: string,
    node: string,
    key: string,
    timeoutMs: number,
    body: object | undefined,
    done: (reply: Reply) => Value | boolean | undefined,
  ): Promise<Answer> {
    try {
      const reply = await this.#send(method, `${node}/v1/agents/${key}`, timeoutMs, body);
      const value = done(reply);
      if (value !== undefined) return { type: "ok", value };
      const { status, code } = reply;
      const isRefused = (status >= 400 && status < 500) || NOTHING_WRITTEN.has(code ?? "");
      return { type: isRefused ? "fail" : "info", error: describe(reply) };
    } catch (error) {
      const code = codeOf(error);
      return { type: code === "ECONNREFUSED" ? "fail" : "info", error: code };
    }
  }

  #send(method: string, url: string, timeoutMs: number, body?: object): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const headers = text === undefined ? {} : { "content-type": "application/json", "content-length": text.length };
      const signal = AbortSignal.timeout(timeoutMs);
      const outgoing = request(url, { method, headers, agent: this.#agent, signal }, (response) => {
        let received = "";
        response.setEncoding("utf8");
        response.on("data", (chunk: string) => {
          received += chunk;
          if (received.length > ANSWER_BYTES_MAX) response.destroy(new Error("the answer is too large"));
        });
        response.once("error", reject);
        response.once("end", () => {
          try {
            resolve(toReply(response.statusCode ?? 0, received));
          } catch (error) {
            reject(error);
          }
        });
      });
      outgoing.once("error", reject);
      outgoing.end(text);
    });
  }
}

interface Reply {
  readonly status: number;
  readonly body: unknown;
  /** Of an error. */
  readonly code: string | undefined;
}

interface ShownAgent {
  readonly id: string;
  readonly metadata?: { readonly value?: Value };
}

function toReply(status: number, text: string): Reply {
  const body: unknown = text === "" ? undefined : JSON.parse(text);
  return { status, body, code: (body as { error?: { code?: string } } | undefined)?.error?.code };
}

function readUrl(node: string, key: string, form: ReadForm): string {
  switch (form) {
    case "agent":
      return `${node}/v1/agents/${key}?consistency=linearizable`;
    case "list":
      return `${node}/v1/agents?capability=${key}&consistency=linearizable`;
    case "lookup":
      return `${node}/v1/lookup?capability=${key}&consistency=linearizable&scope=region&health=any`;
  }
}

/** @throws Error when the agent is there and holds no value: an answer that must not pass for absence */
function valueIn(body: unknown, key: string, form: ReadForm): Value {
  const agents = form === "agent" ? [body as ShownAgent] : (body as { agents: readonly ShownAgent[] }).agents;
  const agent = agents.find(({ id }) => id === key);
  if (agent === undefined) return null;
  const value = agent.metadata?.value;
  if (value === undefined || value === null) throw new Error(`${key} has no value`);
  return value;
}

function describe({ status, code }: Reply): string {
  return code ?? `HTTP_${status}`;
}

function codeOf(error: unknown): string {
  const { name, code, message } = error as NodeJS.ErrnoException;
  if (name === "AbortError" || name === "TimeoutError") return "TIMEOUT";
  return code ?? message;
}
