/**
 * The federation as a sea with atolls: each region a ring, each node a place on it, each link as long as it looks.
 *
 * The picture is for eyes; the table of nodes below it says the same to everybody.
 */

import { el, svg } from "./dom.js";
import { count, counted, duration, shorten, visible } from "./format.js";

/** @import { ClusterAnswer, NodeAnswer, RegionAnswer } from "./answers.d.ts" */
/** @import { Picture } from "./store.js" */

const RING = 74;
const NODE = 9;
const LABEL_LENGTH_MAX = 22;
const WIDE = { width: 860, rowHeight: 370 };
const NARROW = { width: 400, rowHeight: 310 };
const NARROW_BELOW_PX = 620;

/** @typedef {{ x: number, y: number }} Point */
/** @typedef {Map<string, { cluster: ClusterAnswer, regions: readonly RegionAnswer[] }>} Abroad */

/**
 * @param {Picture} picture
 * @param {Abroad} abroad
 * @param {number} widthPx - of the place that it is for
 */
export function federationMap({ regions, nodes, cluster }, abroad, widthPx) {
  const isNarrow = widthPx < NARROW_BELOW_PX;
  const places = isNarrow ? stacked(regions.length) : aroundCentre(regions.length);
  const { width, height } = places;
  const at = new Map(regions.map(({ region }, i) => [region, places.points[i] ?? { x: 0, y: 0 }]));
  const leaderIn = (/** @type {string} */ region) => leaderOf(region, cluster, abroad);
  return el(
    "div",
    { class: "map" },
    svg(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": describe(regions, leaderIn) },
      linksOf(regions, abroad).map((link) => drawLink(link, at)),
      regions.map((region) =>
        drawRegion(
          region,
          nodes.filter((node) => node.region === region.region),
          {
            centre: at.get(region.region) ?? { x: 0, y: 0 },
            leader: leaderIn(region.region),
            middle: width / 2,
          },
        ),
      ),
    ),
    legend(),
  );
}

/**
 * Null where nobody said: of another region only its own nodes do.
 *
 * @param {string} region
 * @param {ClusterAnswer} own
 * @param {Abroad} abroad
 */
export function leaderOf(region, own, abroad) {
  return region === own.region ? own.leader : (abroad.get(region)?.cluster.leader ?? null);
}

/**
 * @param {readonly RegionAnswer[]} regions
 * @param {(region: string) => string | null} leaderIn
 */
function describe(regions, leaderIn) {
  const said = regions.map((region) => {
    const leader = leaderIn(region.region);
    const lead = leader === null ? "leader not known here" : `led by ${visible(leader)}`;
    return `${visible(region.region)}: ${counted(region.nodes.length, "node")}, ${lead}`;
  });
  return `Federation of ${counted(regions.length, "region")}. ${said.join("; ")}`;
}

// -------------------------------------------------------------------- where things are

/** @param {number} amount */
function stacked(amount) {
  const { width, rowHeight } = NARROW;
  const points = Array.from({ length: amount }, (_, i) => ({ x: width / 2, y: rowHeight * (i + 0.5) }));
  return { width, height: rowHeight * Math.max(1, amount), points };
}

/** @param {number} amount */
function aroundCentre(amount) {
  const { width, rowHeight } = WIDE;
  const height = amount <= 2 ? rowHeight : rowHeight + 200 * Math.ceil((amount - 1) / 2);
  const centre = { x: width / 2, y: height / 2 };
  if (amount <= 1) return { width, height, points: [centre] };
  const radius = { x: width / 2 - 210, y: height / 2 - 165 };
  const points = Array.from({ length: amount }, (_, i) => {
    const angle = Math.PI + (2 * Math.PI * i) / amount;
    return { x: centre.x + radius.x * Math.cos(angle), y: centre.y + radius.y * Math.sin(angle) };
  });
  return { width, height, points };
}

// -------------------------------------------------------------------- links

/** @typedef {{ from: string, to: string, state: "good" | "warn" | "bad", label: string, title: string }} Link */

/**
 * Each pair once: as this node measured it, or as a node there did.
 *
 * @param {readonly RegionAnswer[]} regions
 * @param {Abroad} abroad
 * @returns {Link[]}
 */
