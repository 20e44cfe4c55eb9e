/** When a local federation is up: every node can serve its region, and holds every other region's summary. */

import { ApiClient } from "../api-client.ts";
import { CommandError } from "../errors.ts";
import { httpUrl, type PlannedNode, tokenFor } from "./options.ts";

export interface ReadyRegion {
  readonly region: string;
  /** Name of the leader. */
  readonly leader: string;
}

/** What one node is still missing; empty when nothing. */
interface NodeProgress {
  readonly node: PlannedNode;
  readonly leader: string | null;
  readonly missing: readonly string[];
}

const POLL_MS = 100;
const ANSWER_TIMEOUT_MS = 2_000;

/**
 * Asks every node, again and again, until nothing is missing.
 *
 * @param onProgress - told what is missing, after each round
 * @throws CommandError NOT_READY after `timeoutMs`, saying what is missing; the signal's reason when it is aborted
 */
export async function waitUntilReady(
  nodes: readonly PlannedNode[],
  options: { readonly timeoutMs: number; readonly signal: AbortSignal; readonly onProgress: (missing: string) => void },
): Promise<readonly ReadyRegion[]> {
  const deadline = performance.now() + options.timeoutMs;
  for (;;) {
    const progress = await Promise.all(nodes.map((node) => ask(node, nodes)));
    options.signal.throwIfAborted();
    const regions = readyRegions(progress);
    if (regions !== undefined) return regions;
    const missing = describeMissing(progress);
    options.onProgress(missing);
    if (performance.now() > deadline) {
      throw new CommandError("NOT_READY", `not ready after ${Math.round(options.timeoutMs / 1_000)} s: ${missing}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function ask(node: PlannedNode, nodes: readonly PlannedNode[]): Promise<NodeProgress> {
  try {
    const token = tokenFor(process.env);
    const client = new ApiClient(httpUrl(node), {
      timeoutMs: ANSWER_TIMEOUT_MS,
      ...(token !== undefined && { token }),
    });
    const [cluster, regions, isReady] = await Promise.all([client.cluster(), client.regions(), client.isReady()]);
    const inSync = new Set(regions.filter((region) => region.inSync).map(({ region }) => region));
    const others = new Set(nodes.map(({ region }) => region).filter((region) => region !== node.region));
    const missing = [...others].filter((region) => !inSync.has(region)).map((region) => `the summary of ${region}`);
    if (cluster.leader === null) missing.unshift("a leader");
    else if (!isReady) missing.unshift("what its region has");
    return { node, leader: cluster.leader, missing };
  } catch {
    // Not up yet, or busy: the next round asks again.
    return { node, leader: null, missing: ["an answer"] };
  }
}

/** The leaders, once every node misses nothing and the nodes of a region agree. */
function readyRegions(progress: readonly NodeProgress[]): readonly ReadyRegion[] | undefined {
  if (progress.some(({ missing }) => missing.length > 0)) return undefined;
  const leaders = new Map<string, Set<string>>();
  for (const { node, leader } of progress) {
    leaders.set(node.region, (leaders.get(node.region) ?? new Set()).add(leader ?? ""));
  }
  if ([...leaders.values()].some((names) => names.size > 1)) return undefined;
  return [...leaders].map(([region, names]) => ({ region, leader: [...names].join() }));
}

function describeMissing(progress: readonly NodeProgress[]): string {
  const waiting = progress.filter(({ missing }) => missing.length > 0);
  if (waiting.length === 0) return "the nodes of a region do not agree on its leader yet";
  const first = waiting[0]!;
  const more = waiting.length > 1 ? `, and ${waiting.length - 1} more nodes` : "";
  return `${first.node.name} misses ${first.missing.join(" and ")}${more}`;
}
