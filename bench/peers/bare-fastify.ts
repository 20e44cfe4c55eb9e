/**
 * The floor under every answer of Atoll: fastify alone, in a process of its own, sends the bytes that Atoll answered.
 *
 * What makes it fair: the same version of fastify on the same Node, started as a node is, with the same status, headers and
 * body; it parses the request and knows nothing else to do.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Clock } from "../../src/util/clock.ts";
import type { CannedAnswer } from "../floors/bare-server.ts";
import type { HttpAnswer } from "../load/http-client.ts";
import { orStop, untilAll } from "./server-cluster.ts";
import { ServerNode } from "./server-node.ts";

const START_TIMEOUT_MS = 30_000;
/** Set by every server for itself. */
const OWN_HEADERS = ["date", "connection", "keep-alive", "content-length", "transfer-encoding"];

export interface BareFastifyOptions {
  readonly port: number;
  readonly dataDir: string;
  /** What Atoll answered to the request that will be compared. */
  readonly answer: HttpAnswer;
  readonly clock: Clock;
  readonly signal?: AbortSignal | undefined;
}

/** Starts it; `stop` of what is returned ends it. */
export async function startBareFastify({
  port,
  dataDir,
  answer,
  clock,
  signal,
}: BareFastifyOptions): Promise<ServerNode> {
  const name = "bare fastify";
  const folder = join(dataDir, `bare-fastify-${port}`);
  mkdirSync(folder, { recursive: true });
  const answerFile = join(folder, "answer.json");
  writeFileSync(answerFile, JSON.stringify(cannedAnswer(answer)));
  const program = fileURLToPath(new URL(`../floors/bare-server${extname(import.meta.filename)}`, import.meta.url));
  const command = {
    name,
    program: process.execPath,
    args: [program, `${port}`, answerFile],
    folder,
    logFile: join(folder, "log"),
  };
  const node = new ServerNode(command, `http://127.0.0.1:${port}`);
  await orStop([node], () => untilAll([node], () => node.answers("/"), { clock, timeoutMs: START_TIMEOUT_MS, signal }));
  return node;
}

function cannedAnswer({ status, headers, body }: HttpAnswer): CannedAnswer {
  const kept = Object.entries(headers).flatMap(([name, value]) =>
    value === undefined || OWN_HEADERS.includes(name) ? [] : [[name, `${value}`]],
  );
  return { status, headers: Object.fromEntries(kept), body };
}