function linksOf(regions, abroad) {
  const [home, ...others] = regions;
  if (home === undefined) return [];
  const names = new Set(regions.map(({ region }) => region));
  const links = others.map((other) => linkTo(home.region, other));
  const seen = new Set(links.map(({ from, to }) => pairOf(from, to)));
  for (const [from, { regions: theirs }] of abroad) {
    for (const other of theirs) {
      if (other.link === "self" || !names.has(other.region) || seen.has(pairOf(from, other.region))) continue;
      seen.add(pairOf(from, other.region));
      links.push(linkTo(from, other));
    }
  }
  return links;
}

/**
 * @param {string} from
 * @param {RegionAnswer} other
 * @returns {Link}
 */
function linkTo(from, { region, link, roundTripMs, inSync, lagRevisions, stalenessMs, breaker, distrust }) {
  const title = [
    `${visible(from)} to ${visible(region)}`,
    `summary ${inSync ? "in sync" : `behind by ${counted(lagRevisions, "revision")}`}, ${duration(stalenessMs)} old`,
    breaker !== undefined && breaker !== "closed"
      ? `lookups there are ${breaker === "open" ? "not sent" : "tried"}`
      : "",
    distrust === undefined ? "" : `not believed: ${visible(distrust)}`,
  ];
  const common = { from, to: region, title: title.filter(Boolean).join(". ") };
  if (link === "away") return { ...common, state: "bad", label: "away" };
  const distance = roundTripMs === undefined ? "linked" : duration(roundTripMs);
  const isWell = inSync && distrust === undefined && (breaker ?? "closed") === "closed";
  return { ...common, state: isWell ? "good" : "warn", label: isWell ? distance : `${distance}, catching up` };
}

/**
 * @param {string} a
 * @param {string} b
 */
function pairOf(a, b) {
  return JSON.stringify([a, b].sort());
}

/**
 * @param {Link} link
 * @param {ReadonlyMap<string, Point>} at
 */
