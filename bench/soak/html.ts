/** A soak's report as a page: what was judged, what was done, and plots of memory and latency with the faults marked. */

import { FIGURE_HEAD, figureCells, isMissed } from "../figures.ts";
import { escaped, factsHtml, page, tableHtml } from "../page.ts";
import {
  describeLoad,
  errorLines,
  FAULT_HEAD,
  faultCells,
  LIFE_HEAD,
  lifeCells,
  OPERATION_HEAD,
  operationCells,
} from "./format.ts";
import { YOUNG_MS } from "./memory.ts";
import type { SoakReport } from "./report.ts";

export function soakHtml(report: SoakReport): string {
  const { commit, machine, startedAt, command, endedEarly, faults, notInjected } = report;
  const facts = Object.entries({ commit, machine, started: startedAt, command });
  const notes = [
    ...report.remarks,
    ...notInjected.map(({ fault, why }) => `${fault}: not injected: ${why}`),
    ...errorLines(report),
  ];
  const findings = Object.entries(report.findings).map(
    ([name, each]) => `<h3 class="bad">${escaped(name)}</h3>${listHtml(each)}`,
  );
  const body = `<h1>Soak${endedEarly === null ? "" : ` <strong class="bad">partial: ${escaped(endedEarly)}</strong>`}</h1>
${factsHtml(facts)}
<p>${escaped(describeLoad(report))}. Requests are sent at moments fixed beforehand, and latency counts from there.</p>
<h2>What was judged</h2>
${figuresHtml(report)}
${findings.join("\n")}
${listHtml(notes)}
<h2>Faults</h2>
${tableHtml({
  head: FAULT_HEAD,
  rows: faults.map(faultCells),
  words: ["fault", "where", "remark"],
  isBad: (row) => faults[row]?.problem !== "",
})}
<h2>Operations</h2>
<p>Failed are those that were given up, after as many tries as fit into 10 s.</p>
${tableHtml({ head: OPERATION_HEAD, rows: operationCells(report.operations), words: ["operation"] })}
<p>The slowest of each second. Bands reach from a fault until all was whole again. Drag to look closer, click twice to go back.</p>
<div id="latency"></div>
<h2>Memory</h2>
<p>Each process by itself, from the age of ${YOUNG_MS / 60_000} minutes on and within the last two thirds of the run: the median, and what Theil's and Sen's slope makes of its time.</p>
<div class="grid" id="memory"></div>
${tableHtml({ head: LIFE_HEAD, rows: lifeCells(report.lives), words: ["node", "judged"] })}`;
  const rounds = faults.map((fault) => ({ ...fault, wholeMs: fault.wholeMs ?? fault.releasedMs }));
  const data = { FAULTS: rounds, MEMORY: report.memory, TIMELINE: report.timeline };
  return page({ title: `Soak at ${commit}`, body, data, script: SCRIPT });
}

function figuresHtml({ figures }: SoakReport): string {
  return tableHtml({
    head: FIGURE_HEAD,
    rows: figures.map(figureCells),
    words: ["figure", ""],
    isBad: (row) => isMissed(figures[row]!),
  });
}

function listHtml(texts: readonly string[]): string {
  return texts.length === 0 ? "" : `<ul>${texts.map((text) => `<li>${escaped(text)}</li>`).join("")}</ul>`;
}

const SCRIPT = `
const unit = (suffix) => (_, value) => value == null ? "" : +value.toPrecision(3) + " " + suffix;
const powers = (_, splits) => splits.map((value) => value != null && Number.isInteger(Math.log10(value)) ? value : null);
const hooks = bands(FAULTS);

function drawMemory() {
  const parent = document.getElementById("memory");
  for (const [title, field] of [["RSS of each node", "rssBytes"], ["Heap that lives, of each node", "heapBytes"]]) {
    const nodes = [...new Set(MEMORY.map(({ node }) => node))].sort();
    const tables = nodes.map((name) => {
      const own = MEMORY.filter(({ node }) => node === name);
      return [own.map(({ atMs }) => atMs / 1000), own.map((sample) => sample[field] == null ? null : sample[field] / 2 ** 20)];
    });
    if (tables.length === 0) continue;
    const series = nodes.map((label, i) => ({ label, stroke: colour(i), width: 1.5, spanGaps: true, points: { show: false }, value: unit("MiB") }));
    plot(parent, title, {
      hooks,
      scales: { x: { time: false }, y: { range: (_, min, max) => [0, max * 1.1] } },
      axes: [axis("seconds since the run began"), axis("MiB", { size: 60 })],
      series: [{ label: "at", value: unit("s") }, ...series],
    }, uPlot.join(tables));
  }
}

function drawLatency() {
  const { bucketMs, worstMs, failed } = TIMELINE;
  if (failed.length === 0) return;
  const names = Object.keys(worstMs);
  const series = names.map((label, i) => ({ label, stroke: colour(i), width: 1, points: { show: false }, value: unit("ms") }));
  plot(document.getElementById("latency"), "The slowest operation, and how many were given up", {
    hooks,
    height: 340,
    scales: { x: { time: false }, y: { distr: 3 }, failed: { range: (_, min, max) => [0, Math.max(10, max * 3)] } },
    axes: [axis("seconds since the run began"), axis("slowest, ms", { size: 60, values: powers }), axis("given up", { side: 1, scale: "failed", grid: { show: false } })],
    series: [{ label: "at", value: unit("s") }, ...series,
      { label: "given up", scale: "failed", stroke: style("--bad"), fill: style("--bad"), width: 1, paths: uPlot.paths.bars({ size: [1, 100] }), points: { show: false }, value: (_, value) => value ?? "" }],
  }, [failed.map((_, i) => i * bucketMs / 1000), ...names.map((name) => worstMs[name]), failed.map((count) => count || null)]);
}

function draw() {
  drawLatency();
  drawMemory();
}
`;
