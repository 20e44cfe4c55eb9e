/**
 * The commands that the registry replicates, and what each of them answers.
 *
 * On the wire a command is a msgpack array, `[kind, ...fields]`. Numbers of kinds and places of fields stay for ever; a new
 * field is appended, and fields that a reader does not know are ignored. What decides anything is a field: a limit that
 * each node took from its own configuration would make replicas differ.
 */

import type { AgentRecord } from "../types/agent.ts";
import type { AgentId } from "../types/ids.ts";
import { decode, encode } from "./codec.ts";

export type Command =
  | {
      readonly kind: "register";
      readonly id: AgentId;
      readonly record: AgentRecord;
      /** Wall time of the proposer, for display. */
      readonly atMs: number;
      /** A new agent is refused when the region holds this many. */
      readonly agentsMax: number;
    }
  | {
      readonly kind: "deregister";
      readonly id: AgentId;
      readonly mode: "keep" | "purge";
      /** Only this lease; null means whichever is current. */
      readonly incarnation: number | null;
      readonly atMs: number;
    }
  | {
      readonly kind: "expire";
      /** A lease that is no longer current is left alone (F21). */
      readonly leases: readonly (readonly [id: AgentId, incarnation: number])[];
      readonly atMs: number;
    }
  | {
      readonly kind: "purge";
      /** Only what is still as it was when somebody decided to remove it. */
      readonly agents: readonly (readonly [id: AgentId, revision: number])[];
      readonly atMs: number;
    }
  /** The key this region signs with, wrapped by its proposer. The first one stays. */
  | { readonly kind: "setRegionKey"; readonly wrapped: Uint8Array };

export type RegisterResult =
  | {
      readonly change: "created" | "recovered" | "updated";
      readonly incarnation: number;
      readonly registeredAtMs: number;
    }
  | { readonly refused: "too-many-agents"; readonly agents: number; readonly agentsMax: number };

/** Whether the agent was there. */
export type DeregisterResult = { readonly existed: boolean };
/** How many agents the command found as it expected them. */
export type BatchResult = { readonly changed: number };
/** False when the region had a key already. */
export type RegionKeyResult = { readonly isSet: boolean };
export type UnknownResult = { readonly refused: "unknown-command" };
export type CommandResult = RegisterResult | DeregisterResult | BatchResult | RegionKeyResult | UnknownResult;

const KIND = { register: 1, deregister: 2, expire: 3, purge: 4, setRegionKey: 5 } as const;
const MODE = { keep: 0, purge: 1 } as const;

export function encodeCommand(command: Command): Uint8Array {
  return encode(fieldsOf(command));
}

function fieldsOf(command: Command): readonly unknown[] {
  const kind = KIND[command.kind];
  switch (command.kind) {
    case "register":
      return [kind, command.id, command.record, command.atMs, command.agentsMax];
    case "deregister":
      return [kind, command.id, MODE[command.mode], command.incarnation, command.atMs];
    case "expire":
      return [kind, command.leases, command.atMs];
    case "purge":
      return [kind, command.agents, command.atMs];
    case "setRegionKey":
      return [kind, command.wrapped];
  }
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
      return readBatch(rest, (leases, atMs) => ({ kind: "expire", leases, atMs }));
    case KIND.purge:
      return readBatch(rest, (agents, atMs) => ({ kind: "purge", agents, atMs }));
    case KIND.setRegionKey:
      // A copy: the bytes given are a window into something larger.
      return rest[0] instanceof Uint8Array ? { kind: "setRegionKey", wrapped: Uint8Array.from(rest[0]) } : null;
    default:
      return null;
  }
}

function readRegister([id, record, atMs, agentsMax]: readonly unknown[]): Command | null {
  if (!isAgentId(id) || !isRecord(record) || !isNumber(atMs) || !isNumber(agentsMax)) return null;
  return { kind: "register", id, record, atMs, agentsMax };
}

function readDeregister([id, mode, incarnation, atMs]: readonly unknown[]): Command | null {
  if (!isAgentId(id) || !isNumber(atMs) || (incarnation !== null && !isNumber(incarnation))) return null;
  if (mode !== MODE.keep && mode !== MODE.purge) return null;
  return { kind: "deregister", id, mode: mode === MODE.keep ? "keep" : "purge", incarnation, atMs };
}

function readBatch(
  [pairs, atMs]: readonly unknown[],
  make: (pairs: readonly (readonly [AgentId, number])[], atMs: number) => Command,
): Command | null {
  return Array.isArray(pairs) && pairs.every(isPair) && isNumber(atMs) ? make(pairs, atMs) : null;
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
