/** What a region offers, and who offers it anywhere. */

import { chips, el, emptyState, healthPill, name, pill, refill, table } from "./dom.js";
import { counted, duration } from "./format.js";
import { nothingListed, pagedList } from "./paged-list.js";
import { problemNote } from "./problem-note.js";
import { agentLink } from "./view-agents.js";

/** @import { CapabilityAnswer, LookupAnswer } from "./answers.d.ts" */
/** @import { Page, View } from "./main.js" */

const WORDS_SHOWN = { shownMax: 4, lengthMax: 24 };
const FOUND_MAX = 200;

/**
 * @param {Page} page
 * @returns {View}
 */
export function capabilitiesView(page) {
  const list = pagedList({
    page,
    path: "v1/capabilities",
    placeholder: "Search by name",
    show: ({ capabilities }) => (capabilities.length === 0 ? null : capabilityTable(capabilities)),
    showNothing: (isSearching) =>
      nothingListed(isSearching, "No capabilities yet", "Agents bring them when they register."),
  });
  return {
    title: "Capabilities",
    root: el("section", { class: "card" }, el("h1", {}, "Capabilities"), list.root),
    update: list.update,
    leave: list.leave,
  };
}

/** @param {readonly CapabilityAnswer[]} capabilities */
function capabilityTable(capabilities) {
  const rows = capabilities.map(({ name: capability, healthy, total, versions, tags }) => [
    capabilityLink(capability),
    el(
      "span",
      { class: "share" },
      el("meter", { min: 0, max: Math.max(1, total), value: healthy, "aria-hidden": "true" }),
      `${healthy} of ${total}`,
    ),
    chips(versions, WORDS_SHOWN),
    chips(tags, WORDS_SHOWN),
  ]);
  return table("Capabilities of this region", ["Capability", "Healthy agents", "Versions", "Tags"], rows);
}

/** @param {string} capability */
export function capabilityLink(capability) {
  const href = `#/capabilities/${encodeURIComponent(capability)}`;
  return el("a", { href, "data-key": `capability ${capability}` }, name(capability, 60));
}

/**
 * Who offers it in all regions, and what each region answered.
 *
 * @param {Page} page
 * @param {string} capability
 * @returns {View}
 */
export function capabilityView({ connection }, capability) {
  const found = el("div", { "aria-busy": "true" }, el("p", { class: "loading" }, "Asking every region …"));
  const control = new AbortController();
  const ask = async () => {
    const query = new URLSearchParams({ capability, health: "any", limit: String(FOUND_MAX) });
    try {
      refill(found, foundTable(await connection.get(`v1/lookup?${query}`, control.signal)));
    } catch (error) {
      if (!control.signal.aborted) refill(found, problemNote(/** @type {Error} */ (error)));
    }
    found.setAttribute("aria-busy", "false");
  };
  let isBegun = false;
  return {
    title: "Capability",
    root: el(
      "section",
      { class: "card" },
      el("p", { class: "crumbs" }, el("a", { href: "#/capabilities" }, "Capabilities")),
      el("h1", {}, name(capability, 120)),
      el("p", { class: "lead" }, "Who offers it, in every region: what a lookup answers, unhealthy agents included."),
      found,
    ),
    update() {
      if (isBegun) return;
      isBegun = true;
      void ask();
    },
    leave: () => control.abort(),
  };
}

/** @param {LookupAnswer} answer */
function foundTable({ agents, regions, complete }) {
  const parts = regions.map(({ region, source, agents: amount, stalenessMs, error }) =>
    el(
      "li",
      {},
      pill(error === undefined ? "good" : "bad", source === "none" && error === undefined ? "ruled out" : source),
      " ",
      name(region),
      error === undefined ? `: ${counted(amount, "agent")}, ${duration(stalenessMs)} old` : `: ${error.code}`,
    ),
  );
  const rows = agents.map((agent) => [
    agentLink(agent),
    name(agent.region),
    healthPill(agent.health),
    name(agent.version, 30),
    chips(agent.tags, WORDS_SHOWN),
    el("span", { class: "mono" }, name(agent.endpoint, 60)),
  ]);
  return el(
    "div",
    {},
    el("ul", { class: "parts" }, parts),
    !complete && el("p", { class: "note warn" }, "A region that may have more did not answer."),
    rows.length === 0
      ? emptyState(
          "Nobody offers it",
          complete ? "Every region was asked, or its summary rules it out." : "As far as regions answered.",
        )
      : table("Who offers it, best first", ["Agent", "Region", "Health", "Version", "Tags", "Endpoint"], rows),
  );
}
