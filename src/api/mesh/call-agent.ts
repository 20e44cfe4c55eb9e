/**
 * One HTTP exchange with an agent, streamed in both directions, over Node's own client.
 *
 * Not `fetch`: that one decodes bodies and folds headers, where a proxy hands on what it was given. No connection is
 * kept: an agent may close an idle one at any moment, and a call that meets that moment can not be sent again safely.
 */

import { type OutgoingHttpHeaders, request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { Readable } from "node:stream";

export interface AgentRequest {
  readonly url: URL;
  readonly method: "GET" | "POST";
  readonly headers: OutgoingHttpHeaders;
  /** Read no faster than the agent takes it, and left alone when the call fails: it belongs to somebody else. */
  readonly body?: Readable;
}

export interface AgentAnswer {
  readonly status: number;
  /** As they were sent; a name may come several times, in any case. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Read it to its end, or abort the call. */
  readonly body: Readable;
}

/**
 * Sends a request, and resolves with the head of the answer. Redirects are answers like others.
 *
 * @param signal - ends the exchange whatever it waits for; a body that is being read then fails
 * @throws what the system says of a connection that failed, and AbortError
 */
export type CallAgent = (request: AgentRequest, signal: AbortSignal) => Promise<AgentAnswer>;

/** Over TLS for https, where the certificate must be valid for the host by the authorities that the process trusts. */
export const callAgent: CallAgent = agentCaller(() => ({}));

/**
 * The same, with a certificate of the node's own and authorities of its own.
 *
 * @param tls - asked for each call, because certificates are replaced while the node runs
 */
export function agentCaller(tls: () => { cert?: string; key?: string; ca?: string[] }): CallAgent {
  return (asked, signal) => exchange(asked, signal, asked.url.protocol === "https:" ? tls() : {});
}

function exchange(
  { url, method, headers, body }: AgentRequest,
  signal: AbortSignal,
  tls: object,
): Promise<AgentAnswer> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === "https:" ? requestHttps : requestHttp;
    const request = send(url, { ...tls, method, headers, signal, agent: false });
    // Stays: an exchange that fails later, in its body, says so here as well.
    request.on("error", reject);
    // An agent that switches to another protocol is hung up on without an error.
    request.once("close", () => reject(new Error("the agent ended the connection without an answer")));
    request.once("response", (answer) => {
      resolve({ status: answer.statusCode ?? 0, headers: pairsOf(answer.rawHeaders), body: answer });
    });
    if (body === undefined) request.end();
    else body.pipe(request);
  });
}

function pairsOf(rawHeaders: readonly string[]): (readonly [string, string])[] {
  const pairs: (readonly [string, string])[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) pairs.push([rawHeaders[at]!, rawHeaders[at + 1]!]);
  return pairs;
}
