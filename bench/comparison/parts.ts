/** What several scenarios need: peers that were asked for, filled registries, and figures that may not be had. */

import { HttpClient, type HttpRequest, isAcknowledged } from "../load/http-client.ts";
import { atollPeer } from "../peers/atoll.ts";
import { startBareFastify } from "../peers/bare-fastify.ts";
import { type Peer, type PeerCluster, PeerUnavailable } from "../peers/peer.ts";
import type { ServerNode } from "../peers/server-node.ts";
import type { Measured } from "../targets.ts";
import type { NotMeasured } from "./scenario.ts";
import type { Session } from "./session.ts";

/** No lease ends during a run: in the registry of MCP Mesh and, by the same name, in Atoll. */
export const NO_TIMEOUT = { DEFAULT_TIMEOUT_THRESHOLD: "86400" };
const FILL_CLIENTS = 32;
const ANSWER_TIMEOUT_MS = 30_000;

/** Starts a peer that was asked for with `--peer`. @throws PeerUnavailable */
export async function startPeer(session: Session, peer: Peer, nodes: number): Promise<PeerCluster> {
  const [name = peer.name] = peer.name.split(",");
  if (!session.options.peers.includes(name)) throw new PeerUnavailable(`${name} was not asked for: --peer ${name}`);
  return session.start(peer, nodes);
}

export function startAtoll(session: Session, nodes: number, environment: Readonly<Record<string, string>> = {}) {
  return session.start(atollPeer({ environment, hasStallableDisks: false }), nodes);
}

/** Sends `count` requests to a registry, each of which must be acknowledged. */
export async function fill(
  session: Session,
  subject: string,
  { nodes }: Pick<PeerCluster, "nodes">,
  count: number,
  next: (i: number) => HttpRequest,
): Promise<void> {
  session.context.note(`${subject}: ${count} agents ...`);
  await session.prepare({ subject, phase: "fill", parties: nodes, clients: FILL_CLIENTS, until: { count }, next });
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
