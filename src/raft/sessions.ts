/**
 * Exactly once: what each proposer already had applied (Ongaro 2014, §6.3; R40).
 *
 * A proposer opens a session through the log and numbers its commands. A number that was applied before gives the kept
 * result instead of a second effect. With each command the proposer says below which number it has all its answers, so
 * what is kept stays small. The table is part of the replicated state: every replica forgets the same things at the same
 * log index.
 */

import { Packr } from "msgpackr";
import type { StateRecord, StateWrite } from "../storage/interface.ts";
import type { ProposalId } from "../types/raft.ts";
import { invariant } from "../util/errors.ts";

/** The oldest session goes when there are more: a thousand restarts of nodes after its last command. */
const SESSIONS_MAX = 1_024;
/** State records under this prefix are this module's. */
export const SESSION_PREFIX = "session/";

/** What a log entry of kind `command` carries. */
export type Envelope =
  | { readonly kind: "open"; readonly nonce: string }
  | {
      readonly kind: "command";
      readonly session: string;
      readonly sequence: number;
      /** The proposer has its answers to all lower sequences. */
      readonly answeredBelow: number;
      readonly command: Uint8Array;
    };

export interface Outcome {
  readonly index: number;
  readonly result: unknown;
}

/** How a command went: its outcome, or the news that its session is no longer known and a retry would not be safe. */
export type SessionVerdict = { readonly type: "outcome"; readonly outcome: Outcome } | { readonly type: "expired" };

interface Session {
  answeredBelow: number;
  lastUsed: number;
  readonly outcomes: Map<number, Outcome>;
}

const packr = new Packr({ useRecords: false });

export function encodeEnvelope(envelope: Envelope): Uint8Array {
  const fields =
    envelope.kind === "open"
      ? [envelope.nonce]
      : [envelope.session, envelope.sequence, envelope.answeredBelow, envelope.command];
  // A copy: what is packed is a part of a larger buffer, all of which would stay for as long as the log keeps the entry.
  return new Uint8Array(packr.pack(fields));
}

export function decodeEnvelope(data: Uint8Array): Envelope {
  const fields: unknown = packr.unpack(data);
  invariant(Array.isArray(fields), "a command entry holds an envelope");
  if (fields.length === 1) return { kind: "open", nonce: fields[0] };
  const [session, sequence, answeredBelow, command] = fields;
  return { kind: "command", session, sequence, answeredBelow, command };
}

export function proposalIdOf(data: Uint8Array): ProposalId {
  const envelope = decodeEnvelope(data);
  if (envelope.kind === "open") return { session: envelope.nonce, sequence: 0 };
  return { session: envelope.session, sequence: envelope.sequence };
}

export class SessionTable {
  /** In order of last use. */
  #sessions = new Map<string, Session>();
  #dirty = new Set<string>();

  /** Opens the session that is named after the log index which opened it, so names never repeat. */
  open(index: number): string {
    const name = String(index);
    this.#sessions.set(name, { answeredBelow: 0, lastUsed: index, outcomes: new Map() });
    this.#dirty.add(name);
    if (this.#sessions.size > SESSIONS_MAX) this.#forget(this.#sessions.keys().next().value!);
    return name;
  }

  /** Runs `apply` unless this command was applied before. */
  once(envelope: Extract<Envelope, { kind: "command" }>, index: number, apply: () => unknown): SessionVerdict {
    const session = this.#sessions.get(envelope.session);
    if (session === undefined || envelope.sequence < session.answeredBelow) return { type: "expired" };
    this.#touch(envelope.session, session, index);
    const earlier = session.outcomes.get(envelope.sequence);
    if (earlier !== undefined) return { type: "outcome", outcome: earlier };
    this.#forgetAnswered(session, envelope.answeredBelow);
    const outcome: Outcome = { index, result: apply() };
    session.outcomes.set(envelope.sequence, outcome);
    return { type: "outcome", outcome };
  }

  /** The kept outcome, for a proposer that learns it from a snapshot. */
  outcomeOf(id: ProposalId): Outcome | undefined {
    return this.#sessions.get(id.session)?.outcomes.get(id.sequence);
  }

  /** What changed since the last call, as records of the replicated state. */
  takeWrites(): StateWrite[] {
    const writes = [...this.#dirty].map((name): StateWrite => {
      const session = this.#sessions.get(name);
      return { key: SESSION_PREFIX + name, value: session === undefined ? undefined : encodeSession(session) };
    });
    this.#dirty.clear();
    return writes;
  }

  restore(records: readonly StateRecord[]): void {
    const sessions = records.map(([key, value]) => [key.slice(SESSION_PREFIX.length), decodeSession(value)] as const);
    this.#sessions = new Map(sessions.sort(([, a], [, b]) => a.lastUsed - b.lastUsed));
    this.#dirty.clear();
  }

  #touch(name: string, session: Session, index: number): void {
    session.lastUsed = index;
    this.#sessions.delete(name);
    this.#sessions.set(name, session);
    this.#dirty.add(name);
  }

  #forget(name: string): void {
    this.#sessions.delete(name);
    this.#dirty.add(name);
  }

  #forgetAnswered(session: Session, answeredBelow: number): void {
    if (answeredBelow <= session.answeredBelow) return;
    session.answeredBelow = answeredBelow;
    for (const sequence of session.outcomes.keys()) {
      if (sequence < answeredBelow) session.outcomes.delete(sequence);
    }
  }
}

function encodeSession(session: Session): unknown {
  const outcomes = [...session.outcomes].map(([sequence, { index, result }]) => [sequence, index, result]);
  return [session.answeredBelow, session.lastUsed, outcomes];
}

function decodeSession(value: unknown): Session {
  const [answeredBelow, lastUsed, outcomes] = value as [number, number, [number, number, unknown][]];
  return {
    answeredBelow,
    lastUsed,
    outcomes: new Map(outcomes.map(([sequence, index, result]) => [sequence, { index, result }])),
  };
}
