/**
 * The commands that the registry replicates, and what each of them answers.
 *
 * On the wire a command is a msgpack array, `[kind, ...fields]`. Numbers of kinds and places of fields stay for ever; a new
 * field is appended, and fields that a reader does not know are ignored. What decides anything is a field: a limit that
 * each node took from its own configuration would make replicas differ.
 */

import type { AgentRecord, JsonObject } from "../types/agent.ts";
import { type AgentId, asClusterId, asRegionId, type RegionId } from "../types/ids.ts";
import type { Farewell, KeySuccession, Retirement } from "../types/region-standing.ts";
import { type KeptToken, ROLES, type Role } from "../types/token.ts";
import type { Forbidden, ReplicatedGuard } from "./change-guard.ts";
import { decode, encode } from "./codec.ts";
import { EXPORT_ITEMS_MAX, type ExportPolicy } from "./export-policy.ts";
import { shareTexts } from "./matching/shared-texts.ts";

export type Command =
  | {
      readonly kind: "register";
      readonly id: AgentId;
      readonly record: AgentRecord;
      /** Wall time of the proposer, for display. */
      readonly atMs: number;
      /** A new agent is refused when the region holds this many. */
      readonly agentsMax: number;
      readonly eventsMax: number;
      /** Absent: nothing limits the caller but the entity that the agent belongs to. */
      readonly guard?: ReplicatedGuard;
    }
  | {
      readonly kind: "deregister";
      readonly id: AgentId;
      readonly mode: "keep" | "purge";
      /** Only this lease; null means whichever is current. */
      readonly incarnation: number | null;
      readonly atMs: number;
      readonly eventsMax: number;
      readonly guard?: ReplicatedGuard;
    }
  | {
      readonly kind: "expire";
      /** A lease that is no longer current is left alone (F21). */
      readonly leases: readonly (readonly [id: AgentId, incarnation: number])[];
      readonly atMs: number;
      readonly eventsMax: number;
    }
  | {
      readonly kind: "purge";
      /** Only what is still as it was when somebody decided to remove it. */
      readonly agents: readonly (readonly [id: AgentId, revision: number])[];
      readonly atMs: number;
    }
  /** The key this region signs with, wrapped by its proposer. The first one stays. */
  | { readonly kind: "setRegionKey"; readonly wrapped: Uint8Array }
  /** Another key for this region, only in place of the one that its proposer saw. */
  | {
      readonly kind: "replaceRegionKey";
      readonly replaces: Uint8Array;
      readonly wrapped: Uint8Array;
      readonly succession: KeySuccession;
      readonly successionsMax: number;
    }
  /** Which namespaces other regions see. */
  | { readonly kind: "setExport"; readonly policy: ExportPolicy }
  /** A cluster that this region is to forget; the newest `retirementsMax` stay. */
  | { readonly kind: "retireRegion"; readonly retirement: Retirement; readonly retirementsMax: number }
  /** Whatever had that name may be met again. */
  | { readonly kind: "admitRegion"; readonly region: RegionId }
  /** The other regions are to forget this one; the first farewell stays. */
  | { readonly kind: "setFarewell"; readonly farewell: Farewell }
  /** Every agent is to ask for its dependencies anew. */
  | { readonly kind: "rotate"; readonly entityId: string | null; readonly atMs: number; readonly eventsMax: number }
  | { readonly kind: "setDraining"; readonly isDraining: boolean }
  /** A token of the region; refused when it holds `tokensMax` that were not given up long ago. */
  | { readonly kind: "createToken"; readonly token: KeptToken; readonly tokensMax: number }
  | { readonly kind: "revokeToken"; readonly id: string; readonly atMs: number }
  /** The same signing key under another shared key, only in place of what its proposer saw. */
  | { readonly kind: "rewrapRegionKey"; readonly replaces: Uint8Array; readonly wrapped: Uint8Array }
  /** What an agent's dependencies came to, and why; nothing when its lease is another one by now. */
  | {
      readonly kind: "audit";
      readonly id: AgentId;
      readonly incarnation: number;
      readonly entries: readonly AuditEntry[];
      readonly atMs: number;
      readonly eventsMax: number;
    };

export interface AuditEntry {
  readonly functionName: string;
  /** Place among the function's dependencies. */
  readonly position: number;
  readonly type: "dependency_resolved" | "dependency_unresolved";
  readonly data: JsonObject;
}

export type RegisterResult =
  | {
      readonly change: "created" | "recovered" | "updated";
      readonly incarnation: number;
      readonly registeredAtMs: number;
    }
  | { readonly refused: "too-many-agents"; readonly agents: number; readonly agentsMax: number }
  /** Capabilities that would each need the next one, the first and the last being the same (contract A8). */
  | { readonly refused: "dependency-cycle"; readonly cycle: readonly string[] }
  | Forbidden;

