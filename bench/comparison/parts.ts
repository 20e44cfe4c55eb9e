/** What several scenarios need: peers that were asked for, filled registries, and figures that may not be had. */

import { sleep } from "../../src/util/clock.ts";
import { HttpClient, type HttpRequest, isAcknowledged } from "../load/http-client.ts";
import { atollPeer } from "../peers/atoll.ts";
import { startBareFastify } from "../peers/bare-fastify.ts";
import { type Peer, type PeerCluster, PeerUnavailable } from "../peers/peer.ts";
import type { ServerNode } from "../peers/server-node.ts";
import type { Measured } from "../targets.ts";
import type { NotMeasured } from "./scenario.ts";
import type { Party, Session } from "./session.ts";

/** No lease ends during a run: in the registry of MCP Mesh and, by the same name, in Atoll. */
export const NO_TIMEOUT = { DEFAULT_TIMEOUT_THRESHOLD: "86400" };
const FILL_CLIENTS = 32;
const ANSWER_TIMEOUT_MS = 30_000;
const ATTEMPTS = 5;
const RETRY_MS = 200;

/** Starts a peer that was asked for with `--peer`. @throws PeerUnavailable */
export async function startPeer(session: Session, peer: Peer, nodes: number): Promise<PeerCluster> {
  const [name = peer.name] = peer.name.split(",");
  if (!session.options.peers.includes(name)) throw new PeerUnavailable(`${name} was not asked for: --peer ${name}`);
  return session.start(peer, nodes);
}

export function startAtoll(session: Session, nodes: number, environment: Readonly<Record<string, string>> = {}) {
  return session.start(atollPeer({ environment, hasStallableDisks: false }), nodes);
}

/**
 * Sends `count` requests to the nodes of a registry, in turns, each until it is acknowledged.
 *
 * @throws Error with the last answer when one is not after five attempts; the signal's reason
 */
export async function fill(
  session: Session,
  subject: string,
  { nodes }: { readonly nodes: readonly Party[] },
  count: number,
  next: (i: number) => HttpRequest,
): Promise<void> {
  const { clock, signal, note } = session.context;
  note(`${subject}: ${count} requests to fill it ...`);
  const http = new HttpClient({ connectionsMax: FILL_CLIENTS, timeoutMs: ANSWER_TIMEOUT_MS });
  let issued = 0;
  const send = async (i: number, attempt = 1): Promise<void> => {
    const answer = await http.send(nodes[i % nodes.length]?.url ?? "", next(i));
    if (isAcknowledged(answer)) return;
    if (attempt === ATTEMPTS)
      throw new Error(`${subject} was not filled: ${answer.failure ?? answer.status} ${answer.body}`);
    await sleep(clock, attempt * RETRY_MS, signal);
    await send(i, attempt + 1);
  };
  const client = async () => {
    while (issued < count) {
      signal.throwIfAborted();
      await send(issued++);
    }
  };
  try {
    await Promise.all(Array.from({ length: FILL_CLIENTS }, client));
  } finally {
    await http.close();
  }
}

/** Fastify alone, answering what `url` answers to the request. */
export async function startFloor(session: Session, url: string, request: HttpRequest): Promise<ServerNode> {
  const http = new HttpClient({ connectionsMax: 1, timeoutMs: ANSWER_TIMEOUT_MS });
  try {
    const answer = await http.send(url, request);
    if (!isAcknowledged(answer)) throw new Error(`${request.method} ${request.path} was answered ${answer.status}`);
    const { httpBase: port, dataDir } = session.place("bare fastify");
    const { clock, signal } = session.context;
    return session.keep(await startBareFastify({ port, dataDir, answer, clock, signal }));
  } finally {
    await http.close();
  }
}

/** A figure of several that does not keep the others from being measured. */
export async function orNotMeasured<Figures = Measured>(
  measure: () => Promise<Figures>,
): Promise<Figures | NotMeasured> {
  try {
    return await measure();
  } catch (error) {
    if (error instanceof PeerUnavailable) return { notMeasured: error.message };
    throw error;
  }
}
