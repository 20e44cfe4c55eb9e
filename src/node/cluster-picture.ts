/**
 * The cluster at one moment, and what happened between two moments.
 *
 * Pure: whoever looks, and how often, is `activity-observer.ts`.
 */

import type { ActivityEvent, ClusterView } from "../api/ports.ts";

export interface ClusterPicture {
  readonly region: string;
  readonly leader: string | null;
  readonly term: number;
  /** Of this node's region, by node id. */
  readonly members: ReadonlyMap<string, { readonly name: string; readonly votes: boolean }>;
  /** All others that are known, by node id. */
  readonly nodes: ReadonlyMap<string, { readonly name: string; readonly region: string; readonly isLinked: boolean }>;
  /** The other regions, by name. */
  readonly regions: ReadonlyMap<string, RegionPicture>;
}

interface RegionPicture {
  readonly isLinked: boolean;
  /** 0 until it is told. */
  readonly term: number;
  readonly distrust: string | null;
}

export function pictureOf(view: ClusterView): ClusterPicture {
  const { region, leader, term, members } = view.cluster();
  const others = view.nodes().filter(({ link }) => link !== "self");
  const abroad = view.regions().filter(({ link }) => link !== "self");
  return {
    region,
    leader,
    term,
    members: new Map(members.map(({ nodeId, name, votes }) => [nodeId, { name, votes }])),
    nodes: new Map(
      others.map(({ nodeId, name, region, link }) => [nodeId, { name, region, isLinked: link === "connected" }]),
    ),
    regions: new Map(
      abroad.map(({ region, link, term = 0, distrust = null }) => [
        region,
        { isLinked: link === "connected", term, distrust },
      ]),
    ),
  };
}

/** In the order in which one would tell it: who leads, who belongs, who is reached. */
export function changesBetween(before: ClusterPicture, after: ClusterPicture): ActivityEvent[] {
  return [
    ...leaderChanges(before, after),
    ...memberChanges(before, after),
    ...nodeChanges(before, after),
    ...regionChanges(before, after),
  ];
}

function* leaderChanges(before: ClusterPicture, after: ClusterPicture): Iterable<ActivityEvent> {
  const { region, leader, term } = after;
  const isNews = leader !== before.leader || (leader !== null && term !== before.term);
  if (isNews) yield { kind: "leader", region, leader, term };
}

function* memberChanges({ members: before, region }: ClusterPicture, { members: after }: ClusterPicture) {
  // A region that this node has just come to know had its members before.
  if (before.size === 0) return;
  for (const [nodeId, { name, votes }] of after) {
    const was = before.get(nodeId);
    const change =
      was === undefined ? "joined" : votes && !was.votes ? "promoted" : !votes && was.votes ? "demoted" : null;
    if (change !== null) yield { kind: "member", region, node: name, change } satisfies ActivityEvent;
  }
  for (const [nodeId, { name }] of before) {
    if (!after.has(nodeId)) yield { kind: "member", region, node: name, change: "left" } satisfies ActivityEvent;
  }
}

/** Of nodes that were known before: who is met for the first time came with something else that is told. */
function* nodeChanges({ nodes: before }: ClusterPicture, { nodes: after }: ClusterPicture): Iterable<ActivityEvent> {
  for (const [nodeId, { name, region, isLinked }] of after) {
    const was = before.get(nodeId);
    if (was === undefined || was.isLinked === isLinked) continue;
    yield { kind: "node", region, node: name, link: isLinked ? "connected" : "away" };
  }
}

function* regionChanges(
  { regions: before }: ClusterPicture,
  { regions: after }: ClusterPicture,
): Iterable<ActivityEvent> {
  for (const [region, { isLinked, term, distrust }] of after) {
    const was = before.get(region);
    if (was === undefined) {
      yield { kind: "region", region, change: "met" };
      continue;
    }
    if (was.isLinked !== isLinked) yield { kind: "region", region, change: isLinked ? "connected" : "away" };
    if (distrust !== null && was.distrust === null) {
      yield { kind: "region", region, change: "distrusted", reason: distrust };
    }
    // Who leads there is not told here; that somebody new does is.
    if (was.term > 0 && term > was.term) yield { kind: "leader", region, term };
  }
  for (const region of before.keys()) if (!after.has(region)) yield { kind: "region", region, change: "forgotten" };
}
