/** The page: which view is shown, what the top says, and who is told aloud. */

import { Connection, Unreachable } from "./connection.js";
import { byId, el, name, refill } from "./dom.js";
import { inWords } from "./event-words.js";
import { visible } from "./format.js";
import { Store } from "./store.js";
import { startThemeButton } from "./theme-button.js";
import { startTokenDialog } from "./token-dialog.js";
import { agentView } from "./view-agent.js";
import { agentsView } from "./view-agents.js";
import { capabilitiesView, capabilityView } from "./view-capabilities.js";
import { eventsView } from "./view-events.js";
import { overview } from "./view-overview.js";

/** @import { Told } from "./answers.d.ts" */
/** @import { Picture } from "./store.js" */

/** @typedef {{ connection: Connection, store: Store }} Page */
/**
 * Updated once there is a picture, and whenever anything is new.
 *
 * @typedef {{ title: string, root: HTMLElement, update: (picture: Picture) => void, leave?: () => void }} View
 */

const LINK_TEXTS = {
  loading: "Connecting",
  live: "Live",
  moving: "Finding another node",
  offline: "No node answers",
  unauthorized: "Token needed",
};
/** Agents come and go too often to be read out. */
const SAID_ALOUD = new Set(["leader", "region", "readiness", "moved"]);
const NEWS_MS = 10_000;

const connection = new Connection();
const store = new Store(connection);
const page = { connection, store };
const main = byId("main");
const picker = /** @type {HTMLSelectElement} */ (byId("node-picker"));
/** @type {View} */
let view = { title: "", root: main, update: () => undefined };
let isDrawDue = false;

/**
 * @param {string} hash
 * @returns {{ section: string, view: View }}
 */
function viewFor(hash) {
  const [section = "", ...rest] = hash.replace(/^#\/?/, "").split("/").map(decoded);
  if (section === "agents" && rest.length === 2)
    return { section, view: agentView(page, rest[0] ?? "", rest[1] ?? "") };
  if (section === "agents") return { section, view: agentsView(page) };
  if (section === "capabilities" && rest.length === 1) return { section, view: capabilityView(page, rest[0] ?? "") };
  if (section === "capabilities") return { section, view: capabilitiesView(page) };
  if (section === "events") return { section, view: eventsView(page) };
  return { section: "overview", view: overview(page) };
}

/** @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function navigate() {
  view.leave?.();
  const next = viewFor(location.hash);
  view = next.view;
  document.title = `${view.title} · Atoll`;
  for (const tab of document.querySelectorAll(".tabs a")) {
    if (!(tab instanceof HTMLElement)) continue;
    if (tab.dataset.section === next.section) tab.setAttribute("aria-current", "page");
    else tab.removeAttribute("aria-current");
  }
  if (store.picture !== null) main.replaceChildren(view.root);
  draw();
}

/** At most once a frame, however much is told. */
function drawSoon() {
  if (isDrawDue) return;
  isDrawDue = true;
  requestAnimationFrame(draw);
}

function draw() {
  isDrawDue = false;
  drawTop();
  drawBanners();
  if (store.picture === null) return;
  if (view.root.parentElement !== main) main.replaceChildren(view.root);
  view.update(store.picture);
}

function drawTop() {
  const state = byId("link-state");
  state.dataset.state = connection.state;
  byId("link-text").textContent = LINK_TEXTS[connection.state];
  const { picture } = store;
  if (picture === null) return;
  const { node, region, federation } = picture.cluster;
  refill(
    byId("seen-from"),
    "Every number is the observation of one node: ",
    name(node),
    " of ",
    name(region),
    " in federation ",
    name(federation),
    ".",
  );
  const options = connection.nodes.map(({ origin, name: node }) => ({ origin, label: visible(node) }));
  const shown = [...picker.options].map(({ value, textContent }) => ({ origin: value, label: textContent }));
  if (JSON.stringify(options) !== JSON.stringify(shown)) {
    picker.replaceChildren(...options.map(({ origin, label }) => el("option", { value: origin }, label)));
  }
  picker.disabled = options.length < 2;
  picker.value = connection.nodes.find(({ origin }) => connection.isOrigin(origin))?.origin ?? "";
}

let bannersShown = "";

/** Only when they change: what is in a live region is read out. */
function drawBanners() {
  const said = banners();
  const key = JSON.stringify(said);
  if (key === bannersShown) return;
  bannersShown = key;
  byId("banners").replaceChildren(
    ...said.map(({ gravity, title, text }) =>
      el("div", { class: `banner ${gravity}` }, el("strong", {}, title), " ", name(text, 600)),
    ),
  );
}

function banners() {
  const said = [];
  const { picture } = store;
  if (connection.state === "offline") {
    const text =
      picture === null
        ? "This page asks again by itself."
        : "What you see is the last that was known. This page asks again by itself.";
    said.push({ gravity: "bad", title: "No node answers.", text });
  }
  if (connection.state === "unauthorized") {
    said.push({
      gravity: "warn",
      title: "This node asks for a token.",
      text: "Enter one with the role reader: the button Token at the top.",
    });
  }
  if (picture !== null && picture.ready.status !== "ready" && connection.state === "live") {
    const { status, reasons, degraded = [] } = picture.ready;
    said.push({
      gravity: status === "degraded" ? "warn" : "bad",
      title: `This node is ${visible(status)}:`,
      text: [...reasons, ...degraded.map(({ message }) => message)].join("; "),
    });
  }
  if (store.problem !== null && !(store.problem instanceof Unreachable) && connection.state === "live") {
    said.push({ gravity: "warn", title: "This node did not tell all:", text: store.problem.message });
  }
  if (picture?.cluster.leader === null && connection.state === "live") {
    said.push({ gravity: "warn", title: "The region has no leader.", text: "Lookups go on; writes wait for one." });
  }
  for (const region of picture?.regions ?? []) {
    if (region.distrust !== undefined) {
      said.push({ gravity: "bad", title: "A region is not believed.", text: `${region.region}: ${region.distrust}` });
    }
  }
  return said;
}

/** @param {Event} event */
function sayAloud(event) {
  /** @type {Told} */
  const told = /** @type {CustomEvent} */ (event).detail;
  if (!SAID_ALOUD.has(told.kind) || Date.now() - told.atMs > NEWS_MS) return;
  const announcer = byId("announcer");
  announcer.append(el("p", {}, inWords(told).words));
  while (announcer.childElementCount > 5) announcer.firstElementChild?.remove();
}

// The address says which view is shown, so that the link must not change it.
byId("skip-link").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
startThemeButton(byId("theme-button"));
startTokenDialog(connection);
picker.addEventListener("change", () => connection.moveTo(picker.value));
store.addEventListener("change", drawSoon);
store.addEventListener("told", sayAloud);
window.addEventListener("hashchange", () => {
  navigate();
  main.focus({ preventScroll: true });
  window.scrollTo(0, 0);
});
navigate();
store.start();
void connection.follow();
