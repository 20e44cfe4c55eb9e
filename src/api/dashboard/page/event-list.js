/** Events, newest first. */

import { el, emptyState } from "./dom.js";
import { inWords } from "./event-words.js";
import { ago, isoTime, timeOf } from "./format.js";

/** @import { Told } from "./answers.d.ts" */

/**
 * @param {readonly Told[]} events - newest first
 * @param {number} nowMs
 */
export function eventList(events, nowMs) {
  if (events.length === 0) {
    return emptyState("Nothing happened yet", "Leaders, members, regions and agents are told here as they change.");
  }
  return el(
    "ol",
    { class: "events" },
    events.map((told) => {
      const { gravity, words } = inWords(told);
      return el(
        "li",
        { class: gravity, "data-kind": told.kind },
        el("span", { class: "event-words" }, words),
        el("time", { datetime: isoTime(told.atMs), title: ago(told.atMs, nowMs) }, timeOf(told.atMs, nowMs)),
      );
    }),
  );
}
