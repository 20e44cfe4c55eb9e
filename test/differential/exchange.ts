/**
 * One request and its answer, as bytes go over the wire: paths and bodies arrive as they are written here, where `fetch`
 * would tidy them up.
 */

import { Agent, request as httpRequest, type IncomingHttpHeaders } from "node:http";

const TIMEOUT_MS = 20_000;

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** Asks one server, over connections that it keeps. */
export class HttpExchange {
  readonly url: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(url: string) {
    this.url = url;
  }

  /** @throws Error when there is no answer in time */
  send({ method, path, body, headers = {} }: Request): Promise<Answer> {
    const { hostname, port } = new URL(this.url);
    const length = body === undefined ? {} : { "content-length": `${Buffer.byteLength(body)}` };
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        { hostname, port, method, path, agent: this.#agent, headers: { ...length, ...headers }, timeout: TIMEOUT_MS },
        (response) => {
          let text = "";
          response.setEncoding("utf8");
          response.on("data", (chunk) => {
            text += chunk;
          });
          response.once("error", reject);
          response.once("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
        },
      );
      request.once("timeout", () => request.destroy(new Error(`no answer to ${method} ${path} from ${this.url}`)));
      request.once("error", reject);
      request.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}
