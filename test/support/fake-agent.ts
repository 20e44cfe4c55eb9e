/** An agent that is called without a socket: a test reads what it was sent, and says what it answers. */

import { once } from "node:events";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import type { AgentAnswer, AgentRequest, CallAgent } from "../../src/api/mesh/call-agent.ts";

export interface AgentCall extends Omit<AgentRequest, "body"> {
  readonly body: Promise<string>;
  readonly signal: AbortSignal;
}

export type Answering = (call: AgentCall) => Promise<AgentAnswer>;

export class FakeAgent {
  readonly calls: AgentCall[] = [];
  #answering: Answering;

  constructor(answering: Answering = async () => answerOf({ body: ['{"ok":true}'] })) {
    this.#answering = answering;
  }

  answersWith(answering: Answering): void {
    this.#answering = answering;
  }

  get last(): AgentCall {
    const call = this.calls.at(-1);
    if (call === undefined) throw new Error("the agent was not called");
    return call;
  }

  readonly call: CallAgent = async ({ body, ...request }, signal) => {
    const received = body === undefined ? Promise.resolve("") : text(body);
    // A caller that breaks off is what some tests are about.
    received.catch(() => {});
    const call = { ...request, body: received, signal };
    this.calls.push(call);
    return this.#answering(call);
  };
}

/** Never answers; ends as a broken connection does. */
export const silence: Answering = async ({ signal }) => {
  if (!signal.aborted) await once(signal, "abort");
  throw new Error("aborted");
};

interface Told {
  readonly status?: number;
  readonly headers?: AgentAnswer["headers"];
  readonly body?: readonly string[];
}

const JSON_HEADERS: AgentAnswer["headers"] = [["Content-Type", "application/json"]];

/** A whole answer. */
export function answerOf({ status = 200, headers = JSON_HEADERS, body = [] }: Told): AgentAnswer {
  const stream = new PassThrough();
  for (const chunk of body) stream.write(chunk);
  stream.end();
  return { status, headers, body: stream };
}

/** An answer that begins and does not end, until it is broken off. */
export function unending(told: Told): Answering {
  return async ({ signal }) => {
    const { status = 200, headers = JSON_HEADERS, body = [] } = told;
    const stream = new PassThrough();
    for (const chunk of body) stream.write(chunk);
    signal.addEventListener("abort", () => stream.destroy(new Error("aborted")), { once: true });
    return { status, headers, body: stream };
  };
}
