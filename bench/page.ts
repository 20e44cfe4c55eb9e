/**
 * A report as one file of HTML that loads nothing: data, plots (uPlot) and styles lie in it.
 *
 * What runs in the browser is a string of plain JavaScript that each report brings, and is kept small: it draws what was
 * computed before.
 */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

export interface Page {
  readonly title: string;
  /** HTML. */
  readonly body: string;
  /** Constants that the script finds, by name. */
  readonly data: Readonly<Record<string, unknown>>;
  /** A function `draw` that makes every `plot`: `PLOTS` has what it may use. It is called again for other colours. */
  readonly script: string;
}

export function page({ title, body, data, script }: Page): string {
  const library = createRequire(import.meta.url).resolve("uplot");
  const asset = (name: string) => readFileSync(new URL(name, `file://${library}`), "utf8");
  const constants = Object.entries(data).map(([name, value]) => `const ${name} = ${jsonForScript(value)};`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:">
<title>${escaped(title)}</title>
<style>${asset("uPlot.min.css")}
${STYLE}</style>
</head>
<body>
${body}
<script>${asset("uPlot.iife.min.js")}</script>
<script>${constants.join("\n")}
${PLOTS}${script}${START}</script>
</body>
</html>
`;
}

export function escaped(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}

/** Names and what they stand for. */
export function factsHtml(facts: readonly (readonly [name: string, value: string])[]): string {
  return `<dl>${facts.map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>`).join("")}</dl>`;
}

export interface HtmlTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** Columns of words, which are broken into lines; those of numbers are not. */
  readonly words: readonly string[];
  readonly isBad?: (row: number) => boolean;
}

/** A cell of words that is longer has a wide column. */
const SHORT_LENGTH = 20;

export function tableHtml({ head, rows, words, isBad = () => false }: HtmlTable): string {
  const cell = (tag: "th" | "td", text: string, column: number) => {
    const isWords = words.includes(head[column] ?? "");
    const kind = isWords ? ` class="${text.length > SHORT_LENGTH ? "words long" : "words"}"` : "";
    return `<${tag}${kind}>${escaped(text)}</${tag}>`;
  };
  const titles = head.map((title, column) => cell("th", title, column));
  const lines = rows.map((row, i) => {
    const cells = row.map((text, column) => cell("td", text, column));
    return `<tr${isBad(i) ? ' class="bad"' : ""}>${cells.join("")}</tr>`;
  });
  return `<div class="wide"><table><thead><tr>${titles.join("")}</tr></thead>
<tbody>${lines.join("\n")}</tbody></table></div>`;
}

/** No text in it can end the script element. */
function jsonForScript(value: unknown): string {
  return JSON.stringify(value)
    .replace(/</g, "\\u003c")
    .replace(/[\u2028\u2029]/g, "");
}

const STYLE = `
:root { color-scheme: light dark; --text: #1d2430; --dim: #5b6675; --ground: #ffffff; --line: #d8dee6; --bad: #c0271d;
  --c0: #1668c4; --c1: #c25700; --c2: #17803d; --c3: #8a3ffc; --c4: #b0256b; --c5: #5a6b00; --band: rgba(190, 60, 40, 0.12); }
@media (prefers-color-scheme: dark) { :root { --text: #e4e9f0; --dim: #9aa6b5; --ground: #14181f; --line: #333c48; --bad: #ff7b6e;
  --c0: #6cb1ff; --c1: #ffa657; --c2: #5ed48a; --c3: #c49cff; --c4: #ff8fc4; --c5: #c3d94e; --band: rgba(255, 120, 100, 0.16); } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--ground); margin: 2rem auto; max-width: 1240px; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; } p, li { color: var(--dim); max-width: 75em; }
dl { display: grid; grid-template-columns: fit-content(14rem) 1fr; gap: 0.2rem 1rem; } dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 600px) { dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: 0.4rem; } }
.wide { overflow-x: auto; } .wide table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
.wide th, .wide td { padding: 0.3rem 0.45rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
.wide thead th { white-space: normal; vertical-align: bottom; } .bad { color: var(--bad); }
.wide .words, .wide th:first-child { text-align: left; } .wide .long { white-space: normal; min-width: 12em; }
.wide th:first-child, .wide td:first-child { position: sticky; left: 0; background: var(--ground); }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 540px), 1fr)); gap: 1rem; }
figure { margin: 0 0 1.5rem; } figcaption { font-weight: 600; } .u-legend { font-size: 12px; } .u-legend .u-value { min-width: 5em; text-align: left; }
.u-inline.u-live th::after { content: ""; }
.u-legend .u-marker { width: 20px; height: 0; border-width: 2px 0 0 !important; } .u-select { background: var(--band); }
`;

/** What the script of every page draws with. */
const PLOTS = `
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colour = (i) => style("--c" + (i % 6));
const plots = [];

function axis(label, more) {
  return { label, stroke: style("--dim"), grid: { stroke: style("--line"), width: 1 }, ticks: { stroke: style("--line"), width: 1 }, ...more };
}

const widthIn = (figure) => Math.max(280, figure.clientWidth);

function plot(parent, title, options, data) {
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.textContent = title;
  figure.append(caption);
  parent.append(figure);
  const legend = { markers: { dash: (u, i) => u.series[i].dash?.length > 0 ? "dashed" : "solid" } };
  const drawn = new uPlot({ width: widthIn(figure), height: 280, legend, ...options }, data, figure);
  plots.push({ drawn, figure });
}

/** Hooks of a plot over time that mark each of these faults. */
function bands(faults) {
  return { drawClear: [(u) => faults.forEach((fault) => band(u, fault))], draw: [(u) => faults.forEach((fault) => bandName(u, fault))] };
}

/** From the fault until everything was whole. */
function band(u, { injectedMs, wholeMs }) {
  const [from, to] = [injectedMs, wholeMs].map((ms) => insideOf(u, ms));
  if (to <= from) return;
  u.ctx.save();
  u.ctx.fillStyle = style("--band");
  u.ctx.fillRect(from, u.bbox.top, to - from, u.bbox.height);
  u.ctx.restore();
}

/** At the begin of the band, above the lines that cross it. */
function bandName(u, { fault, injectedMs, wholeMs }) {
  const [from, to] = [injectedMs, wholeMs].map((ms) => insideOf(u, ms));
  if (to <= from) return;
  u.ctx.save();
  u.ctx.font = 11 * devicePixelRatio + "px system-ui, sans-serif";
  u.ctx.translate(from + 4 * devicePixelRatio, u.bbox.top + 6 * devicePixelRatio);
  u.ctx.rotate(Math.PI / 2);
  u.ctx.strokeStyle = style("--ground");
  u.ctx.lineWidth = 3 * devicePixelRatio;
  u.ctx.strokeText(fault, 0, 0);
  u.ctx.fillStyle = style("--text");
  u.ctx.fillText(fault, 0, 0);
  u.ctx.restore();
}

function insideOf(u, ms) {
  return Math.min(Math.max(u.valToPos(ms / 1000, "x", true), u.bbox.left), u.bbox.left + u.bbox.width);
}
`;

const START = `
function redraw() {
  for (const { drawn, figure } of plots.splice(0)) { drawn.destroy(); figure.remove(); }
  draw();
}

redraw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("resize", () => plots.forEach(({ drawn, figure }) => drawn.setSize({ width: widthIn(figure), height: drawn.height })));
`;
