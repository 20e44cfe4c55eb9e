/** What went wrong, in place of what was asked for. */

import { Refusal } from "./connection.js";
import { el } from "./dom.js";
import { shorten, visible } from "./format.js";

const MESSAGE_LENGTH_MAX = 400;

/** @param {Error} error */
export function problemNote(error) {
  const isRefused = error instanceof Refusal;
  const advice = isRefused
    ? shorten(visible(error.message), MESSAGE_LENGTH_MAX)
    : "No node that could tell is within this browser's reach. Look from a node there: choose one at the top.";
  return el(
    "div",
    { class: "empty problem" },
    el("p", { class: "empty-title" }, isRefused ? "That was refused" : "Nobody answers"),
    el("p", {}, advice, isRefused && el("code", {}, ` ${visible(error.code)}`)),
  );
}
