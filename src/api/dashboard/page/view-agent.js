/** One agent: what it says of itself, how it fared, whom it needs, who needs it. */

import { chips, el, emptyState, healthPill, name, pill, refill, svg, table, wholeText } from "./dom.js";
import { ago, duration, isoTime, timeOf } from "./format.js";
import { problemNote } from "./problem-note.js";
import { agentLink } from "./view-agents.js";
import { capabilityLink } from "./view-capabilities.js";

/** @import { AgentAnswer, RelationsAnswer } from "./answers.d.ts" */
/** @import { Page, View } from "./main.js" */

const REFRESH_MS = 5_000;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const TEXT_SHOWN = 160;

/**
 * @param {Page} page
 * @param {string} region
 * @param {string} id
 * @returns {View}
 */
export function agentView({ connection, store }, region, id) {
  const body = el("div", {}, el("p", { class: "loading" }, "Asking …"));
  const control = new AbortController();
  let shown = "";
  const ask = async () => {
    const path = `v1/agents/${encodeURIComponent(id)}`;
    try {
      const agent = await connection.getIn(region, path, control.signal);
      const relations = await connection.getIn(region, `${path}/relations`, control.signal);
      // What somebody unfolded stays unfolded while nothing is new.
      const state = JSON.stringify([{ ...agent, lastSeenMs: 0 }, relations]);
      if (state === shown) refill(lastSeenOf(body), ago(agent.lastSeenMs, Date.now()));
      else refill(body, agentBody(agent, relations));
      shown = state;
    } catch (error) {
      shown = "";
      if (!control.signal.aborted) refill(body, problemNote(/** @type {Error} */ (error)));
    }
  };
  const refreshing = window.setInterval(() => {
    if (!document.hidden && store.picture !== null) void ask();
  }, REFRESH_MS);
  let isBegun = false;
  return {
    title: "Agent",
    root: el(
      "div",
      { class: "agent" },
      el("p", { class: "crumbs" }, el("a", { href: "#/agents" }, "Agents"), " / ", name(region)),
      el("h1", {}, name(id, 120)),
      body,
    ),
    update() {
      if (isBegun) return;
      isBegun = true;
      void ask();
    },
    leave() {
      clearInterval(refreshing);
      control.abort();
    },
  };
}

/** @param {HTMLElement} body */
function lastSeenOf(body) {
  return body.querySelector(".last-seen") ?? body;
}

/**
 * @param {AgentAnswer} agent
 * @param {RelationsAnswer} relations
 */
function agentBody(agent, relations) {
  return el(
    "div",
    { class: "agent-body" },
    el("section", { class: "card", "aria-label": "What it is" }, facts(agent)),
    el(
      "section",
      { class: "card", "aria-labelledby": "health-title" },
      el("h2", { id: "health-title" }, "Health"),
      healthTrend(agent, relations),
    ),
    el(
      "section",
      { class: "card", "aria-labelledby": "offers-title" },
      el("h2", { id: "offers-title" }, "Offers"),
      offers(agent),
    ),
    el(
      "section",
      { class: "card", "aria-labelledby": "needs-title" },
      el("h2", { id: "needs-title" }, "Depends on"),
      needs(relations),
    ),
    el(
      "section",
      { class: "card", "aria-labelledby": "needed-title" },
      el("h2", { id: "needed-title" }, "Who depends on it"),
      neededBy(agent, relations),
    ),
    el(
      "section",
      { class: "card", "aria-labelledby": "more-title" },
      el("h2", { id: "more-title" }, "Labels and metadata"),
      more(agent),
    ),
  );
}

/** @param {AgentAnswer} agent */
function facts(agent) {
  const nowMs = Date.now();
  const rows = [
    [
      "Health",
      el("span", {}, healthPill(agent.health), agent.unhealthyReason !== undefined && ` ${agent.unhealthyReason}`),
    ],
    ["Endpoint", el("span", { class: "mono" }, wholeText(agent.endpoint, TEXT_SHOWN))],
    ["Name", wholeText(agent.name, TEXT_SHOWN)],
    ["Last seen", el("span", { class: "last-seen" }, ago(agent.lastSeenMs, nowMs))],
    ["Lease", `${duration(agent.leaseMs)}, incarnation ${agent.incarnation}`],
    ["Registered", el("time", { datetime: isoTime(agent.registeredAtMs) }, timeOf(agent.registeredAtMs, nowMs))],
    ["Changed", `${timeOf(agent.changedAtMs, nowMs)}, revision ${agent.revision}`],
    ["Namespace", name(agent.namespace)],
    ["Zone", name(agent.zone ?? "—")],
    ["Type", `${agent.type}, ${agent.runtime}`],
    ["Version", wholeText(agent.version || "—")],
    ["Description", wholeText(agent.description || "—", TEXT_SHOWN)],
  ];
  return el(
    "dl",
    { class: "facts" },
    rows.flatMap(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value))),
  );
}

/** @param {AgentAnswer} agent */
function offers({ capabilities }) {
  if (capabilities.length === 0) return emptyState("It offers nothing");
  const rows = capabilities.map(({ name: capability, functionName, version, tags, description }) => [
    capabilityLink(capability),
    functionName === capability ? "—" : name(functionName, 60),
    name(version, 30),
    chips(tags),
    wholeText(description || "—", TEXT_SHOWN),
  ]);
  return table("What it offers", ["Capability", "Function", "Version", "Tags", "Description"], rows);
}

