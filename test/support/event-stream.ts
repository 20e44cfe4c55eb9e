/** Reads server-sent events as browsers do (WHATWG HTML, "Interpreting an event stream"). */

export interface ServerSentEvent {
  readonly event: string;
  readonly data: string;
  /** The last id that was told when the event came, whether with it or before. */
  readonly lastEventId: string;
}

export class EventStreamReader {
  readonly events: ServerSentEvent[] = [];
  /** Lines that mean nothing to a browser. */
  readonly comments: string[] = [];
  retryMs: number | undefined;
  lastEventId = "";
  #rest = "";
  #event = "";
  #data: string[] = [];

  push(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#take(line);
  }

  #take(line: string): void {
    if (line === "") return this.#dispatch();
    const [, field = "", value = ""] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (field === "") this.comments.push(value);
    if (field === "event") this.#event = value;
    if (field === "data") this.#data.push(value);
    if (field === "id") this.lastEventId = value;
    if (field === "retry") this.retryMs = Number(value);
  }

  #dispatch(): void {
    if (this.#data.length > 0) {
      this.events.push({ event: this.#event, data: this.#data.join("\n"), lastEventId: this.lastEventId });
    }
    this.#event = "";
    this.#data = [];
  }
}
