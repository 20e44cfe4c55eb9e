/**
 * Fastify with nothing behind it: the same bytes to every request. A child process; `bare-fastify.ts` starts it.
 *
 *   node bare-server.ts PORT ANSWER.json
 *
 * The file says which status, headers and body to answer; HEAD gets the headers alone, as from any server.
 */

import { readFileSync } from "node:fs";
import Fastify from "fastify";

/** What a server answered once, and this one always does. */
export interface CannedAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const [port, answerFile] = process.argv.slice(2);
if (port === undefined || answerFile === undefined) throw new Error("say PORT and ANSWER.json");
const { status, headers, body }: CannedAnswer = JSON.parse(readFileSync(answerFile, "utf8"));

const app = Fastify({ logger: false, exposeHeadRoutes: false });
app.route({
  method: ["GET", "HEAD"],
  url: "/*",
  handler: (_request, reply) => reply.code(status).headers(headers).send(body),
});
await app.listen({ host: "127.0.0.1", port: Number(port) });
