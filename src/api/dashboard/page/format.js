/** How values are put into words. Pure. */

/** Stands for "for ever" in answers. */
const FOREVER_MS = Number.MAX_SAFE_INTEGER;
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/**
 * Controls but for the ends of lines, marks of direction, halves of pairs, and what takes no room: they could make a name
 * look like another one.
 */
const INVISIBLE = /(?![\t\n])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|\u034f|\u115f|\u1160|\u3164|\uffa0/gu;
/** A screen of marks above and below one letter is no name. */
const PILED_MARKS = /(\p{M}{4})\p{M}+/gu;

/**
 * The text with what can not be seen made visible, so that nothing in it can hide or turn what stands around it.
 *
 * @param {string} text
 */
export function visible(text) {
  return text.replace(INVISIBLE, (character) => `⟨U+${codeOf(character)}⟩`).replace(PILED_MARKS, "$1");
}

/** @param {string} character */
function codeOf(character) {
  return (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0");
}

/**
 * @param {string} text
 * @param {number} lengthMax - in characters, the ellipsis included
 */
export function shorten(text, lengthMax) {
  if (text.length <= lengthMax) return text;
  const cut = text.slice(0, lengthMax - 1);
  // Half a pair would show as a broken character.
  return `${cut.replace(/[\ud800-\udbff]$/, "")}…`;
}

/** @param {number} value */
export function count(value) {
  return value.toLocaleString("en");
}

/**
 * @param {number} amount
 * @param {string} one
 * @param {string} [many]
 */
export function counted(amount, one, many = `${one}s`) {
  return `${count(amount)} ${amount === 1 ? one : many}`;
}

/**
 * Three digits at most, and no more than one behind the point.
 *
 * @param {number} value
 */
export function rate(value) {
  if (value === 0) return "0";
  if (value < 0.1) return "<0.1";
  return value < 100 ? value.toFixed(1).replace(/\.0$/, "") : count(Math.round(value));
}

/** @param {number | null | undefined} ms */
export function duration(ms) {
  if (ms === null || ms === undefined || ms >= FOREVER_MS) return "never";
  if (ms < 10) return `${ms.toFixed(1).replace(/\.0$/, "")} ms`;
  if (ms < SECOND_MS) return `${Math.round(ms)} ms`;
  if (ms < 10 * SECOND_MS) return `${(ms / SECOND_MS).toFixed(1).replace(/\.0$/, "")} s`;
  if (ms < MINUTE_MS) return `${Math.round(ms / SECOND_MS)} s`;
  if (ms < HOUR_MS) return `${Math.round(ms / MINUTE_MS)} min`;
  if (ms < 2 * DAY_MS) return `${Math.round(ms / HOUR_MS)} h`;
  return `${Math.round(ms / DAY_MS)} d`;
}

/**
 * @param {number} atMs
 * @param {number} nowMs
 */
export function ago(atMs, nowMs) {
  const ms = nowMs - atMs;
  return ms < 2 * SECOND_MS ? "just now" : `${duration(ms)} ago`;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

/**
 * The time of day, and the day too when it was another one.
 *
 * @param {number} atMs
 * @param {number} nowMs
 */
export function timeOf(atMs, nowMs) {
  const time = CLOCK.format(atMs);
  return nowMs - atMs < DAY_MS / 2 ? time : `${DAY.format(atMs)}, ${time}`;
}

/** @param {number} atMs */
export function isoTime(atMs) {
  const date = new Date(atMs);
  return Number.isNaN(date.getTime()) ? "" : date.toISOString();
}
