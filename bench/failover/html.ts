/** The report as a page: tables of each system, and plots that the browser draws of what `report.ts` computed. */

import { round } from "../figures.ts";
import { escaped, factsHtml, page, tableHtml } from "../page.ts";
import { FAULTS } from "./faults.ts";
import type { FigureName } from "./figures.ts";
import { COLUMNS, describeFirstFailures, formatSpread, ratiosOf } from "./format.ts";
import type { FailoverReport, SystemReport } from "./report.ts";

/** What a report is drawn beside. */
export interface Compared {
  /** As it is called in the plots. */
  readonly name: string;
  readonly report: FailoverReport;
}

/** A system under the name that it has among all that are drawn. */
type Named = SystemReport & { readonly name: string };

/** Figures that must be 0. */
const BROKEN_PROMISES: readonly FigureName[] = ["lost", "understated"];

export function failoverHtml(report: FailoverReport, compared?: Compared): string {
  const own = report.systems.map((system): Named => ({ ...system, name: system.peer }));
  const old = compared?.report.systems.map(
    (system): Named => ({ ...system, name: `${compared.name}: ${system.peer}` }),
  );
  const systems = [...own, ...(old ?? [])];
  const body = `<h1>Failover${report.isPartial ? ' <strong class="bad">partial</strong>' : ""}</h1>
${headerOf(report, compared)}
<p>Load is sent at moments fixed beforehand, and latency counts from there: a stall is not hidden by clients that wait.
${loadOf(report)}</p>
${systems.map(systemHtml).join("\n")}
${report.notMeasured.map(({ peer, why }) => `<p>${escaped(peer)}: not measured: ${escaped(why)}</p>`).join("\n")}
${ratiosHtml(systems)}
${plotsHtml(systems)}`;
  return page({ title: `Failover at ${report.commit}`, body, data: { SYSTEMS: systems }, script: SCRIPT });
}

/** Where the script draws; a run that ended before anything was broken or asked has no such plots. */
function plotsHtml(systems: readonly Named[]): string {
  const bucketMs = systems[0]?.timeline.bucketMs;
  const around = `<h2>Registrations around each fault</h2>
<p>The slowest of all rounds, by the moment at which it was meant to be sent, in milliseconds since the fault.</p>
<div class="grid" id="around"></div>`;
  const load = `<h2>Latency of all operations</h2>
<p>The share that took so long or less. Failed operations count with the time until they were given up.</p>
<div class="grid" id="distributions"></div>
<h2>The whole run</h2>
<p>The slowest operation of each ${bucketMs} ms. Bands reach from a fault until everything was whole again. Drag to look closer, click twice to go back.</p>
<div id="timelines"></div>`;
  return [
    ...(systems.some(({ faults }) => faults.length > 0) ? [around] : []),
    ...(bucketMs === undefined ? [] : [load]),
  ].join("\n");
}

function headerOf({ commit, machine, startedAt, command }: FailoverReport, compared?: Compared): string {
  const facts: (readonly [string, string])[] = [
    ["commit", commit],
    ["machine", machine],
    ["started", startedAt],
    ["command", command],
  ];
  if (compared !== undefined) {
    const { report } = compared;
    facts.push([`beside ${compared.name}`, `${report.commit}; ${report.machine}; ${report.command}`]);
  }
  return factsHtml(facts);
}

function loadOf({ options }: FailoverReport): string {
  const { rates, clients, holdMs, lateMs, tryTimeoutMs, timeoutMs, spacing } = options;
  const each = Object.entries(rates).map(([operation, rate]) => `${rate} ${operation}`);
  return (
    `Per second: ${each.join(", ")} (${spacing} spacing), by ${clients} clients, each at one node until that fails: then it moves ` +
    `to the next one. An attempt is given up after ${tryTimeoutMs} ms, an operation after ${timeoutMs} ms, and is late after ` +
    `${lateMs} ms. A fault lasts ${holdMs} ms.`
  );
}

function systemHtml(system: Named): string {
  const { name, setting, faults, notInjected, acknowledged, lost, behindMs, endedEarly } = system;
  const head = ["fault", "rounds", ...COLUMNS.map(({ title }) => title)].map((title) => `<th>${escaped(title)}</th>`);
  const rows = faults.map((fault) => {
    const cells = COLUMNS.map((column) => {
      const isBad = BROKEN_PROMISES.includes(column.figure) && (fault.figures[column.figure]?.max ?? 0) > 0;
      return `<td${isBad ? ' class="bad"' : ""}>${escaped(formatSpread(fault, column))}</td>`;
    });
    const title = `<th title="${escaped(FAULTS[fault.fault].description)}">${fault.fault}</th>`;
    return `<tr>${title}<td>${fault.rounds.length}</td>${cells.join("")}</tr>`;
  });
  const notes = [
    ...faults.map(describeFirstFailures).filter((text) => text !== ""),
    ...notInjected.map(({ fault, why }) => `${fault}: not injected: ${why}`),
    `${acknowledged} registrations were acknowledged, ${lost === null ? "and nobody looked whether any is lost" : `${lost} of them lost`}; the load was at most ${round(behindMs)} ms behind its plan`,
    ...(endedEarly === null ? [] : [`ended early: ${endedEarly}`]),
  ];
  return `<h2>${escaped(name)}</h2>
<p>${escaped(setting)}. Median / p99 / max over the rounds, or median / max.</p>
<div class="wide"><table><thead><tr>${head.join("")}</tr></thead><tbody>${rows.join("\n")}</tbody></table></div>
<ul>${notes.map((note) => `<li>${escaped(note)}</li>`).join("")}</ul>`;
}