/** Whether the agent was there. */
export type DeregisterResult = { readonly existed: boolean } | Forbidden;
/** How many agents the command found as it expected them. */
export type BatchResult = { readonly changed: number };
/** False when the region had a key already, or another one than was to be replaced. */
export type RegionKeyResult = { readonly isSet: boolean };
export type RotateResult = { readonly affectedAgents: number };
export type ExportResult = { readonly policy: ExportPolicy };
/** False when there was nothing to change. */
export type RetireResult = { readonly isChanged: boolean };
export type DrainResult = { readonly isDraining: boolean };
export type CreateTokenResult =
  | { readonly isCreated: true }
  | { readonly refused: "too-many-tokens"; readonly tokens: number; readonly tokensMax: number };
/** Null when there is no such token. */
export type RevokeTokenResult = { readonly token: KeptToken | null };
export type AuditResult = { readonly written: number };
export type UnknownResult = { readonly refused: "unknown-command" };
export type CommandResult =
  | RegisterResult
  | DeregisterResult
  | BatchResult
  | RegionKeyResult
  | RotateResult
  | DrainResult
  | ExportResult
  | RetireResult
  | CreateTokenResult
  | RevokeTokenResult
  | AuditResult
  | UnknownResult;

/** Of commands written before events were kept. */
const EVENTS_MAX_BEFORE = 0;

const KIND = {
  register: 1,
  deregister: 2,
  expire: 3,
  purge: 4,
  setRegionKey: 5,
  rotate: 6,
  setDraining: 7,
  audit: 8,
  replaceRegionKey: 9,
  setExport: 10,
  retireRegion: 11,
  admitRegion: 12,
  setFarewell: 13,
  createToken: 14,
  revokeToken: 15,
  rewrapRegionKey: 16,
} as const;
const MODE = { keep: 0, purge: 1 } as const;

export function encodeCommand(command: Command): Uint8Array {
  return encode(fieldsOf(command));
}

function fieldsOf(command: Command): readonly unknown[] {
  const kind = KIND[command.kind];
  switch (command.kind) {
    case "register":
      return [
        kind,
        command.id,
        command.record,
        command.atMs,
        command.agentsMax,
        command.eventsMax,
        guardField(command.guard),
      ];
    case "deregister":
      return [
        kind,
        command.id,
        MODE[command.mode],
        command.incarnation,
        command.atMs,
        command.eventsMax,
        guardField(command.guard),
      ];
    case "expire":
      return [kind, command.leases, command.atMs, command.eventsMax];
    case "purge":
      return [kind, command.agents, command.atMs];
    case "setRegionKey":
      return [kind, command.wrapped];
    case "retireRegion": {
      const { region, cluster, publicKey, atMs } = command.retirement;
      return [kind, region, cluster, publicKey, atMs, command.retirementsMax];
    }
    case "admitRegion":
      return [kind, command.region];
    case "setFarewell": {
      const { region, cluster, publicKey, successions, signature } = command.farewell;
      const links = successions.map((link) => [link.previous, link.next, link.signature]);
      return [kind, region, cluster, publicKey, links, signature];
    }
    case "setExport":
      return [kind, command.policy];
    case "replaceRegionKey": {
      const { previous, next, signature } = command.succession;
      return [kind, command.replaces, command.wrapped, [previous, next, signature], command.successionsMax];
    }
    case "rotate":
      return [kind, command.entityId, command.atMs, command.eventsMax];
    case "setDraining":
      return [kind, command.isDraining];
    case "createToken": {
      const { id, sha256, role, namespaces, description, expiresAtMs, createdAtMs, createdBy } = command.token;
      const fields = [id, sha256, role, namespaces, description, expiresAtMs, createdAtMs, createdBy];
      return [kind, fields, command.tokensMax];
    }
    case "revokeToken":
      return [kind, command.id, command.atMs];
    case "rewrapRegionKey":
      return [kind, command.replaces, command.wrapped];
    case "audit": {
      const entries = command.entries.map(({ functionName, position, type, data }) => [
        functionName,
        position,
        type === "dependency_resolved",
        data,
      ]);
      return [kind, command.id, command.incarnation, entries, command.atMs, command.eventsMax];
    }
  }
}

function guardField(guard: ReplicatedGuard | undefined): readonly unknown[] | null {
  return guard === undefined ? null : [guard.namespaces, guard.entity, guard.overrides];
}

/**
 * Reads a command. Never throws: a command that a newer node wrote, or a damaged one, is committed all the same, and every
 * replica has to do the same with it, which is nothing.
 *
 * @returns null for what this version does not understand
 */
