/** The first view: how the federation is, at a glance. */

import { chart } from "./chart.js";
import { el, emptyState, name, pill, refill, table } from "./dom.js";
import { eventList } from "./event-list.js";
import { agentsEverywhere, federationMap, leaderOf, roleText } from "./federation-map.js";
import { count, counted, duration, rate } from "./format.js";

/** @import { Told, TrendSample } from "./answers.d.ts" */
/** @import { Page, View } from "./main.js" */
/** @import { Picture } from "./store.js" */

/** Agents come and go all the time, and must not hide the rest. */
const EVENTS_SHOWN = { ofAgents: 3, others: 6 };

/**
 * @param {Page} page
 * @returns {View}
 */
export function overview({ store }) {
  const tiles = el("div", { class: "tiles" });
  const map = el("div", {});
  const events = el("div", {});
  const trends = el("div", { class: "charts" });
  const nodes = el("div", {});
  const root = el(
    "div",
    { class: "overview" },
    el("h1", { class: "visually-hidden" }, "Overview"),
    tiles,
    el(
      "div",
      { class: "split" },
      el(
        "section",
        { class: "card", "aria-labelledby": "map-title" },
        el("h2", { id: "map-title" }, "Federation"),
        map,
      ),
      el(
        "section",
        { class: "card", "aria-labelledby": "events-title" },
        el(
          "div",
          { class: "card-head" },
          el("h2", { id: "events-title" }, "Latest events"),
          el("a", { href: "#/events" }, "All events"),
        ),
        events,
      ),
    ),
    el(
      "section",
      { class: "card", "aria-labelledby": "trends-title" },
      el("h2", { id: "trends-title" }, "The last hour of this node"),
      trends,
    ),
    el("section", { class: "card", "aria-labelledby": "nodes-title" }, el("h2", { id: "nodes-title" }, "Nodes"), nodes),
  );
  const drawMap = () => {
    if (store.picture !== null)
      refill(map, federationMap(store.picture, store.abroad, map.clientWidth || root.clientWidth));
  };
  const resized = new ResizeObserver(drawMap);
  resized.observe(map);
  return {
    title: "Overview",
    root,
    update(picture) {
      refill(tiles, tilesOf(picture));
      drawMap();
      refill(events, eventList(latest(store.events), Date.now()));
      refill(trends, trendsOf(store.trend, store.trendIntervalMs));
      refill(nodes, nodeTable(picture, store.abroad));
    },
    leave: () => resized.disconnect(),
  };
}

/**
 * @param {readonly Told[]} events - oldest first
 * @returns {Told[]} newest first
 */
function latest(events) {
  const ofAgents = events.filter(({ kind }) => kind === "agents").slice(-EVENTS_SHOWN.ofAgents);
  const others = events.filter(({ kind }) => kind !== "agents").slice(-EVENTS_SHOWN.others);
  const chosen = new Set([...ofAgents, ...others]);
  return events.filter((told) => chosen.has(told)).reverse();
}

/** @param {Picture} picture */
function tilesOf({ cluster, regions, nodes }) {
  const { healthy, unhealthy } = cluster.agents;
  const linkedRegions = regions.filter(({ link }) => link !== "away").length;
  const linkedNodes = nodes.filter(({ link }) => link !== "away").length;
  const lag = Math.max(0, cluster.commitIndex - cluster.appliedIndex);
  const own = regions.find(({ link }) => link === "self");
  return [
    tile(
      "Leader",
      cluster.leader === null ? "none" : name(cluster.leader, 24),
      `of ${cluster.region}, term ${count(cluster.term)}`,
      cluster.leader === null ? "bad" : "good",
    ),
    tile(
      "Regions",
      `${linkedRegions} of ${regions.length}`,
      linkedRegions === regions.length ? "all reachable" : "not all reachable",
      linkedRegions === regions.length ? "good" : "bad",
    ),
    tile(
      "Nodes",
      `${linkedNodes} of ${nodes.length}`,
      linkedNodes === nodes.length ? "all linked" : "not all linked",
      linkedNodes === nodes.length ? "good" : "warn",
    ),
    tile(
      "Healthy agents",
      count(healthy),
      unhealthy === 0 ? "in this region, all of them" : `in this region, ${count(unhealthy)} unhealthy`,
      unhealthy === 0 ? "good" : "warn",
    ),
    tile(
      "Agents everywhere",
      agentsEverywhere(regions),
      counted(own?.capabilities ?? 0, "capability here", "capabilities here"),
      "quiet",
    ),
    tile(
      "Lag",
      lag === 0 ? "none" : counted(lag, "revision"),
      `data at most ${duration(cluster.stalenessMs)} old`,
      lag === 0 ? "good" : "warn",
    ),
  ];
}

/**
 * @param {string} label
 * @param {import("./dom.js").Child} value
 * @param {string} about
 * @param {string} gravity
 */
function tile(label, value, about, gravity) {
  return el(
    "div",
    { class: `tile ${gravity}` },
    el("p", { class: "tile-label" }, label),
    el("p", { class: "tile-value" }, value),
    el("p", { class: "tile-about" }, about),
  );
}

/**
 * @param {readonly TrendSample[]} samples
 * @param {number} intervalMs
 */
function trendsOf(samples, intervalMs) {
  if (samples.length === 0) {
    return emptyState("No samples yet", `This node takes one every ${duration(intervalMs)}, from its start on.`);
  }
  const common = { intervalMs, nowMs: Math.max(Date.now(), samples.at(-1)?.atMs ?? 0) };
  const perSecond = (/** @type {number} */ value) => `${rate(value)}/s`;
  return [
    chart(samples, {
      ...common,
      title: "Healthy agents",
      about: "In this region.",
      read: (s) => s.healthyAgents,
      write: (v) => count(Math.round(v)),
    }),
    chart(samples, {
      ...common,
      title: "Lookups",
      about: "Answered by this node.",
      read: (s) => s.lookupsPerSecond,
      write: perSecond,
    }),
    chart(samples, {
      ...common,
      title: "Renewals",
      about: "Signs of life taken by this node.",
      read: (s) => s.renewalsPerSecond,
      write: perSecond,
    }),
    chart(samples, {
      ...common,
      title: "Writes",
      about: "What this node had the region write down.",
      read: (s) => s.writesPerSecond,
      write: perSecond,
    }),
    chart(samples, {
      ...common,
      title: "Latency, p99",
      about: "99 of 100 requests were answered within this.",
      read: (s) => s.p99Ms,
      write: duration,
    }),
    chart(samples, {
      ...common,
      title: "Lag",
      about: "Revisions that this node did not show yet.",
      read: (s) => s.lagRevisions,
      write: (v) => count(Math.round(v)),
    }),
  ];
}

/**
 * @param {Picture} picture
 * @param {import("./federation-map.js").Abroad} abroad
 */
function nodeTable({ nodes, cluster }, abroad) {
  const rows = nodes.map((node) => {
    const role = roleText(node, leaderOf(node.region, cluster, abroad));
    const kind = role === "leader" ? "accent" : node.link === "away" ? "bad" : "quiet";
    return [
      el("span", {}, name(node.name), node.link === "self" && el("span", { class: "hint" }, " this node")),
      name(node.region),
      pill(kind, role),
      node.link === "self"
        ? "—"
        : node.link === "away"
          ? "not linked"
          : node.roundTripMs === undefined
            ? "linked"
            : duration(node.roundTripMs),
      el("span", { class: "mono" }, name(node.http || "not known", 60)),
    ];
  });
  return table("All nodes known to this node", ["Node", "Region", "Role", "Round trip", "Address"], rows);
}
