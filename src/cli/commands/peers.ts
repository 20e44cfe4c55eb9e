/** `atoll peers`: where a region looks for other regions, and changes of it. */

import { setTimeout as sleep } from "node:timers/promises";
import type { ApiClient, PeerView } from "../api-client.ts";
import { formatTable, type Output, printJson, showProgress, style } from "../output.ts";
import { type ClientOptions, connect } from "./client-options.ts";

export interface AddPeerOptions extends ClientOptions {
  /** How long to wait until a node is found there, in seconds. */
  readonly timeout: number;
}

const ASK_AGAIN_MS = 200;

export async function listPeers(options: ClientOptions, output: Output): Promise<void> {
  const peers = await connect(options).peers();
  if (options.json) return printJson(output, { peers });
  output.print(formatPeers(peers));
}

/** Succeeds as soon as the region knows the name: that nobody answers there yet is said, and is no failure. */
export async function addPeer(name: string, options: AddPeerOptions, output: Output): Promise<void> {
  const { json, timeout } = options;
  const client = connect(options);
  const named = await client.addPeer(name);
  const progress = showProgress(output, `${name} is dialled`);
  const peers = await untilFound(client, { name, named, timeoutMs: timeout * 1_000 }).finally(progress.end);
  if (json) return printJson(output, { peers });
  const { nodes = [], problem = null } = find(peers, name) ?? {};
  if (nodes.length === 0) {
    const because = problem === null ? "" : `: ${problem}`;
    output.note(style.yellow(`No node is found at ${name} yet${because}. Dialling goes on.`));
  } else {
    output.print(`${name} leads to ${nodes.map((node) => `${node.name} of ${node.region}`).join(", ")}.`);
  }
  output.print(formatPeers(peers));
}

export async function removePeer(name: string, options: ClientOptions, output: Output): Promise<void> {
  const peers = await connect(options).removePeer(name);
  if (options.json) return printJson(output, { peers });
  output.print(`${name} is dialled no more. Links that exist stay.`);
  output.print(formatPeers(peers));
}

async function untilFound(
  client: ApiClient,
  { name, named, timeoutMs }: { name: string; named: readonly PeerView[]; timeoutMs: number },
): Promise<readonly PeerView[]> {
  const endsAt = performance.now() + timeoutMs;
  let peers = named;
  while (find(peers, name)?.nodes.length === 0 && performance.now() < endsAt) {
    await sleep(ASK_AGAIN_MS);
    peers = await client.peers();
  }
  return peers;
}

function find(peers: readonly PeerView[], name: string): PeerView | undefined {
  return peers.find((peer) => peer.name === name);
}

function formatPeers(peers: readonly PeerView[]): string {
  const rows = peers.map(({ name, isConfigured, isNamed, nodes, problem }) => [
    name,
    [...(isConfigured ? ["configured"] : []), ...(isNamed ? ["named"] : [])].join(", "),
    nodes.map((node) => `${node.name} (${node.region})`).join(", ") || "-",
    problem === null ? "-" : style.yellow(problem),
  ]);
  return formatTable(["PEER", "FROM", "NODES", "PROBLEM"], rows);
}