function ratiosHtml([base, ...others]: readonly Named[]): string {
  if (base === undefined || others.length === 0) return "";
  const rows = others.flatMap((other) =>
    ratiosOf(base, other).map(({ fault, figure, base: a, other: b, ratio }) => [
      ...[other.name, fault, figure],
      ...[`${round(a.median)}`, `${round(b.median)}`, `${round(ratio)}x`],
    ]),
  );
  if (rows.length === 0) return "";
  const head = ["beside", "fault", "median of", base.name, "the other", "ratio"];
  return `<h2>Ratios</h2><p>Above 1, ${escaped(base.name)} is quicker.</p>
${tableHtml({ head, rows, words: ["beside", "fault", "median of"] })}`;
}

const SCRIPT = `
const ms = (value) => value == null ? "" : value >= 1000 ? +(value / 1000).toPrecision(3) + " s" : +value.toPrecision(3) + " ms";

/** Ticks of a logarithmic scale: powers of ten alone are named, unless there are less than two. */
function powers(_, splits) {
  const isPower = (value) => value != null && Number.isInteger(Math.log10(value));
  const isNamed = splits.filter(isPower).length < 2 ? (value) => value != null : isPower;
  return splits.map((value) => isNamed(value) ? ms(value) : null);
}

function drawAround() {
  const parent = document.getElementById("around");
  for (const fault of new Set(SYSTEMS.flatMap((system) => system.faults.map((each) => each.fault)))) {
    const drawn = SYSTEMS.map((system, i) => ({ system, i, found: system.faults.find((each) => each.fault === fault) })).filter(({ found }) => found);
    const tables = drawn.map(({ found: { around } }) => [around.worstMs.map((_, i) => around.fromMs + i * around.bucketMs), around.worstMs]);
    const series = drawn.map(({ system, i }) => ({ label: system.name, stroke: colour(i), width: 1.5, spanGaps: true, points: { show: false }, value: (_, value) => ms(value) }));
    plot(parent, fault, {
      scales: { x: { time: false }, y: { distr: 3 } },
      axes: [axis("ms since the fault"), axis("latency", { values: powers, size: 70 })],
      series: [{ label: "since", value: (_, value) => ms(value) }, ...series],
      hooks: { drawClear: [(u) => line(u, 0)] },
    }, uPlot.join(tables));
  }
}

function line(u, at) {
  const x = u.valToPos(at, "x", true);
  u.ctx.save();
  u.ctx.strokeStyle = style("--bad");
  u.ctx.lineWidth = 2;
  u.ctx.beginPath();
  u.ctx.moveTo(x, u.bbox.top);
  u.ctx.lineTo(x, u.bbox.top + u.bbox.height);
  u.ctx.stroke();
  u.ctx.restore();
}

function drawDistributions() {
  const parent = document.getElementById("distributions");
  for (const operation of ["register", "renew", "lookup"]) {
    const drawn = SYSTEMS.flatMap((system, i) => system.distributions.filter((each) => each.operation === operation).map((each) => ({ system, i, each })));
    if (drawn.length === 0) continue;
    const tables = drawn.map(({ each }) => [each.points.map(([at]) => at), each.points.map(([, share]) => share)]);
    const series = drawn.map(({ system, i, each }) => ({
      label: system.name + ", " + (each.phase === "fault" ? "with faults" : "without faults"), stroke: colour(i), width: 1.5,
      dash: each.phase === "fault" ? [] : [6, 4], spanGaps: true, points: { show: false }, value: (_, value) => value == null ? "" : (value * 100).toFixed(2) + " %",
    }));
    plot(parent, operation, {
      scales: { x: { time: false, distr: 3 }, y: { range: [0, 1] } },
      axes: [axis("latency", { values: powers }), axis("share", { values: (_, splits) => splits.map((value) => Math.round(value * 100) + " %"), size: 70 })],
      series: [{ label: "latency", value: (_, value) => ms(value) }, ...series],
    }, uPlot.join(tables));
  }
}

function drawTimelines() {
  const parent = document.getElementById("timelines");
  for (const system of SYSTEMS) {
    const { bucketMs, worstMs, failed } = system.timeline;
    const seconds = failed.map((_, i) => i * bucketMs / 1000);
    const rounds = system.faults.flatMap(({ fault, rounds }) => rounds.map((round) => ({ fault, ...round })));
    const latency = ["register", "renew", "lookup"].map((operation, i) => ({ label: operation, stroke: colour(i), width: 1, spanGaps: false, points: { show: false }, value: (_, value) => ms(value) }));
    plot(parent, system.name, {
      height: 360,
      scales: { x: { time: false }, y: { distr: 3 }, failed: { range: (_, min, max) => [0, Math.max(10, max * 3)] } },
      axes: [axis("seconds since the load began"), axis("slowest", { values: powers, size: 70 }), axis("failed", { side: 1, scale: "failed", grid: { show: false } })],
      series: [{ label: "at", value: (_, value) => value == null ? "" : value.toFixed(1) + " s" }, ...latency,
        { label: "failed", scale: "failed", stroke: style("--bad"), fill: style("--bad"), width: 1, paths: uPlot.paths.bars({ size: [1, 100] }), points: { show: false }, value: (_, value) => value ?? "" }],
      hooks: bands(rounds),
    }, [seconds, worstMs.register, worstMs.renew, worstMs.lookup, failed.map((count) => count || null)]);
  }
}

function draw() {
  drawAround();
  drawDistributions();
  drawTimelines();
}
`;