export function decodeCommand(bytes: Uint8Array): Command | null {
  let fields: unknown;
  try {
    fields = decode(bytes);
  } catch {
    return null;
  }
  if (!Array.isArray(fields)) return null;
  const [kind, ...rest] = fields as unknown[];
  switch (kind) {
    case KIND.register:
      return readRegister(rest);
    case KIND.deregister:
      return readDeregister(rest);
    case KIND.expire:
      return readExpire(rest);
    case KIND.purge:
      return readPurge(rest);
    case KIND.setRegionKey:
      // A copy: the bytes given are a window into something larger.
      return rest[0] instanceof Uint8Array ? { kind: "setRegionKey", wrapped: Uint8Array.from(rest[0]) } : null;
    case KIND.rotate:
      return readRotate(rest);
    case KIND.setDraining:
      return typeof rest[0] === "boolean" ? { kind: "setDraining", isDraining: rest[0] } : null;
    case KIND.audit:
      return readAudit(rest);
    case KIND.createToken:
      return readCreateToken(rest);
    case KIND.revokeToken:
      return typeof rest[0] === "string" && isNumber(rest[1])
        ? { kind: "revokeToken", id: rest[0], atMs: rest[1] }
        : null;
    case KIND.rewrapRegionKey:
      return readRewrapRegionKey(rest);
    case KIND.retireRegion:
      return readRetireRegion(rest);
    case KIND.admitRegion:
      return typeof rest[0] === "string" ? { kind: "admitRegion", region: asRegionId(rest[0]) } : null;
    case KIND.setFarewell:
      return readSetFarewell(rest);
    case KIND.setExport:
      return isPolicy(rest[0]) ? { kind: "setExport", policy: rest[0] } : null;
    case KIND.replaceRegionKey:
      return readReplaceRegionKey(rest);
    default:
      return null;
  }
}

function readRegister(fields: readonly unknown[]): Command | null {
  const [id, record, atMs, agentsMax, eventsMax = EVENTS_MAX_BEFORE, guarded] = fields;
  const guard = readGuard(guarded);
  if (guard === null) return null;
  if (!isAgentId(id) || !isRecord(record) || !isNumber(atMs) || !isNumber(agentsMax) || !isNumber(eventsMax))
    return null;
  return { kind: "register", id, record: shareTexts(record), atMs, agentsMax, eventsMax, ...guard };
}

function readDeregister(fields: readonly unknown[]): Command | null {
  const [id, mode, incarnation, atMs, eventsMax = EVENTS_MAX_BEFORE, guarded] = fields;
  const guard = readGuard(guarded);
  if (!isNumber(eventsMax) || guard === null) return null;
  if (!isAgentId(id) || !isNumber(atMs) || (incarnation !== null && !isNumber(incarnation))) return null;
  if (mode !== MODE.keep && mode !== MODE.purge) return null;
  return {
    kind: "deregister",
    id,
    mode: mode === MODE.keep ? "keep" : "purge",
    incarnation,
    atMs,
    eventsMax,
    ...guard,
  };
}

