/**
 * This node's own proposals, from the call to the outcome.
 *
 * A proposal is done when this node applied it, whoever led meanwhile, so the answer needs no message of its own and the
 * caller reads its own write (P3). Until then it is sent again after each change of leader and after a silence; the
 * session (`sessions.ts`) makes repetition harmless.
 */

import type { ProposalId } from "../types/raft.ts";
import type { Span, Tracing } from "../types/tracing.ts";
import type { CancelTimer, Clock } from "../util/clock.ts";
import { RaftError } from "./index.ts";
import type { RaftMetrics } from "./metrics.ts";
import { type Envelope, encodeEnvelope, type Outcome, type SessionVerdict } from "./sessions.ts";

/** Commands of one message to the leader, in bytes. */
const SUBMIT_BYTES_MAX = 512 * 1024;

export interface ProposerParts {
  readonly options: { readonly commandBytesMax: number; readonly waitingBytesMax: number };
  readonly clock: Clock;
  /** Unique for this start of this node. */
  readonly nonce: string;
  /** Hands commands to whoever leads, with the traces that they are part of: as many, or undefined for none. */
  readonly submit: (commands: readonly Uint8Array[], traces?: Traces) => "submitted" | "no-leader" | "overloaded";
  /** A proposal unanswered for this long is sent again. */
  readonly resendMs: number;
  readonly metrics: Pick<RaftMetrics, "proposed">;
  readonly tracing?: Tracing | undefined;
}

/** Of as many commands: the traceparent of each, null for one that nobody traces. */
export type Traces = readonly (string | null)[];

interface Waiting {
  readonly sequence: number;
  readonly command: Uint8Array;
  readonly beganAt: number;
  readonly cancelTimeout: CancelTimer;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: RaftError) => void;
  readonly span: Span | undefined;
  encoded: Uint8Array | undefined;
  /** When it last left. */
  sentAt: number;
  /** How often it left and was not refused: each time may have put it into the log, even if we never hear of it. */
  sends: number;
}

export class Proposer {
  readonly #parts: ProposerParts;
  /** In order of sequence. */
  readonly #waiting = new Map<number, Waiting>();
  /** Those of them that are not under way, in order of sequence. */
  #unsent = new Map<number, Waiting>();
  #waitingBytes = 0;
  #nextSequence = 1;
  #session: string | undefined;
  #opening = 0;
  #openSentAt: number | undefined;
  #isFlushScheduled = false;
  #cancelResend: CancelTimer | null = null;

  constructor(parts: ProposerParts) {
    this.#parts = parts;
  }

