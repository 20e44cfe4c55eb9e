/** Server-sent events out of a fetched body: EventSource can not send a token. */

const EVENT_LENGTH_MAX = 1024 * 1024;

/** @typedef {{ event: string, data: string, id: string }} ServerSentEvent */

/**
 * The events of a body, until it ends.
 *
 * @param {ReadableStream<Uint8Array>} body
 * @param {() => void} onLife - called whenever anything comes, heartbeats too
 * @returns {AsyncGenerator<ServerSentEvent>}
 */
export async function* eventsOf(body, onLife) {
  const reader = body.pipeThrough(/** @type {any} */ (new TextDecoderStream())).getReader();
  let rest = "";
  let id = "";
  let pending = { event: "message", data: /** @type {string[]} */ ([]) };
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      onLife();
      const lines = (rest + value).split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > EVENT_LENGTH_MAX) throw new Error("an event is too long");
      for (const line of lines) {
        const [, field = "", text = ""] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
        if (field === "event") pending.event = text;
        else if (field === "data") pending.data.push(text);
        else if (field === "id") id = text;
        else if (line === "") {
          if (pending.data.length > 0) yield { event: pending.event, data: pending.data.join("\n"), id };
          pending = { event: "message", data: [] };
        }
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
