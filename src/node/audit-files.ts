/**
 * The audit trail of a node: lines of JSON that are only ever appended, in files of bounded size and number.
 *
 * Changes and refusals lie apart, and refusals are kept at a bounded rate: whoever is refused a million times pushes no
 * change out of the trail, and fills no disk. Entries are written together every moment; what a crash takes with it is the last
 * of these moments.
 *
 *     audit/change.jsonl, change.1.jsonl (older), ...     audit/refusal.jsonl, refusal.1.jsonl, ...
 */

import { mkdirSync, readFileSync, statSync } from "node:fs";
import { appendFile, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { AUDIT_KINDS, type AuditEntry, type AuditKind, type AuditNote, type AuditTrail } from "../security/audit.ts";
import { type CancelTimer, type Clock, rfc3339 } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import { TokenBuckets } from "../util/token-buckets.ts";

export interface AuditFilesOptions {
  /** Of the node's data. */
  readonly dir: string;
  /** A file that is larger is put aside, and another one begun. */
  readonly bytesMax: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

const FILES_MAX = { change: 10, refusal: 2 } as const;
const FLUSH_MS = 100;
/** Entries that wait for a slow disk. */
const WAITING_MAX = 10_000;
const REFUSALS = { perSecond: 10, burst: 200 };
const OWNER_ONLY = { file: 0o600, folder: 0o700 };

export class AuditFiles implements AuditTrail {
  readonly #options: AuditFilesOptions;
  readonly #files: Record<AuditKind, RotatedFile>;
  readonly #refusals: TokenBuckets;
  #suppressed = 0;
  #cancelFlush: CancelTimer | undefined;
  #flushing: Promise<void> = Promise.resolve();

  /** @throws the system's error when the folder can not be made or read */
  constructor(options: AuditFilesOptions) {
    this.#options = options;
    mkdirSync(options.dir, { recursive: true, mode: OWNER_ONLY.folder });
    const fileOf = (kind: AuditKind) => new RotatedFile(options, kind);
    this.#files = { change: fileOf("change"), refusal: fileOf("refusal") };
    this.#refusals = new TokenBuckets({ clock: options.clock, ...REFUSALS });
  }

  note(note: AuditNote): void {
    const { clock, logger } = this.#options;
    if (note.kind === "refusal" && !this.#refusals.take("all", 1)) {
      this.#suppressed += 1;
      return;
    }
    const suppressed = note.kind === "refusal" ? this.#suppressed : 0;
    const at = rfc3339(clock.wallTime());
    const isTaken = this.#files[note.kind].add({ ...note, at, ...(suppressed > 0 && { suppressed }) });
    if (suppressed > 0) this.#suppressed = 0;
    if (!isTaken)
      logger.error({ code: "AUDIT_TRAIL_LOST", kind: note.kind }, "the disk is too slow for the audit trail");
    this.#cancelFlush ??= clock.schedule(FLUSH_MS, () => void this.flush());
  }

  async list(kind: AuditKind, page: { limit: number; before?: number }): Promise<readonly AuditEntry[]> {
    await this.flush();
    return this.#files[kind].read(page);
  }

  /** Resolves when everything noted so far is written, or was said to the log. */
  flush(): Promise<void> {
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    this.#flushing = this.#flushing.then(async () => {
      for (const kind of AUDIT_KINDS) {
        try {
          await this.#files[kind].write();
        } catch (error) {
          const reason = messageOf(error);
          this.#options.logger.error({ code: "AUDIT_TRAIL_LOST", kind, reason }, "entries of the audit trail are lost");
        }
      }
    });
    return this.#flushing;
  }
}

type Unnumbered = Omit<AuditEntry, "sequence">;

class RotatedFile {
  readonly #options: AuditFilesOptions;
  readonly #kind: AuditKind;
  #waiting: string[] = [];
  #bytes: number;
  #sequence: number;

  constructor(options: AuditFilesOptions, kind: AuditKind) {
    this.#options = options;
    this.#kind = kind;
    this.#bytes = statSync(this.#path(0), { throwIfNoEntry: false })?.size ?? 0;
    const newest = this.#bytes === 0 ? "" : readFileSync(this.#path(0), "utf8");
    this.#sequence = this.#lastSequence(newest);
    // What a crash cut off must not swallow the next entry.
    if (newest !== "" && !newest.endsWith("\n")) this.#waiting.push("\n");
  }

  /** @returns false when too much waits to be written already */
  add(entry: Unnumbered): boolean {
    if (this.#waiting.length >= WAITING_MAX) return false;
    this.#sequence += 1;
    this.#waiting.push(`${JSON.stringify({ sequence: this.#sequence, ...entry })}\n`);
    return true;
  }

  async write(): Promise<void> {
    if (this.#waiting.length === 0) return;
    const text = this.#waiting.join("");
    this.#waiting = [];
    if (this.#bytes > this.#options.bytesMax) await this.#rotate();
    await appendFile(this.#path(0), text, { mode: OWNER_ONLY.file });
    this.#bytes += Buffer.byteLength(text);
  }

  async read({ limit, before = Number.POSITIVE_INFINITY }: { limit: number; before?: number }): Promise<AuditEntry[]> {
    const found: AuditEntry[] = [];
    for (let age = 0; age < FILES_MAX[this.#kind] && found.length < limit; age++) {
      const lines = await readFile(this.#path(age), "utf8").catch(noneWhenMissing);
      // A crash may have put files aside, and begun none in their place.
      if (lines === undefined) continue;
      for (const line of lines.split("\n").reverse()) {
        const entry = entryIn(line);
        if (entry !== undefined && entry.sequence < before) found.push(entry);
        if (found.length === limit) break;
      }
    }
    return found;
  }

  async #rotate(): Promise<void> {
    const oldest = FILES_MAX[this.#kind] - 1;
    await rm(this.#path(oldest), { force: true });
    for (let age = oldest - 1; age >= 0; age--) {
      await rename(this.#path(age), this.#path(age + 1)).catch(noneWhenMissing);
    }
    this.#bytes = 0;
  }

  #path(age: number): string {
    return join(this.#options.dir, age === 0 ? `${this.#kind}.jsonl` : `${this.#kind}.${age}.jsonl`);
  }

  /** Goes on counting where the node stopped; a line that a crash cut off counts nothing. @param newest - the text of file 0 */
  #lastSequence(newest: string): number {
    let last = lastEntryIn(newest);
    for (let age = 1; last === undefined && age < FILES_MAX[this.#kind]; age++) {
      if (statSync(this.#path(age), { throwIfNoEntry: false }) === undefined) continue;
      last = lastEntryIn(readFileSync(this.#path(age), "utf8"));
    }
    return last?.sequence ?? 0;
  }
}

function lastEntryIn(text: string): AuditEntry | undefined {
  for (const line of text.split("\n").reverse()) {
    const entry = entryIn(line);
    if (entry !== undefined) return entry;
  }
  return undefined;
}

function entryIn(line: string): AuditEntry | undefined {
  if (line === "") return undefined;
  try {
    return JSON.parse(line) as AuditEntry;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function noneWhenMissing(error: unknown): undefined {
  if ((error as { code?: string }).code === "ENOENT") return undefined;
  throw error;
}
