/**
 * Elements from data. Text becomes text and nothing else: there is no way from here to markup, and the page's policy
 * (`trusted-types`) forbids any other.
 */

import { counted, shorten, visible } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const NAME_LENGTH_MAX = 80;
const TITLE_LENGTH_MAX = 1_024;

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {Record<string, string | number | boolean | undefined | ((event: any) => void)>} Props */

/**
 * Props that are functions listen (`onclick`); true is an attribute without a value; false and undefined are left out.
 *
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Props} [props]
 * @param {...(Child | Child[])} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function el(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/**
 * @param {string} tag
 * @param {Props} [props]
 * @param {...(Child | Child[])} children
 * @returns {SVGElement}
 */
export function svg(tag, props = {}, ...children) {
  return fill(/** @type {SVGElement} */ (document.createElementNS(SVG, tag)), props, children);
}

/**
 * @template {Element} T
 * @param {T} element
 * @param {Props} props
 * @param {(Child | Child[])[]} children
 * @returns {T}
 */
function fill(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== undefined) element.setAttribute(name, String(value));
  }
  append(element, children);
  return element;
}

/**
 * @param {Element} element
 * @param {(Child | Child[])[]} children
 */
function append(element, children) {
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/**
 * Puts new children in, and the focus where it was: on the element with the same `data-key`.
 *
 * @param {Element} element
 * @param {...(Child | Child[])} children
 */
export function refill(element, ...children) {
  const active = document.activeElement;
  const key = active instanceof HTMLElement && element.contains(active) ? active.dataset.key : undefined;
  element.replaceChildren();
  append(element, children);
  if (key === undefined) return;
  for (const candidate of element.querySelectorAll("[data-key]")) {
    if (candidate instanceof HTMLElement && candidate.dataset.key === key) candidate.focus({ preventScroll: true });
  }
}

/**
 * A name that somebody else chose: isolated from the text around it whatever its direction, without invisible characters,
 * and no longer than a line. The whole is in its title, as far as a browser shows one.
 *
 * @param {unknown} text
 * @param {number} [lengthMax]
 */
export function name(text, lengthMax = NAME_LENGTH_MAX) {
  const whole = visible(String(text));
  const shown = shorten(whole, lengthMax);
  return el("bdi", { class: "name", title: shown === whole ? undefined : shorten(whole, TITLE_LENGTH_MAX) }, shown);
}

/**
 * The same with the whole text within reach of every pointer, finger and key.
 *
 * @param {unknown} text
 * @param {number} [lengthMax]
 */
export function wholeText(text, lengthMax = NAME_LENGTH_MAX) {
  const whole = visible(String(text));
  if (whole.length <= lengthMax) return name(text, lengthMax);
  return el(
    "details",
    { class: "whole" },
    el("summary", {}, name(text, lengthMax)),
    el("pre", { tabindex: 0 }, el("bdi", {}, whole)),
  );
}

/**
 * @param {string} kind - `good`, `warn`, `bad` or `quiet`
 * @param {string} text
 */
export function pill(kind, text) {
  return el("span", { class: `pill ${kind}` }, text);
}

/** @param {"healthy" | "unhealthy"} health */
export function healthPill(health) {
  return health === "healthy" ? pill("good", "healthy") : pill("bad", "unhealthy");
}

/**
 * Words side by side, the first ones where they are many.
 *
 * @param {readonly string[]} words
 * @param {{ shownMax?: number, lengthMax?: number, none?: string }} [options] - `none` is said where there are no words
 */
export function chips(words, { shownMax = words.length, lengthMax = 32, none = "—" } = {}) {
  const others = words.length - shownMax;
  return el(
    "span",
    { class: "chips" },
    words.slice(0, shownMax).map((word) => el("span", { class: "chip" }, name(word, lengthMax))),
    others > 0 && el("span", { class: "hint" }, counted(others, "more", "more")),
    words.length === 0 && el("span", { class: "hint" }, none),
  );
}

/**
 * @param {string} title
 * @param {string} [text]
 */
export function emptyState(title, text) {
  return el("div", { class: "empty" }, el("p", { class: "empty-title" }, title), text && el("p", {}, text));
}

/**
 * A table that phones show as cards: each cell names its column.
 *
 * @param {string} caption
 * @param {readonly string[]} columns
 * @param {readonly (Child | Child[])[][]} rows
 */
export function table(caption, columns, rows) {
  const head = el(
    "tr",
    {},
    columns.map((column) => el("th", { scope: "col" }, column)),
  );
  const body = rows.map((cells) =>
    el(
      "tr",
      {},
      cells.map((cell, i) => el("td", { "data-label": columns[i] }, ...[cell].flat())),
    ),
  );
  return el(
    "div",
    { class: "table-frame" },
    el("table", {}, el("caption", { class: "visually-hidden" }, caption), el("thead", {}, head), el("tbody", {}, body)),
  );
}

/**
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no #${id}`);
  return element;
}
