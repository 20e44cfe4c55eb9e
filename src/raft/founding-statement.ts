/**
 * What a node says of how it came to its region: a fact on its disk, and its answer to whoever asks.
 *
 * The cluster id in it is carried in every handshake (F17): founders derive it from the founding configuration, and who
 * joined later was told it by a member.
 */

import { createHash } from "node:crypto";
import { Packr } from "msgpackr";
import type { NodeFacts } from "../storage/interface.ts";
import { asClusterId, asNodeId, asNodeName, type ClusterId } from "../types/ids.ts";
import { MEMBERS_MAX, type Member } from "../types/membership.ts";
import { unreadable } from "./bootstrap-error.ts";

export const FOUNDING_FACT = "founding";

const STAGES = ["fresh", "prepared", "founded", "joined", "removed"] as const;
const TEXT_LENGTH_MAX = 128;

export type Stage =
  /** In no region yet. */
  | "fresh"
  /** Ready to found the region with `members`, if all of them are. */
  | "prepared"
  /** Founded the region with `members`. */
  | "founded"
  /** Was taken into a region that others had founded. */
  | "joined"
  /** Left its region for good: this identity never returns (R13). */
  | "removed";

export interface Statement {
  readonly stage: Stage;
  readonly federation: string;
  readonly region: string;
  /** The configured members, in order. */
  readonly names: readonly string[];
  readonly self: Member;
  /** Prepared or founded with these, in order of name; empty otherwise. */
  readonly members: readonly Member[];
  /** What a node that joined was told; null while the founding configuration says it, or nothing does. */
  readonly cluster: ClusterId | null;
}

const packr = new Packr({ useRecords: false });

/**
 * What this node's disk says; null on one that says nothing yet.
 *
 * @throws BootstrapError DATA_FOLDER_UNREADABLE: taken for a fresh disk, it could found a second region
 */
export function readStatement(facts: NodeFacts): Statement | null {
  const bytes = facts.get(FOUNDING_FACT);
  if (bytes === undefined) return null;
  const statement = asStatement(packr.unpack(bytes));
  if (statement === null) throw unreadable();
  return statement;
}

/** Resolves when it is on disk. */
export async function writeStatement(facts: NodeFacts, statement: Statement): Promise<void> {
  await facts.put(FOUNDING_FACT, packr.pack(statement));
}

/** Whether it speaks of a region that exists, with its node in it. */
export function isInRegion({ stage }: Statement): boolean {
  return stage === "founded" || stage === "joined";
}

/** The cluster id of the region that the statement speaks of. */
export function clusterOf({ cluster, federation, region, members }: Statement): ClusterId {
  if (cluster !== null) return cluster;
  const founding = JSON.stringify([federation, region, members.map(({ id, name }) => [name, id])]);
  return asClusterId(createHash("sha256").update(founding).digest("hex").slice(0, 32));
}

/** Whether both are the same members, by name and identity. */
export function areSameMembers(a: readonly Member[], b: readonly Member[]): boolean {
  return a.length === b.length && a.every(({ id, name }, i) => b[i]!.id === id && b[i]!.name === name);
}

/** Another node said it, so it is looked at before it is believed; null when it is no statement. */
export function asStatement(value: unknown): Statement | null {
  if (typeof value !== "object" || value === null) return null;
  const { stage, federation, region, names, self, members, cluster } = value as Record<string, unknown>;
  if (!STAGES.some((known) => known === stage) || !isText(federation) || !isText(region)) return null;
  if (!isList(names) || !names.every(isText) || !isMember(self) || !isList(members) || !members.every(isMember)) {
    return null;
  }
  // Absent from what was written before nodes could join.
  if (cluster !== undefined && cluster !== null && !isText(cluster)) return null;
  return {
    stage: stage as Stage,
    federation,
    region,
    names,
    self: asMember(self),
    members: members.map(asMember),
    cluster: isText(cluster) ? asClusterId(cluster) : null,
  };
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= TEXT_LENGTH_MAX;
}

function isList(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.length <= MEMBERS_MAX;
}

function isMember(value: unknown): value is { readonly id: string; readonly name: string } {
  if (typeof value !== "object" || value === null) return false;
  const { id, name } = value as Record<string, unknown>;
  return isText(id) && isText(name);
}

function asMember({ id, name }: { readonly id: string; readonly name: string }): Member {
  return { id: asNodeId(id), name: asNodeName(name) };
}