  /** Of commands that wait for their outcome. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  propose(command: Uint8Array, timeoutMs: number): Promise<Outcome> {
    const { metrics, options, tracing } = this.#parts;
    const { commandBytesMax, waitingBytesMax } = options;
    if (command.length > commandBytesMax) {
      metrics.proposed("COMMAND_TOO_LARGE", 0);
      const detail = { code: "COMMAND_TOO_LARGE", bytes: command.length, bytesMax: commandBytesMax } as const;
      return Promise.reject(new RaftError("the command does not fit the log", detail));
    }
    if (this.#waitingBytes + command.length > waitingBytesMax) {
      metrics.proposed("OVERLOADED", 0);
      const detail = { code: "OVERLOADED", waitingBytes: this.#waitingBytes, waitingBytesMax } as const;
      return Promise.reject(new RaftError("too many proposals wait for their outcome", detail));
    }
    return new Promise((resolve, reject) => {
      const sequence = this.#nextSequence++;
      this.#waitingBytes += command.length;
      this.#add({
        sequence,
        command,
        beganAt: this.#parts.clock.now(),
        cancelTimeout: this.#parts.clock.schedule(timeoutMs, () => this.#timedOut(sequence)),
        resolve,
        reject,
        span: tracing?.current() === undefined ? undefined : tracing.start({ name: "raft propose", kind: "internal" }),
        encoded: undefined,
        sentAt: 0,
        sends: 0,
      });
    });
  }

  #add(waiting: Waiting): void {
    this.#waiting.set(waiting.sequence, waiting);
    this.#unsent.set(waiting.sequence, waiting);
    this.#scheduleFlush();
  }

  /** A session was opened; ours, if it bears our mark. */
  opened(nonce: string, session: string): void {
    if (nonce !== this.#openNonce() || this.#session !== undefined) return;
    this.#session = session;
    this.#scheduleFlush();
  }

  /** A command was applied or found applied before; ours, if it is of our session and still waits. */
  settled(envelope: Extract<Envelope, { kind: "command" }>, verdict: SessionVerdict): void {
    if (envelope.session !== this.#session) return;
    const waiting = this.#waiting.get(envelope.sequence);
    if (waiting === undefined) return;
    this.#forget(waiting);
    if (verdict.type === "outcome") this.#resolve(waiting, verdict.outcome);
    else this.#sessionLost(waiting);
  }

  /** The leader took none of these: it does not lead, or it has too much to do. */
  refused(proposals: readonly ProposalId[], isOverloaded: boolean): void {
    for (const { session, sequence } of proposals) {
      if (session === this.#openNonce()) this.#notOpened(isOverloaded);
      const waiting = session === this.#session ? this.#waiting.get(sequence) : undefined;
      if (waiting === undefined) continue;
      waiting.sends = Math.max(0, waiting.sends - 1);
      this.#unsent.set(sequence, waiting);
      if (isOverloaded) this.#turnAway(waiting);
    }
    this.#armResend();
  }

  /** A leader is known, perhaps a new one: what the former one did not get to commit must reach it. */
  leaderChanged(): void {
    this.#unsent = new Map(this.#waiting);
    this.#openSentAt = undefined;
    this.#scheduleFlush();
  }

  /** A snapshot skipped entries that may have settled our proposals. */
  reviewAll(outcomeOf: (id: ProposalId) => Outcome | undefined): void {
    if (this.#session === undefined) return;
    for (const waiting of [...this.#waiting.values()]) {
      const outcome = outcomeOf({ session: this.#session, sequence: waiting.sequence });
      if (outcome === undefined) continue;
      this.#forget(waiting);
      this.#resolve(waiting, outcome);
    }
    this.leaderChanged();
  }

  stop(): void {
    this.#cancelResend?.();
    for (const waiting of [...this.#waiting.values()]) {
      this.#forget(waiting);
      const stopping = new RaftError("this node is stopping", { code: "STOPPED" });
      this.#reject(waiting, waiting.sends > 0 ? this.#unknown(waiting) : stopping);
    }
  }

  #openNonce(): string {
    return `${this.#parts.nonce}/${this.#opening}`;
  }

  /** Proposals of one turn leave together. */
  #scheduleFlush(): void {
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    this.#parts.clock.soon(() => {
      this.#isFlushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#unsent.size === 0) return;
    this.#armResend();
    if (this.#session === undefined) return this.#openSession();
    let batch: Waiting[] = [];
    let bytes = 0;
    for (const waiting of this.#unsent.values()) {
      waiting.encoded ??= this.#encode(waiting);
      if (batch.length > 0 && bytes + waiting.encoded.length > SUBMIT_BYTES_MAX) {
        if (!this.#submit(batch)) return;
        batch = [];
        bytes = 0;
      }
      batch.push(waiting);
      bytes += waiting.encoded.length;
    }
    if (batch.length > 0) this.#submit(batch);
  }

  #submit(batch: readonly Waiting[]): boolean {
    const commands = batch.map((waiting) => waiting.encoded!);
    const outcome = this.#parts.submit(commands, this.#tracesOf(batch));
    if (outcome === "overloaded") {
      for (const waiting of batch) this.#turnAway(waiting);
      return true;
    }
    if (outcome === "no-leader") return false;
    const now = this.#parts.clock.now();
    for (const waiting of batch) {
      waiting.sentAt = now;
      waiting.sends += 1;
      this.#unsent.delete(waiting.sequence);
    }
    return true;
  }

  #tracesOf(batch: readonly Waiting[]): Traces | undefined {
    if (this.#parts.tracing === undefined) return undefined;
    const traces = batch.map(({ span }) => span?.traceparent ?? null);
    return traces.some((trace) => trace !== null) ? traces : undefined;
  }

  /** The leader has too much to do. What an earlier leader may have taken stays: it can not be called not proposed (R41). */
  #turnAway(waiting: Waiting): void {
    if (waiting.sends > 0) return;
    this.#forget(waiting);
    this.#reject(waiting, overloaded(this.#waitingBytes, this.#parts.options.waitingBytesMax));
  }

  #encode(waiting: Waiting): Uint8Array {
    const { sequence, command } = waiting;
    const answeredBelow: number = this.#waiting.keys().next().value ?? sequence;
    return encodeEnvelope({ kind: "command", session: this.#session!, sequence, answeredBelow, command });
  }

  #openSession(): void {
    if (this.#openSentAt !== undefined) return;
    const outcome = this.#parts.submit([encodeEnvelope({ kind: "open", nonce: this.#openNonce() })]);
    if (outcome === "submitted") this.#openSentAt = this.#parts.clock.now();
    else this.#notOpened(outcome === "overloaded");
  }

  /** Without a session nothing leaves, so that what waits for it is refused as the session was. */
  #notOpened(isOverloaded: boolean): void {
    this.#openSentAt = undefined;
    if (!isOverloaded) return;
    for (const waiting of [...this.#unsent.values()]) this.#turnAway(waiting);
  }

  /** Looks again while anything waits: a message or its answer may have been lost. */
  #armResend(): void {
    if (this.#cancelResend !== null || this.#waiting.size === 0) return;
    const { clock, resendMs } = this.#parts;
    this.#cancelResend = clock.schedule(resendMs / 4, () => {
      this.#cancelResend = null;
      const before = clock.now() - resendMs;
      if (this.#openSentAt !== undefined && this.#openSentAt <= before) this.#openSentAt = undefined;
      for (const waiting of this.#waiting.values()) {
        if (waiting.sends > 0 && waiting.sentAt <= before) this.#unsent.set(waiting.sequence, waiting);
      }
      this.#flush();
      this.#armResend();
    });
  }

  #timedOut(sequence: number): void {
    const waiting = this.#waiting.get(sequence);
    if (waiting === undefined) return;
    this.#forget(waiting);
    const waitedMs = this.#waitedMs(waiting);
    if (waiting.sends > 0) this.#reject(waiting, this.#unknown(waiting));
    else this.#reject(waiting, new RaftError("no leader within the wait", { code: "NO_LEADER", waitedMs }));
  }

  /** Another thousand sessions were opened since ours was used. What it proposed may or may not have been applied. */
  #sessionLost(waiting: Waiting): void {
    this.#reject(waiting, this.#unknown(waiting));
    this.#session = undefined;
    this.#openSentAt = undefined;
    this.#opening += 1;
    for (const other of [...this.#waiting.values()].filter(({ sends }) => sends > 0)) {
      this.#forget(other);
      this.#reject(other, this.#unknown(other));
    }
    this.#unsent = new Map(this.#waiting);
    for (const other of this.#unsent.values()) other.encoded = undefined;
    this.#scheduleFlush();
  }

  #resolve(waiting: Waiting, outcome: Outcome): void {
    this.#parts.metrics.proposed("done", this.#parts.clock.now() - waiting.beganAt);
    waiting.span?.end({ attributes: { "atoll.raft.index": outcome.index } });
    waiting.resolve(outcome);
  }

  #reject(waiting: Waiting, error: RaftError): void {
    this.#parts.metrics.proposed(error.detail.code, this.#parts.clock.now() - waiting.beganAt);
    waiting.span?.end({ error: error.detail.code });
    waiting.reject(error);
  }

  #unknown(waiting: Waiting): RaftError {
    const detail = { code: "OUTCOME_UNKNOWN", waitedMs: this.#waitedMs(waiting) } as const;
    return new RaftError("proposed, but whether it was applied is not known", detail);
  }

  #waitedMs(waiting: Waiting): number {
    return Math.round(this.#parts.clock.now() - waiting.beganAt);
  }

  #forget(waiting: Waiting): void {
    waiting.cancelTimeout();
    this.#waiting.delete(waiting.sequence);
    this.#unsent.delete(waiting.sequence);
    this.#waitingBytes -= waiting.command.length;
  }
}

function overloaded(waitingBytes: number, waitingBytesMax: number): RaftError {
  return new RaftError("the leader has too much to do", { code: "OVERLOADED", waitingBytes, waitingBytesMax });
}
