/** How a running local federation speaks: JSON lines for programs, text for people. */

import { createSpinner } from "nanospinner";
import { formatTable, type Output, style } from "../output.ts";
import type { ConsoleReporter } from "./console.ts";
import type { FederationEvent, FederationStatus, NodeReport } from "./federation.ts";
import type { DevOptions } from "./options.ts";
import type { ReadyRegion } from "./readiness.ts";

export interface DevReporter extends ConsoleReporter {
  progress(missing: string): void;
  ready(regions: readonly ReadyRegion[], status: FederationStatus): void;
  event(event: FederationEvent): void;
  stopping(): void;
  /** The federation did not get ready. */
  startFailed(): void;
}

/** One JSON object per line. Nothing is said before `ready`, so that it is the first line. */
export function jsonReporter(output: Output): DevReporter {
  let isReady = false;
  const say = (value: object) => {
    if (isReady) output.print(JSON.stringify(value));
  };
  return {
    progress() {},
    ready(regions, { nodes }) {
      isReady = true;
      say({
        event: "ready",
        regions: regions.map(({ region, leader }) => ({
          region,
          leader,
          nodes: nodes.filter((node) => node.region === region).map(({ name, http, pid }) => ({ name, http, pid })),
        })),
      });
    },
    event: say,
    status: (status) => say({ event: "status", ...status }),
    help: (text) => say({ event: "help", text }),
    failed: (line, message) => say({ event: "command-failed", line, message }),
    stopping: () => say({ event: "stopping" }),
    startFailed() {},
  };
}

export function humanReporter(output: Output, { dataDir, regions, wanMs }: DevOptions): DevReporter {
  const startedMs = performance.now();
  const count = regions.reduce((sum, { nodes }) => sum + nodes, 0);
  const title = `Starting ${plural(count, "node")} in ${plural(regions.length, "region")}`;
  const spinner = createSpinner(title, { stream: process.stderr }).start();
  let isReady = false;
  return {
    progress: (missing) => void spinner.update(`${title}: ${missing}`),
    ready(ready, { nodes }) {
      isReady = true;
      const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
      spinner.success(`Ready in ${seconds} s`);
      output.print(`\n${formatFederation(ready, nodes)}\n\n${tryNext(ready, nodes)}\n`);
      if (wanMs > 0) output.print(style.dim(`Regions are ${wanMs} ms apart, one way.`));
      output.print(
        style.dim(`Logs: ${dataDir}/NODE.log. Type help for what can be broken and mended here. Ctrl-C stops all.`),
      );
    },
    event(event) {
      if (isReady) output.print(describe(event));
    },
    status({ nodes, cuts, carried }) {
      const rows = nodes.map(({ name, http, pid, state }) => [name, http, String(pid ?? "-"), colourState(state)]);
      output.print(formatTable(["NODE", "HTTP", "PID", "STATE"], rows));
      for (const { regions, bytes } of carried) {
        output.print(style.dim(`${regions.join(" and ")}: ${(bytes / 1_024).toFixed(1)} KiB so far`));
      }
      for (const [a, b] of cuts) output.print(style.yellow(`${a} and ${b} are cut from each other`));
    },
    help: (text) => output.print(text),
    failed: (_, message) => output.note(style.red(message)),
    stopping() {
      isReady = false;
      spinner.reset().start("Stopping every node");
    },
    startFailed: () => void spinner.error("Not started"),
  };
}

function formatFederation(regions: readonly ReadyRegion[], nodes: readonly NodeReport[]): string {
  const rows = nodes.map(({ name, region, http, pid }) => [
    region,
    regions.some(({ leader }) => leader === name) ? `${name} ${style.green("leader")}` : name,
    http,
    String(pid ?? "-"),
  ]);
  return formatTable(["REGION", "NODE", "HTTP", "PID"], rows);
}

/** Lines to copy and paste. The lease is long, so that the agent is still there when they are tried. */
function tryNext(regions: readonly ReadyRegion[], nodes: readonly NodeReport[]): string {
  const first = nodes[0]!;
  const abroad = nodes.find(({ region }) => region !== first.region) ?? nodes.at(-1)!;
  const leader = nodes.find(({ name }) => name === regions[0]?.leader) ?? first;
  const agent = JSON.stringify({ endpoint: "http://127.0.0.1:9000", capabilities: ["greeting"], leaseMs: 3_600_000 });
  const steps = [
    [
      `register an agent in ${first.region}`,
      `curl -X PUT ${first.http}/v1/agents/hello -H 'content-type: application/json' -d '${agent}'`,
    ],
    [`find it from ${abroad.region}`, `curl '${abroad.http}/v1/lookup?capability=greeting'`],
    [`kill the leader of ${leader.region}, then find the agent again`, `kill -9 ${leader.pid}`],
    ["and bring it back: type here", `restart ${leader.name}`],
  ];
  return steps.map(([what, line]) => `  ${style.dim(`# ${what}`)}\n  ${line}`).join("\n");
}

function describe(event: FederationEvent): string {
  switch (event.event) {
    case "node-started":
      return `${event.name} ${style.green("started")}, pid ${event.pid}`;
    case "node-exited":
      return `${event.name} ${style.red("exited")} (${event.signal ?? `code ${event.code}`}): restart ${event.name} brings it back`;
    case "node-paused":
      return `${event.name} ${style.yellow("paused")}: resume ${event.name} lets it go on`;
    case "node-resumed":
      return `${event.name} ${style.green("resumed")}`;
    case "cut":
      return `${event.regions.join(" and ")} ${style.red("cut")} from each other: heal ${event.regions.join(" ")} mends it`;
    case "healed":
      return `${event.regions.join(" and ")} ${style.green("joined again")}`;
  }
}

function colourState(state: NodeReport["state"]): string {
  return { running: style.green, paused: style.yellow, stopped: style.red }[state](state);
}

const plural = (count: number, what: string) => `${count} ${what}${count === 1 ? "" : "s"}`;