/** @param {RelationsAnswer} relations */
function needs({ dependsOn }) {
  if (dependsOn.length === 0) return emptyState("It needs nobody");
  const rows = dependsOn.map(({ functionName, capability, version, tags, required, provider }) => [
    capabilityLink(capability),
    name([version, ...tags.map((tag) => [tag].flat().join(" or "))].filter(Boolean).join(", ") || "any", 60),
    name(functionName, 60),
    provider === undefined
      ? pill(required ? "bad" : "warn", required ? "nobody known here, required" : "nobody known here")
      : el("span", {}, agentLink(provider), el("span", { class: "hint" }, " ", name(provider.region))),
  ]);
  return table("Whom it depends on", ["Capability", "Asked for", "By its function", "Served by"], rows);
}

/**
 * @param {AgentAnswer} agent
 * @param {RelationsAnswer} relations
 */
function neededBy({ region }, { dependents, hasMoreDependents }) {
  if (dependents.length === 0) return emptyState("Nobody in its region needs it");
  const rows = dependents.map(({ id, health, capability, required, isServed }) => [
    agentLink({ id, region }),
    healthPill(health),
    name(capability, 60),
    required ? "required" : "optional",
    isServed ? pill("good", "served by it now") : pill("quiet", "served by another"),
  ]);
  return el(
    "div",
    {},
    table("Who depends on it", ["Agent", "Health", "Capability", "Need", "Now"], rows),
    hasMoreDependents && el("p", { class: "hint" }, "There are more; the first hundred are shown."),
  );
}

/** @param {AgentAnswer} agent */
function more({ labels, metadata }) {
  const entries = [
    ...Object.entries(labels),
    ...Object.entries(metadata).map(([key, value]) => [
      key,
      typeof value === "string" ? value : JSON.stringify(value, null, 2),
    ]),
  ];
  if (entries.length === 0) return emptyState("None");
  return el(
    "dl",
    { class: "facts" },
    entries.map(([key, value]) =>
      el("div", {}, el("dt", {}, name(key, 60)), el("dd", {}, wholeText(value, TEXT_SHOWN))),
    ),
  );
}

// -------------------------------------------------------------------- health

const EVENT_WORDS = /** @type {Record<string, string>} */ ({
  register: "registered, or came back",
  unregister: "left",
  unhealthy: "fell silent",
  rotate: "was told to ask anew",
  dependency_resolved: "found what it needs",
  dependency_unresolved: "lost what it needs",
});
const TURNS = /** @type {Record<string, "healthy" | "unhealthy">} */ ({
  register: "healthy",
  unhealthy: "unhealthy",
  unregister: "unhealthy",
});

/**
 * When it was healthy, as far as the region's events reach back.
 *
 * @param {AgentAnswer} agent
 * @param {RelationsAnswer} relations
 */
function healthTrend(agent, { events }) {
  const nowMs = Date.now();
  const turns = events
    .flatMap(({ type, atMs }) => (TURNS[type] === undefined ? [] : [{ atMs, health: TURNS[type] }]))
    .sort((a, b) => a.atMs - b.atMs);
  const oldestMs = turns[0]?.atMs ?? agent.registeredAtMs;
  const fromMs = Math.max(nowMs - DAY_MS, Math.min(oldestMs, nowMs - HOUR_MS / 4));
  const x = (/** @type {number} */ atMs) => (1_000 * (Math.max(atMs, fromMs) - fromMs)) / (nowMs - fromMs);
  const spans = turns
    .map((turn, i) => ({ ...turn, endMs: turns[i + 1]?.atMs ?? nowMs }))
    .filter(({ endMs }) => endMs > fromMs);
  const falls = turns.filter(({ health }) => health === "unhealthy").length;
  const said =
    falls === 0
      ? "It never fell silent, as far as is known."
      : `It fell silent ${falls === 1 ? "once" : `${falls} times`}, as far as is known.`;
  return el(
    "div",
    { class: "health" },
    svg(
      "svg",
      { viewBox: "0 0 1000 24", preserveAspectRatio: "none", role: "img", "aria-label": said },
      svg("rect", { class: "unknown", x: 0, y: 0, width: 1_000, height: 24 }),
      spans.map(({ atMs, endMs, health }) =>
        svg(
          "rect",
          { class: health, x: x(atMs), y: 0, width: Math.max(2, x(endMs) - x(atMs)), height: 24 },
          svg("title", {}, `${health} from ${timeOf(atMs, nowMs)}`),
        ),
      ),
    ),
    el("div", { class: "chart-axis" }, el("span", {}, timeOf(fromMs, nowMs)), el("span", {}, "now")),
    el("p", { class: "hint" }, said),
    el(
      "ol",
      { class: "events" },
      events
        .slice(0, 8)
        .map(({ type, atMs, functionName }) =>
          el(
            "li",
            { class: type === "register" || type === "dependency_resolved" ? "good" : "warn" },
            el(
              "span",
              {},
              EVENT_WORDS[type] ?? name(type),
              functionName !== undefined && [" for ", name(functionName, 60)],
            ),
            el("time", { datetime: isoTime(atMs) }, timeOf(atMs, nowMs)),
          ),
        ),
    ),
  );
}
