/** What happened in a world, for whoever has to find out why it failed: the last events in words, and a hash of them all. */

import type { RaftEvent } from "../../src/raft/core/step.ts";
import type { RaftMessage } from "../../src/types/raft.ts";

const LENGTH = 200;

interface Happening {
  readonly at: number;
  readonly who: string;
  readonly what: string | RaftEvent;
}

export class Story {
  readonly #happenings: Happening[] = [];
  #count = 0;
  #hash = 0x811c9dc5;

  /** Equal for equal runs. */
  get hash(): number {
    return this.#hash;
  }

  /** The last things that happened, oldest first. */
  get lines(): string[] {
    const from = Math.max(0, this.#count - LENGTH);
    const numbers = Array.from({ length: this.#count - from }, (_, i) => from + i);
    return numbers.map((number) => tell(this.#happenings[number % LENGTH]!));
  }

  note(at: number, who: string, what: string | RaftEvent): void {
    this.#happenings[this.#count++ % LENGTH] = { at, who, what };
  }

  mix(value: number): void {
    this.#hash = Math.imul(this.#hash ^ value, 0x01000193) >>> 0;
  }
}

/** Heartbeats and ticks would leave no room for anything else. */
export function isWorthTelling(event: RaftEvent): boolean {
  if (event.type !== "message") return event.type !== "tick";
  return event.message.type !== "heartbeat" && event.message.type !== "heartbeatResponse";
}

function tell({ at, who, what }: Happening): string {
  return `${at.toFixed(2).padStart(10)} ${who} ${typeof what === "string" ? what : `takes ${tellEvent(what)}`}`;
}

function tellEvent(event: RaftEvent): string {
  if (event.type === "message") return tellMessage(event.message);
  if (event.type === "propose") return `${event.commands.length} proposals`;
  const { now: _, ...rest } = event;
  return JSON.stringify(rest);
}

function tellMessage(message: RaftMessage): string {
  const { type, from, to: _, term, ...rest } = message;
  const entries = message.type === "append" && {
    entries: message.entries.map((entry) => `${entry.index}(${entry.term})`).join(" "),
  };
  return `${type} of ${from} in term ${term} ${JSON.stringify({ ...rest, ...entries })}`;
}
