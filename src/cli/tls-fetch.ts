/** `fetch` with an authority and a certificate of one's own, which the one of the platform does not take. */

import { request } from "node:https";
import { Readable } from "node:stream";

export interface TlsClientOptions {
  /** PEM of the authorities to trust in place of the system's. */
  readonly ca?: string;
  /** PEM of what the client proves itself with. */
  readonly cert?: string;
  readonly key?: string;
}

type Init = Pick<RequestInit, "method" | "headers" | "body" | "signal">;

/** Sends text, which is all that commands need; answers are read as they come. */
export function tlsFetch(tls: TlsClientOptions): (url: string, init: Init) => Promise<Response> {
  return (url, { method = "GET", headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const options = { ...tls, method, headers: Object.fromEntries(new Headers(headers)), agent: false as const };
      const sent = request(url, { ...options, ...(signal && { signal }) }, (answer) => {
        const { statusCode: status = 502 } = answer;
        const hasBody = status !== 204 && status !== 304;
        resolve(new Response(hasBody ? (Readable.toWeb(answer) as ReadableStream) : null, { status }));
      });
      sent.once("error", (error) => reject(signal?.aborted ? signal.reason : error));
      sent.end(body ?? undefined);
    });
}