/** Null for what is no guard: a command that nobody can judge does nothing. */
function readGuard(field: unknown): { readonly guard?: ReplicatedGuard } | null {
  if (field === undefined || field === null) return {};
  if (!Array.isArray(field)) return null;
  const [namespaces, entity, overrides] = field as unknown[];
  if (namespaces !== null && !isTexts(namespaces)) return null;
  if ((entity !== null && typeof entity !== "string") || typeof overrides !== "boolean") return null;
  return { guard: { namespaces, entity, overrides } };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function readExpire([leases, atMs, eventsMax = EVENTS_MAX_BEFORE]: readonly unknown[]): Command | null {
  if (!isPairs(leases) || !isNumber(atMs) || !isNumber(eventsMax)) return null;
  return { kind: "expire", leases, atMs, eventsMax };
}

function readPurge([agents, atMs]: readonly unknown[]): Command | null {
  return isPairs(agents) && isNumber(atMs) ? { kind: "purge", agents, atMs } : null;
}

function readRotate([entityId, atMs, eventsMax]: readonly unknown[]): Command | null {
  if ((entityId !== null && typeof entityId !== "string") || !isNumber(atMs) || !isNumber(eventsMax)) return null;
  return { kind: "rotate", entityId, atMs, eventsMax };
}

function readReplaceRegionKey(fields: readonly unknown[]): Command | null {
  const [replaces, wrapped, succession, successionsMax] = fields;
  if (!(replaces instanceof Uint8Array) || !(wrapped instanceof Uint8Array) || !isNumber(successionsMax)) return null;
  const read = readSuccession(succession);
  if (read === null) return null;
  return {
    kind: "replaceRegionKey",
    replaces: Uint8Array.from(replaces),
    wrapped: Uint8Array.from(wrapped),
    succession: read,
    successionsMax,
  };
}

function readRewrapRegionKey([replaces, wrapped]: readonly unknown[]): Command | null {
  if (!(replaces instanceof Uint8Array) || !(wrapped instanceof Uint8Array)) return null;
  return { kind: "rewrapRegionKey", replaces: Uint8Array.from(replaces), wrapped: Uint8Array.from(wrapped) };
}

function readCreateToken([fields, tokensMax]: readonly unknown[]): Command | null {
  if (!Array.isArray(fields) || !isNumber(tokensMax)) return null;
  const [id, sha256, role, namespaces, description, expiresAtMs, createdAtMs, createdBy] = fields as unknown[];
  if (typeof id !== "string" || typeof sha256 !== "string" || typeof description !== "string") return null;
  if (!isRole(role) || (namespaces !== null && !isTexts(namespaces)) || typeof createdBy !== "string") return null;
  if ((expiresAtMs !== null && !isNumber(expiresAtMs)) || !isNumber(createdAtMs)) return null;
  const made = { id, sha256, role, namespaces, description, expiresAtMs, createdAtMs, createdBy };
  return { kind: "createToken", token: { ...made, revokedAtMs: null }, tokensMax };
}

function isRole(value: unknown): value is Role {
  return ROLES.some((role) => role === value);
}

function readSuccession(succession: unknown): KeySuccession | null {
  if (!Array.isArray(succession)) return null;
  const [previous, next, signature] = succession as unknown[];
  if (typeof previous !== "string" || typeof next !== "string" || typeof signature !== "string") return null;
  return { previous, next, signature };
}

function readRetireRegion([region, cluster, publicKey, atMs, retirementsMax]: readonly unknown[]): Command | null {
  if (typeof region !== "string" || typeof cluster !== "string" || typeof publicKey !== "string") return null;
  if (!isNumber(atMs) || !isNumber(retirementsMax)) return null;
  return {
    kind: "retireRegion",
    retirement: { region: asRegionId(region), cluster, publicKey, atMs },
    retirementsMax,
  };
}

function readSetFarewell([region, cluster, publicKey, links, signature]: readonly unknown[]): Command | null {
  if (typeof region !== "string" || typeof cluster !== "string" || typeof publicKey !== "string") return null;
  if (typeof signature !== "string" || !Array.isArray(links)) return null;
  const successions = links.map(readSuccession);
  if (!successions.every((link) => link !== null)) return null;
  const farewell = { region: asRegionId(region), cluster: asClusterId(cluster), publicKey, successions, signature };
  return { kind: "setFarewell", farewell };
}

function readAudit([id, incarnation, entries, atMs, eventsMax]: readonly unknown[]): Command | null {
  if (!isAgentId(id) || !isNumber(incarnation) || !isNumber(atMs) || !isNumber(eventsMax)) return null;
  if (!Array.isArray(entries)) return null;
  const read = entries.map(readAuditEntry);
  return read.every((entry) => entry !== null)
    ? { kind: "audit", id, incarnation, entries: read, atMs, eventsMax }
    : null;
}

function readAuditEntry(entry: unknown): AuditEntry | null {
  if (!Array.isArray(entry)) return null;
  const [functionName, position, isResolved, data] = entry as unknown[];
  if (typeof functionName !== "string" || !isNumber(position) || typeof isResolved !== "boolean") return null;
  if (typeof data !== "object" || data === null || Array.isArray(data)) return null;
  const type = isResolved ? "dependency_resolved" : "dependency_unresolved";
  return { functionName, position, type, data: data as JsonObject };
}

function isPolicy(value: unknown): value is ExportPolicy {
  return isTexts(value) && value.length <= EXPORT_ITEMS_MAX;
}

function isPairs(value: unknown): value is readonly (readonly [AgentId, number])[] {
  return Array.isArray(value) && value.every(isPair);
}

function isPair(value: unknown): value is readonly [AgentId, number] {
  return Array.isArray(value) && isAgentId(value[0]) && isNumber(value[1]);
}

function isAgentId(value: unknown): value is AgentId {
  return typeof value === "string";
}

function isNumber(value: unknown): value is number {
  return typeof value === "number";
}

/** What the index relies on. Everything else was checked, by `limits.ts`, before the command was proposed. */
function isRecord(value: unknown): value is AgentRecord {
  if (typeof value !== "object" || value === null) return false;
  const { type, namespace, endpoint, leaseMs, capabilities } = value as Partial<Record<keyof AgentRecord, unknown>>;
  return (
    typeof type === "string" &&
    typeof namespace === "string" &&
    typeof endpoint === "string" &&
    isNumber(leaseMs) &&
    Array.isArray(capabilities) &&
    capabilities.every(isCapability)
  );
}

function isCapability(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { name, functionName, version, tags } = value as Record<string, unknown>;
  return (
    typeof name === "string" &&
    typeof functionName === "string" &&
    typeof version === "string" &&
    Array.isArray(tags) &&
    tags.every((tag) => typeof tag === "string")
  );
}