function drawLink({ from, to, state, label, title }, at) {
  const a = at.get(from);
  const b = at.get(to);
  if (a === undefined || b === undefined) return null;
  const isUpright = Math.abs(a.x - b.x) < 1;
  const middle = { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  // Bent aside a little, so that three in a row do not hide each other.
  const length = Math.hypot(b.x - a.x, b.y - a.y);
  const bend = isUpright && length > NARROW.rowHeight * 1.5 ? 150 : 0;
  const label0 = { x: middle.x + bend / 2, y: middle.y };
  const width = 22 + 7.2 * label.length;
  return svg(
    "g",
    { class: `link ${state}` },
    svg("title", {}, title),
    svg("path", { d: `M${a.x} ${a.y} Q${middle.x + bend} ${middle.y} ${b.x} ${b.y}` }),
    svg("rect", { x: label0.x - width / 2, y: label0.y - 13, width, height: 26, rx: 13 }),
    svg("text", { x: label0.x, y: label0.y + 4.5 }, label),
  );
}

// -------------------------------------------------------------------- regions

/**
 * @param {RegionAnswer} region
 * @param {readonly NodeAnswer[]} nodes
 * @param {{ centre: Point, leader: string | null, middle: number }} place
 */
function drawRegion(region, nodes, { centre, leader, middle }) {
  const { region: name, link, agents, lagRevisions, stalenessMs } = region;
  const lag = lagRevisions > 0 ? `${counted(lagRevisions, "revision")} behind` : `${duration(stalenessMs)} old`;
  // The first node looks away from the middle, where links come from.
  const first = centre.x <= middle ? Math.PI : 0;
  return svg(
    "g",
    { class: `region ${link}`, "data-region": name },
    svg("circle", { class: "reef", cx: centre.x, cy: centre.y, r: RING + 15 }),
    svg("circle", { class: "lagoon", cx: centre.x, cy: centre.y, r: RING - 8 }),
    svg(
      "text",
      { class: "region-name", x: centre.x, y: centre.y - 9 },
      svg("title", {}, visible(name)),
      label(name, 14),
    ),
    svg("text", { class: "region-fact", x: centre.x, y: centre.y + 11 }, counted(agents, "agent")),
    svg("text", { class: "region-fact", x: centre.x, y: centre.y + 28 }, lag),
    nodes.map((node, i) =>
      drawNode(
        node,
        centre,
        first + (2 * Math.PI * (i + (nodes.length > 1 ? 0 : 0.5))) / Math.max(1, nodes.length),
        leader,
      ),
    ),
  );
}

/**
 * @param {NodeAnswer} node
 * @param {Point} centre
 * @param {number} angle
 * @param {string | null} leader
 */
function drawNode(node, centre, angle, leader) {
  const role = node.name === leader ? "leader" : node.role === "leader" ? "follower" : node.role;
  const point = (/** @type {number} */ radius) => ({
    x: centre.x + radius * Math.cos(angle),
    y: centre.y + radius * Math.sin(angle),
  });
  const at = point(RING + 3);
  const text = point(RING + 34);
  const side = Math.cos(angle);
  const anchor = side > 0.3 ? "starts" : side < -0.3 ? "ends" : "centred";
  const nudge = anchor === "centred" ? 0 : -14 * Math.sign(side);
  const lift = anchor === "centred" ? 8 * Math.sign(Math.sin(angle)) : 9 * Math.sin(angle) - 2;
  return svg(
    "g",
    { class: `node ${role} ${node.link}`, "data-node": node.name },
    svg("title", {}, `${visible(node.name)}: ${roleText(node, leader)}`),
    node.link === "self" && svg("circle", { class: "here", cx: at.x, cy: at.y, r: NODE + 5 }),
    svg("circle", { class: "dot", cx: at.x, cy: at.y, r: role === "leader" ? NODE + 2 : NODE }),
    role === "leader" && svg("path", { class: "star", d: star(at, NODE - 1) }),
    node.link === "away" && svg("path", { class: "cross", d: `M${at.x - 4} ${at.y - 4}l8 8m0 -8l-8 8` }),
    svg("text", { x: text.x + nudge, y: text.y + lift, class: anchor }, label(node.name, LABEL_LENGTH_MAX)),
    svg("text", { class: `node-fact ${anchor}`, x: text.x + nudge, y: text.y + lift + 15 }, factOf(node, role)),
  );
}

/**
 * @param {NodeAnswer} node
 * @param {string} role
 */
function factOf({ link, roundTripMs }, role) {
  if (link === "away") return "away";
  const said = [role === "leader" ? "leader" : "", link === "self" ? "this node" : ""];
  if (link === "connected" && roundTripMs !== undefined) said.push(duration(roundTripMs));
  return said.filter(Boolean).join(" · ");
}

/**
 * @param {NodeAnswer} node
 * @param {string | null} leader
 */
export function roleText(node, leader) {
  if (node.name === leader) return "leader";
  if (node.link === "away") return "away";
  if (node.role === "unknown") return leader === null ? "not told here" : "follower";
  return node.role === "leader" ? "follower" : node.role;
}

/**
 * @param {Point} centre
 * @param {number} radius
 */
function star({ x, y }, radius) {
  const corners = Array.from({ length: 10 }, (_, i) => {
    const angle = -Math.PI / 2 + (Math.PI * i) / 5;
    const r = i % 2 === 0 ? radius : radius * 0.45;
    return `${(x + r * Math.cos(angle)).toFixed(2)} ${(y + r * Math.sin(angle)).toFixed(2)}`;
  });
  return `M${corners.join("L")}Z`;
}

/**
 * @param {string} text
 * @param {number} lengthMax
 */
function label(text, lengthMax) {
  return shorten(visible(text), lengthMax);
}

function legend() {
  const item = (/** @type {string} */ kind, /** @type {string} */ text) =>
    el("li", {}, el("span", { class: `mark ${kind}`, "aria-hidden": "true" }), text);
  return el(
    "ul",
    { class: "legend" },
    item("leader", "leader"),
    item("follower", "linked"),
    item("here", "this node"),
    item("away", "away"),
    item("line", "round trip between regions"),
  );
}

/** @param {readonly RegionAnswer[]} regions */
export function agentsEverywhere(regions) {
  return count(regions.reduce((sum, { agents }) => sum + agents, 0));
}
