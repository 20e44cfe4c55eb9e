/** All agents of a region, page by page. */

import { chips, el, healthPill, name, table } from "./dom.js";
import { ago } from "./format.js";
import { nothingListed, pagedList } from "./paged-list.js";

/** @import { AgentAnswer } from "./answers.d.ts" */
/** @import { Page, View } from "./main.js" */

const CAPABILITIES_SHOWN = 3;

/**
 * @param {Page} page
 * @returns {View}
 */
export function agentsView(page) {
  const list = pagedList({
    page,
    path: "v1/agents",
    placeholder: "Search by id, name or endpoint",
    filters: [
      {
        name: "health",
        label: "Health",
        choices: [
          ["", "Any health"],
          ["healthy", "Healthy"],
          ["unhealthy", "Unhealthy"],
        ],
      },
    ],
    show: ({ agents }) => (agents.length === 0 ? null : agentTable(agents)),
    showNothing: (isSearching) =>
      nothingListed(isSearching, "No agents yet", "They appear here as soon as they register: PUT /v1/agents/{id}."),
  });
  return {
    title: "Agents",
    root: el("section", { class: "card" }, el("h1", {}, "Agents"), list.root),
    update: list.update,
    leave: list.leave,
  };
}

/** @param {readonly AgentAnswer[]} agents */
function agentTable(agents) {
  const nowMs = Date.now();
  const rows = agents.map((agent) => [
    el(
      "span",
      { class: "agent-name" },
      agentLink(agent),
      agent.name !== agent.id && el("span", { class: "hint" }, name(agent.name, 60)),
    ),
    healthPill(agent.health),
    capabilitiesOf(agent),
    el("span", { class: "mono" }, name(agent.endpoint, 60)),
    name(agent.version || "—", 30),
    el("span", { class: "nowrap" }, ago(agent.lastSeenMs, nowMs)),
  ]);
  return table("Agents of this region", ["Agent", "Health", "Capabilities", "Endpoint", "Version", "Last seen"], rows);
}

/** @param {Pick<AgentAnswer, "id" | "region">} agent */
export function agentLink({ id, region }) {
  const href = `#/agents/${encodeURIComponent(region)}/${encodeURIComponent(id)}`;
  return el("a", { href, "data-key": `agent ${region} ${id}` }, name(id, 60));
}

/** @param {AgentAnswer} agent */
function capabilitiesOf({ capabilities }) {
  const names = [...new Set(capabilities.map((capability) => capability.name))];
  return chips(names, { shownMax: CAPABILITIES_SHOWN, none: "none" });
}
