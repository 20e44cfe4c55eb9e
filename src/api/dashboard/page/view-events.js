/** Everything that the node saw happen, as it happens. */

import { el, refill } from "./dom.js";
import { eventList } from "./event-list.js";
import { EVENT_GROUPS } from "./event-words.js";

/** @import { Page, View } from "./main.js" */

/**
 * @param {Page} page
 * @returns {View}
 */
export function eventsView({ store }) {
  const chosen = new Set(EVENT_GROUPS.map(({ id }) => /** @type {string} */ (id)));
  const list = el("div", {});
  const boxes = EVENT_GROUPS.map(({ id, label }) =>
    el(
      "label",
      { class: "check" },
      el("input", {
        type: "checkbox",
        checked: true,
        onchange: (/** @type {Event} */ { target }) => {
          if (/** @type {HTMLInputElement} */ (target).checked) chosen.add(id);
          else chosen.delete(id);
          update();
        },
      }),
      label,
    ),
  );
  const update = () => {
    const kinds = new Set(
      EVENT_GROUPS.filter(({ id }) => chosen.has(id)).flatMap(
        (group) => /** @type {readonly string[]} */ (group.kinds),
      ),
    );
    refill(list, eventList(store.events.filter(({ kind }) => kinds.has(kind)).reverse(), Date.now()));
  };
  return {
    title: "Events",
    root: el(
      "section",
      { class: "card" },
      el("h1", {}, "Events"),
      el(
        "p",
        { class: "lead" },
        "As this node saw them, since it started. Agents that change within one second are told together.",
      ),
      el("fieldset", { class: "filters" }, el("legend", { class: "visually-hidden" }, "Show"), boxes),
      list,
    ),
    update,
  };
}
