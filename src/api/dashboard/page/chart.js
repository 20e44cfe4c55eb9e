/** One line over the last hour, or over as much of it as the node has lived, drawn from samples. Moments at which the leader changed are marked. */

import { el, svg } from "./dom.js";
import { duration, timeOf } from "./format.js";

/** @import { TrendSample } from "./answers.d.ts" */

const WIDTH = 320;
const HEIGHT = 96;
const TOP = 8;
const BOTTOM = 18;
const SPAN_MS = { least: 300_000, most: 3_600_000 };
/** A pause between two samples that is longer than so many intervals is a gap in the line. */
const GAP_INTERVALS = 3;

/**
 * @typedef {object} ChartOptions
 * @property {string} title
 * @property {string} about
 * @property {(sample: TrendSample) => number | null} read
 * @property {(value: number) => string} write
 * @property {number} intervalMs
 * @property {number} nowMs
 */

/**
 * @param {readonly TrendSample[]} samples - oldest first
 * @param {ChartOptions} options
 */
export function chart(samples, { title, about, read, write, intervalMs, nowMs }) {
  const points = samples.flatMap((sample) => {
    const value = read(sample);
    return value === null ? [] : [{ atMs: sample.atMs, value }];
  });
  const last = points.at(-1);
  const most = Math.max(...points.map(({ value }) => value), 0);
  const top = niceCeiling(most);
  const spanMs = spanOf(samples, nowMs);
  const x = (/** @type {number} */ atMs) => WIDTH * (1 - (nowMs - atMs) / spanMs);
  const y = (/** @type {number} */ value) => HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (value / top);
  const runs = runsOf(points, GAP_INTERVALS * intervalMs);
  const floor = HEIGHT - BOTTOM;
  const lines = runs.map((run) =>
    run.map(({ atMs, value }) => `${x(atMs).toFixed(1)} ${y(value).toFixed(1)}`).join("L"),
  );
  const readout = el("output", { class: "readout" }, last === undefined ? "no data yet" : write(last.value));
  const cursor = svg("line", { class: "cursor", y1: TOP, y2: floor, x1: -9, x2: -9 });
  const drawing = svg(
    "svg",
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label":
        last === undefined
          ? `${title}: no data yet`
          : `${title}: now ${write(last.value)}, at most ${write(most)} in the last hour`,
    },
    svg("line", { class: "grid", x1: 0, x2: WIDTH, y1: floor, y2: floor }),
    svg("line", { class: "grid", x1: 0, x2: WIDTH, y1: y(top), y2: y(top) }),
    runs.flatMap((run, i) => {
      const [first, final] = [run[0], run.at(-1)];
      if (first === undefined || final === undefined) return null;
      return [
        svg("path", {
          class: "area",
          d: `M${x(first.atMs).toFixed(1)} ${floor}L${lines[i]}L${x(final.atMs).toFixed(1)} ${floor}Z`,
        }),
        svg("path", { class: "line", d: `M${lines[i]}${run.length === 1 ? "h1" : ""}` }),
      ];
    }),
    changesOfLeader(samples).map((atMs) =>
      svg(
        "line",
        { class: "election", x1: x(atMs), x2: x(atMs), y1: TOP, y2: floor },
        svg("title", {}, "another leader"),
      ),
    ),
    cursor,
  );
  const show = (/** @type {PointerEvent} */ event) => {
    const box = drawing.getBoundingClientRect();
    const atMs = nowMs - spanMs * (1 - (event.clientX - box.left) / box.width);
    const nearest = nearestTo(points, atMs);
    if (nearest === undefined) return;
    cursor.setAttribute("x1", String(x(nearest.atMs)));
    cursor.setAttribute("x2", String(x(nearest.atMs)));
    readout.textContent = `${write(nearest.value)} at ${timeOf(nearest.atMs, nowMs)}`;
  };
  const hide = () => {
    cursor.setAttribute("x1", "-9");
    cursor.setAttribute("x2", "-9");
    readout.textContent = last === undefined ? "no data yet" : write(last.value);
  };
  drawing.addEventListener("pointermove", /** @type {EventListener} */ (show));
  drawing.addEventListener("pointerleave", hide);
  return el(
    "figure",
    { class: "chart" },
    el("figcaption", {}, el("span", { class: "chart-title" }, title), readout),
    el("div", { class: "plot" }, drawing, el("span", { class: "chart-top" }, write(top))),
    el(
      "div",
      { class: "chart-axis", "aria-hidden": "true" },
      el("span", {}, `${duration(spanMs)} ago`),
      el("span", {}, duration(spanMs / 2)),
      el("span", {}, "now"),
    ),
    el("p", { class: "chart-about" }, about),
  );
}

/**
 * @param {readonly TrendSample[]} samples
 * @param {number} nowMs
 */
function spanOf(samples, nowMs) {
  const ageMs = nowMs - (samples[0]?.atMs ?? nowMs);
  return Math.min(Math.max(ageMs, SPAN_MS.least), SPAN_MS.most);
}

/**
 * The next of 1, 2, 5, 10, 20 ... that is not below.
 *
 * @param {number} value
 */
function niceCeiling(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 5, 10].find((step) => step * power >= value * 0.999) ?? 10);
}

/**
 * @param {readonly { atMs: number, value: number }[]} points
 * @param {number} gapMs
 */
function runsOf(points, gapMs) {
  /** @type {{ atMs: number, value: number }[][]} */
  const runs = [];
  for (const point of points) {
    const run = runs.at(-1);
    const before = run?.at(-1);
    if (run === undefined || before === undefined || point.atMs - before.atMs > gapMs) runs.push([point]);
    else run.push(point);
  }
  return runs;
}

/** @param {readonly TrendSample[]} samples */
function changesOfLeader(samples) {
  return samples.filter((sample, i) => i > 0 && sample.term !== samples[i - 1]?.term).map(({ atMs }) => atMs);
}

/**
 * @param {readonly { atMs: number, value: number }[]} points
 * @param {number} atMs
 */
function nearestTo(points, atMs) {
  let best = points[0];
  for (const point of points) {
    if (best === undefined || Math.abs(point.atMs - atMs) < Math.abs(best.atMs - atMs)) best = point;
  }
  return best;
}
