/** Whether every node shows exactly what was acknowledged, listed so that the answer shows all of it. */

import { type Clock, sleep } from "../../src/util/clock.ts";
import type { Sender } from "../load/client-pool.ts";
import { isAcknowledged } from "../load/http-client.ts";
import type { SoakNode } from "./cluster.ts";
import { contradiction } from "./ledger.ts";
import type { RegionLoad } from "./workload.ts";

export interface VerifyContext {
  readonly http: Sender;
  readonly token: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface Verified {
  /** Agents that were looked for on each node of their region, those that were unregistered too. */
  readonly checked: number;
  /** Writes that a node does not show. */
  readonly lost: readonly string[];
  /** Agents that a node shows, and that were unregistered or never there. */
  readonly returned: readonly string[];
}

interface ListedAgent {
  readonly version: number | null;
  readonly health: string;
}

interface Page {
  readonly agents: readonly {
    readonly id: string;
    readonly health: string;
    readonly metadata: { readonly v?: number };
  }[];
  readonly nextCursor?: string;
}

const PAGE = 1_000;
const TRIES = 20;
const RETRY_MS = 500;

/** @throws Error when a node does not tell; the signal's reason */
export async function verifyRegion(load: RegionLoad, context: VerifyContext): Promise<Verified> {
  const lost: string[] = [];
  const returned: string[] = [];
  const { ledger, fleet, region } = load;
  const known = new Set(ledger.entries.map(({ id }) => id));
  for (const node of region.nodes) {
    const shown = await list(node, context);
    for (const entry of ledger.entries) {
      const wrong = contradiction(entry, Number.POSITIVE_INFINITY, shown.get(entry.id)?.version ?? null);
      if (wrong !== undefined) lost.push(`${node.name}: ${wrong}`);
    }
    for (const id of shown.keys()) {
      if (id.startsWith("soak-") && !known.has(id))
        returned.push(
          `${node.name}: ${id}, ${ledger.gone.has(id) ? "which was unregistered" : "which nobody registered"}`,
        );
    }
    const nowMs = context.clock.now();
    for (const { id } of [...fleet.renewing]) {
      const health = shown.get(id)?.health ?? "gone";
      if (health !== "healthy") fleet.seenEnded(id, nowMs, `shown as ${health} by ${node.name}`);
    }
  }
  return { checked: ledger.entries.length + ledger.gone.size, lost, returned };
}

async function list(node: SoakNode, context: VerifyContext): Promise<Map<string, ListedAgent>> {
  const shown = new Map<string, ListedAgent>();
  for (let cursor: string | undefined = ""; cursor !== undefined; ) {
    const page = await pageOf(node, cursor, context);
    for (const { id, health, metadata } of page.agents) shown.set(id, { health, version: metadata.v ?? null });
    cursor = page.nextCursor;
  }
  return shown;
}

async function pageOf(
  { name, url }: SoakNode,
  cursor: string,
  { http, token, clock, signal }: VerifyContext,
): Promise<Page> {
  const more = cursor === "" ? "" : `&cursor=${encodeURIComponent(cursor)}`;
  const path = `/v1/agents?consistency=linearizable&limit=${PAGE}${more}`;
  let last = "";
  for (let tries = 0; tries < TRIES; tries++) {
    signal.throwIfAborted();
    const answer = await http.send(url, { method: "GET", path, headers: { authorization: `Bearer ${token}` } });
    if (isAcknowledged(answer)) return JSON.parse(answer.body) as Page;
    last = answer.failure ?? `${answer.status} ${answer.body.slice(0, 160)}`;
    await sleep(clock, RETRY_MS, signal);
  }
  throw new Error(`${name} does not list its agents: ${last}`);
}
