/**
 * A list that is asked for page by page, however long it is: a search, a region, and a way back and forth.
 *
 * Only one question is under way; a newer one takes its place.
 */

import { el, emptyState, refill } from "./dom.js";
import { problemNote } from "./problem-note.js";

/** @import { Page } from "./main.js" */
/** @import { Picture } from "./store.js" */

const SEARCH_PAUSE_MS = 250;
const REFRESH_MS = 5_000;
const PAGE_SIZE = 50;

/**
 * @typedef {object} PagedListOptions
 * @property {Page} page
 * @property {string} path - such as `v1/agents`
 * @property {string} placeholder
 * @property {(answer: any, region: string) => HTMLElement | null} show - null when there is nothing
 * @property {(searching: boolean) => HTMLElement} showNothing
 * @property {{ name: string, label: string, choices: readonly (readonly [value: string, label: string])[] }[]} [filters]
 */

/** @param {PagedListOptions} options */
export function pagedList({ page, path, placeholder, show, showNothing, filters = [] }) {
  const { connection } = page;
  const list = el("div", { class: "list", "aria-busy": "true" }, el("p", { class: "loading" }, "Asking …"));
  const search = el("input", {
    type: "search",
    placeholder,
    "aria-label": placeholder,
    autocomplete: "off",
    spellcheck: "false",
    maxlength: 253,
  });
  const region = el("select", { "aria-label": "Region" });
  const selects = filters.map(({ name, label, choices }) => ({
    name,
    select: el(
      "select",
      { "aria-label": label },
      choices.map(([value, text]) => el("option", { value }, text)),
    ),
  }));
  const back = el("button", { type: "button", disabled: true }, "Previous");
  const forth = el("button", { type: "button", disabled: true }, "Next");
  const where = el("span", { class: "hint", role: "status" });
  const pager = el("div", { class: "pager", hidden: true }, back, where, forth);
  /** Cursors of the pages before this one. @type {string[]} */
  let before = [];
  let cursor = "";
  let next = "";
  let asked = new AbortController();
  let isLeft = false;

  const ask = async (isRefresh = false) => {
    asked.abort();
    asked = new AbortController();
    const { signal } = asked;
    const query = new URLSearchParams({ limit: String(PAGE_SIZE) });
    if (search.value.trim() !== "") query.set("search", search.value.trim());
    for (const { name, select } of selects) if (select.value !== "") query.set(name, select.value);
    if (cursor !== "") query.set("cursor", cursor);
    if (!isRefresh) list.setAttribute("aria-busy", "true");
    try {
      const answer = await connection.getIn(region.value, `${path}?${query}`, signal);
      if (signal.aborted || isLeft) return;
      next = answer.nextCursor ?? "";
      refill(list, show(answer, region.value) ?? showNothing(query.has("search")));
    } catch (error) {
      if (signal.aborted || isLeft) return;
      next = "";
      refill(list, problemNote(/** @type {Error} */ (error)));
    }
    list.setAttribute("aria-busy", "false");
    back.disabled = before.length === 0;
    forth.disabled = next === "";
    pager.hidden = before.length === 0 && next === "";
    where.textContent = `Page ${before.length + 1}`;
  };
  const begin = () => {
    before = [];
    cursor = "";
    void ask();
  };

  let timer = 0;
  search.addEventListener("input", () => {
    // What is listed is not what is searched for any more, and its next page would not be either.
    list.setAttribute("aria-busy", "true");
    clearTimeout(timer);
    timer = window.setTimeout(begin, SEARCH_PAUSE_MS);
  });
  for (const select of [region, ...selects.map((each) => each.select)]) select.addEventListener("change", begin);
  const isBusy = () => list.getAttribute("aria-busy") === "true";
  forth.addEventListener("click", () => {
    if (isBusy()) return;
    before.push(cursor);
    cursor = next;
    void ask().then(() => list.scrollIntoView({ block: "nearest" }));
  });
  back.addEventListener("click", () => {
    if (isBusy()) return;
    cursor = before.pop() ?? "";
    void ask();
  });
  const refreshing = window.setInterval(() => {
    if (!document.hidden && !isBusy()) void ask(true);
  }, REFRESH_MS);
  const moved = () => begin();
  connection.addEventListener("moved", moved);

  const showRegions = (/** @type {Picture} */ { regions, cluster }) => {
    const names = regions.map((each) => each.region);
    const shown = [...region.options].map(({ value }) => value);
    if (JSON.stringify(names) === JSON.stringify(shown)) return;
    const kept = names.includes(region.value) ? region.value : cluster.region;
    refill(
      region,
      names.map((each) => el("option", { value: each }, each)),
    );
    region.value = kept;
  };
  let isBegun = false;
  return {
    root: el(
      "div",
      {},
      el(
        "form",
        { class: "filters", role: "search", onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
        search,
        region,
        selects.map(({ select }) => select),
      ),
      list,
      pager,
    ),
    update(/** @type {Picture} */ picture) {
      showRegions(picture);
      if (isBegun) return;
      isBegun = true;
      begin();
    },
    leave() {
      isLeft = true;
      asked.abort();
      clearTimeout(timer);
      clearInterval(refreshing);
      connection.removeEventListener("moved", moved);
    },
  };
}

/**
 * @param {boolean} isSearching
 * @param {string} none
 * @param {string} advice
 */
export function nothingListed(isSearching, none, advice) {
  return isSearching ? emptyState("Nothing found", "Try a shorter part of the name.") : emptyState(none, advice);
}
