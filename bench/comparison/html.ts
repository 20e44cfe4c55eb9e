/** The report as a page: what was wanted and reached, every load, and plots of rate and latency by turn. */

import { escaped, factsHtml, page, tableHtml } from "../page.ts";
import { cellsOf, HEAD, type TargetRow, verdictOf } from "../targets.ts";
import { type ComparisonReport, groups, PHASE_HEAD, SHARED_CORES, summaryOf } from "./report.ts";

export function comparisonHtml(report: ComparisonReport): string {
  const { bench, commit, commitSize, machine, startedAt, command, options, rows, phases } = report;
  const facts = [
    ["commit", commitSize === "" ? commit : `${commit} (${commitSize})`],
    ["machine", machine],
    ["started", startedAt],
    ["command", command],
    ["options", `${options.pairs} interleaved pairs, turns of ${options.seconds} s, ${options.clients} clients`],
  ] as const;
  const told = groups(phases);
  const turns = told
    .filter((group) => group.length > 1)
    .map((group) => ({
      phase: group[0].phase,
      subject: group[0].subject,
      perSecond: group.map(({ perSecond }) => perSecond),
    }));
  const sections = [
    `<h1>${escaped(bench)}${report.isPartial ? ' <strong class="bad">partial</strong>' : ""}</h1>`,
    factsHtml(facts),
    `<p>${escaped(SHARED_CORES)}</p>`,
    ...(rows.length === 0 ? [] : [figuresHtml(rows)]),
    ...(told.length === 0 ? [] : [loadsHtml(told)]),
    ...(turns.length === 0 ? [] : [TURNS_SECTION]),
  ];
  return page({ title: `${bench} at ${commit}`, body: sections.join("\n"), data: { TURNS: turns }, script: SCRIPT });
}

function figuresHtml(rows: readonly TargetRow[]): string {
  const table = tableHtml({
    head: [...HEAD, "command"],
    rows: rows.map((row) => [...cellsOf(row), row.command]),
    words: ["figure", "reached", "of what", "command"],
    isBad: (i) => verdictOf(rows[i]!) === "MISSED",
  });
  return `<h2>Figures</h2>
<p>Of pairs, the median of the ratios, and the lowest and the highest of them.</p>
${table}`;
}

function loadsHtml(told: ReturnType<typeof groups>): string {
  const table = tableHtml({
    head: PHASE_HEAD,
    rows: told.map(summaryOf),
    words: ["load", "of", "loop", "CPU, cores", "RSS, MiB", "limit"],
    isBad: (i) => told[i]!.some(({ failed }) => failed > 0),
  });
  return `<h2>Loads</h2>
<p>The turn of the median rate stands for all turns of a load.</p>
${table}`;
}

const TURNS_SECTION = `<h2>Turns</h2>
<p>Requests per second of each turn, in the order in which they were measured.</p>
<div class="grid" id="turns"></div>`;

const SCRIPT = `
function draw() {
  for (const phase of new Set(TURNS.map((turns) => turns.phase))) {
    const of = TURNS.filter((turns) => turns.phase === phase);
    const tables = of.map(({ perSecond }) => [perSecond.map((_, i) => i + 1), perSecond]);
    const series = of.map(({ subject }, i) => ({ label: subject, stroke: colour(i), width: 1.5, value: (_, value) => value == null ? "" : Math.round(value) + "/s" }));
    plot(document.getElementById("turns"), phase, {
      scales: { x: { time: false }, y: { distr: 3 } },
      axes: [axis("turn", { incrs: [1, 2, 5, 10, 20, 50, 100] }), axis("per second", { size: 70 })],
      series: [{ label: "turn", value: (_, value) => value ?? "" }, ...series],
    }, uPlot.join(tables));
  }
}
`;
