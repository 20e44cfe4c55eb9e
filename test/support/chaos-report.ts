/** What a recorded history amounts to, for people: operations, faults, the longest time without a write, the verdict. */

import { formatTable } from "../../src/cli/output.ts";
import { type HistoryEvent, NEMESIS, type Operation, operationsOf } from "./history.ts";
import { checkLinearizability, describeLinearizability, type Linearizability } from "./linearizability.ts";

export interface ChaosReport {
  readonly result: Linearizability;
  readonly operations: readonly Operation[];
  /** What was done, how often. */
  readonly faults: ReadonlyMap<string, number>;
  /** By region, in milliseconds: the longest time in which no write was acknowledged while clients wrote. */
  readonly longestGaps: ReadonlyMap<string, number>;
}

/** @throws HistoryError when the events are no history */
export function reportOf(events: readonly HistoryEvent[]): ChaosReport {
  const operations = operationsOf(events);
  const faults = new Map<string, number>();
  for (const { process, f } of events) if (process === NEMESIS) faults.set(f, (faults.get(f) ?? 0) + 1);
  const byRegion = Map.groupBy(operations, ({ key }) => regionOf(key));
  const longestGaps = new Map([...byRegion].map(([region, ofRegion]) => [region, longestGapMs(ofRegion)]));
  return { result: checkLinearizability(events), operations, faults, longestGaps };
}

export function formatChaosReport({ result, operations, faults, longestGaps }: ChaosReport): string {
  const rows = ["write", "delete", "read"].map((f) => {
    const ofKind = operations.filter((operation) => operation.f === f);
    return [f, ...(["ok", "fail", "info"] as const).map((outcome) => `${count(ofKind, outcome)}`)];
  });
  const troubles = [...Map.groupBy(operations, ({ outcome, error }) => `${outcome} ${error}`)]
    .filter(([, [first]]) => first?.error !== undefined)
    .map(([name, { length }]) => [name, `${length}`]);
  return [
    formatTable(["OPERATION", "OK", "FAILED", "UNKNOWN"], rows),
    formatTable(["ERROR", "TIMES"], troubles.sort()),
    formatTable(
      ["FAULT", "TIMES"],
      [...faults].sort().map(([fault, times]) => [fault, `${times}`]),
    ),
    formatTable(
      ["REGION", "LONGEST WITHOUT A WRITE"],
      [...longestGaps].sort().map(([region, ms]) => [region, `${(ms / 1_000).toFixed(2)} s`]),
    ),
    describeLinearizability(result),
  ].join("\n\n");
}

function count(operations: readonly Operation[], outcome: Operation["outcome"]): number {
  return operations.filter((operation) => operation.outcome === outcome).length;
}

/** Keys begin with the name of their region. */
function regionOf(key: string): string {
  return key.replace(/-key-.*$/, "");
}

function longestGapMs(operations: readonly Operation[]): number {
  const writes = operations.filter(({ f }) => f !== "read");
  const acknowledged = writes.filter(({ outcome }) => outcome === "ok").map(({ completedMs }) => completedMs);
  const ends = writes.flatMap(({ invokedMs, completedMs }) => [invokedMs, completedMs]).filter(Number.isFinite);
  if (ends.length === 0) return 0;
  const times = [Math.min(...ends), ...acknowledged.sort((a, b) => a - b), Math.max(...ends)];
  return Math.max(...times.slice(1).map((time, i) => time - times[i]!));
}
