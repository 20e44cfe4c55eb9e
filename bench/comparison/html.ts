/** The report as a page: what was wanted and reached, every load, and plots of rate and latency by turn. */

import { escaped, page } from "../page.ts";
import { cellsOf, HEAD, verdictOf } from "../targets.ts";
import { type ComparisonReport, groups, PHASE_HEAD, SHARED_CORES, summaryOf } from "./report.ts";

export function comparisonHtml(report: ComparisonReport): string {
  const { bench, commit, commitSize, machine, startedAt, command, options, rows, phases } = report;
  const facts = [
    ["commit", `${commit} ${commitSize}`],
    ["machine", machine],
    ["started", startedAt],
    ["command", command],
    ["options", `${options.pairs} interleaved pairs, turns of ${options.seconds} s, ${options.clients} clients`],
  ];
  const told = groups(phases);
  const body = `<h1>${escaped(bench)}${report.isPartial ? ' <strong class="bad">partial</strong>' : ""}</h1>
<dl>${facts.map(([name = "", value = ""]) => `<dt>${name}</dt><dd>${escaped(value)}</dd>`).join("")}</dl>
<p>${escaped(SHARED_CORES)}</p>
<h2>Figures</h2>
<p>Of pairs, the median of the ratios, and the lowest and the highest of them.</p>
${table(
  [...HEAD, "command"],
  rows.map((row) => [...cellsOf(row), row.command]),
  (i) => verdictOf(rows[i]!) === "MISSED",
)}
<h2>Loads</h2>
<p>The turn of the median rate stands for all turns of a load.</p>
${table(PHASE_HEAD, told.map(summaryOf), (i) => told[i]!.some(({ failed }) => failed > 0))}
<h2>Turns</h2>
<p>Requests per second of each turn, in the order in which they were measured.</p>
<div class="grid" id="turns"></div>`;
  const turns = told.map((group) => ({
    phase: group[0].phase,
    subject: group[0].subject,
    perSecond: group.map(({ perSecond }) => perSecond),
  }));
  return page({ title: `${bench} at ${commit}`, body, data: { TURNS: turns }, script: SCRIPT });
}

/** What is longer is broken into lines. */
const TEXT_LENGTH = 60;

function table(head: readonly string[], rows: readonly (readonly string[])[], isBad: (row: number) => boolean): string {
  const cells = (row: readonly string[]) =>
    row.map((cell) => `<td${cell.length > TEXT_LENGTH ? ' class="text"' : ""}>${escaped(cell)}</td>`).join("");
  const lines = rows.map((row, i) => `<tr${isBad(i) ? ' class="bad"' : ""}>${cells(row)}</tr>`);
  return `<div class="wide"><table><thead><tr>${head.map((title) => `<th>${escaped(title)}</th>`).join("")}</tr></thead>
<tbody>${lines.join("\n")}</tbody></table></div>`;
}

const SCRIPT = `
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const plots = [];

function axis(label) {
  return { label, stroke: style("--dim"), grid: { stroke: style("--line"), width: 1 }, ticks: { stroke: style("--line"), width: 1 } };
}

function draw() {
  for (const { drawn, figure } of plots.splice(0)) { drawn.destroy(); figure.remove(); }
  for (const phase of new Set(TURNS.map((turns) => turns.phase))) {
    const of = TURNS.filter((turns) => turns.phase === phase);
    if (Math.max(...of.map(({ perSecond }) => perSecond.length)) < 2) continue;
    const tables = of.map(({ perSecond }) => [perSecond.map((_, i) => i + 1), perSecond]);
    const figure = document.createElement("figure");
    figure.innerHTML = "<figcaption></figcaption>";
    figure.firstChild.textContent = phase;
    document.getElementById("turns").append(figure);
    const series = of.map(({ subject }, i) => ({ label: subject, stroke: style("--c" + (i % 6)), width: 1.5, value: (_, value) => value == null ? "" : Math.round(value) + "/s" }));
    const drawn = new uPlot({
      width: Math.max(280, figure.clientWidth), height: 260,
      scales: { x: { time: false }, y: { distr: 3 } },
      axes: [{ ...axis("turn"), values: (_, splits) => splits.map((value) => Number.isInteger(value) ? value : null) }, { ...axis("per second"), size: 70 }],
      series: [{ label: "turn" }, ...series],
    }, uPlot.join(tables), figure);
    plots.push({ drawn, figure });
  }
}

draw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
addEventListener("resize", () => plots.forEach(({ drawn, figure }) => drawn.setSize({ width: Math.max(280, figure.clientWidth), height: drawn.height })));
`;
