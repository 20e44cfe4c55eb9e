/** Server-sent events out of a stream of text, as the HTML standard reads them. An event over the bound is an error. */

import { AtollClientError } from "./client-error.ts";

const EVENT_CHARS_MAX = 1024 * 1024;

export interface ServerSentEvent {
  /** `message` when the server named none. */
  readonly event: string;
  readonly data: string;
  /** Where to go on after this event; undefined when one would have to begin anew. */
  readonly id: string | undefined;
}

export class SseParser {
  /** The server's advice of how long to wait before coming back, in milliseconds. */
  retryMs: number | undefined;
  /** Where to go on; it moves on without an event, too. */
  lastEventId: string | undefined;
  #rest = "";
  #event = "";
  #data: string[] = [];
  #chars = 0;
  /** As it was last written; empty means to begin anew. */
  #id = "";

  /**
   * @returns the events that are complete with this piece
   * @throws AtollClientError UNEXPECTED_ANSWER
   */
  push(piece: string): ServerSentEvent[] {
    // A CR at the end may be the first half of CRLF.
    const text = this.#rest + piece;
    const end = text.endsWith("\r") ? text.length - 1 : text.length;
    const lines = text.slice(0, end).split(/\r\n|\n|\r/);
    this.#rest = (lines.pop() ?? "") + text.slice(end);
    const events = lines.flatMap((line) => this.#takeLine(line));
    if (this.#chars + this.#rest.length > EVENT_CHARS_MAX) {
      const message = `an event of more than ${EVENT_CHARS_MAX} characters. Is it the address of an Atoll node?`;
      throw new AtollClientError({ code: "UNEXPECTED_ANSWER", message });
    }
    return events;
  }

  #takeLine(line: string): ServerSentEvent[] {
    if (line === "") return this.#finishEvent();
    const [, field = "", value = ""] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
    this.#chars += value.length;
    if (field === "event") this.#event = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^\d{1,9}$/.test(value)) this.retryMs = Number(value);
    return [];
  }

  #finishEvent(): ServerSentEvent[] {
    this.lastEventId = this.#id || undefined;
    const finished = { event: this.#event || "message", data: this.#data.join("\n"), id: this.lastEventId };
    const hasData = this.#data.length > 0;
    this.#event = "";
    this.#data = [];
    this.#chars = 0;
    return hasData ? [finished] : [];
  }
}
