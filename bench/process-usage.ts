/** What processes cost: their share of a core and their memory, as /proc tells it. */

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** What one process has used so far, and holds now. */
export interface Usage {
  /** In user and kernel mode together, all threads. */
  readonly cpuMs: number;
  readonly rssBytes: number;
}

/** What one process used over some time. */
export interface ProcessCost {
  readonly name: string;
  /** 1 is a whole core. */
  readonly cores: number;
  readonly cpuMs: number;
  /** At the end. */
  readonly rssMiB: number;
}

export interface Units {
  readonly ticksPerSecond: number;
  readonly pageBytes: number;
}

/** Fields of /proc/PID/stat, counted from the one after the name, which may hold spaces and parentheses. */
const UTIME = 11;
const STIME = 12;
const RSS_PAGES = 21;

/** @throws Error when it is not such a line */
export function parseStat(line: string, { ticksPerSecond, pageBytes }: Units): Usage {
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  const [utime, stime, pages] = [UTIME, STIME, RSS_PAGES].map((field) => Number(fields[field]));
  if (utime === undefined || stime === undefined || pages === undefined || !Number.isFinite(utime + stime + pages)) {
    throw new Error(`not a line of /proc/PID/stat: ${line.slice(0, 80)}`);
  }
  return { cpuMs: ((utime + stime) * 1_000) / ticksPerSecond, rssBytes: pages * pageBytes };
}

/** Undefined when there is no such process, or no /proc. */
export function usageOf(pid: number): Usage | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"), units());
  } catch {
    return undefined;
  }
}

/** Starts to measure; the function returned says what each process used since, leaving out those that are gone. */
export function measureCost(
  processes: readonly { readonly name: string; readonly pid: number }[],
): () => ProcessCost[] {
  const beganAt = performance.now();
  const before = processes.map((process) => ({ ...process, usage: usageOf(process.pid) }));
  return () => {
    const elapsedMs = performance.now() - beganAt;
    return before.flatMap(({ name, pid, usage }) => {
      const now = usageOf(pid);
      if (usage === undefined || now === undefined) return [];
      const cpuMs = now.cpuMs - usage.cpuMs;
      return [{ name, cpuMs, cores: cpuMs / elapsedMs, rssMiB: now.rssBytes / 2 ** 20 }];
    });
  };
}

let known: Units | undefined;

function units(): Units {
  known ??= { ticksPerSecond: systemValue("CLK_TCK"), pageBytes: systemValue("PAGESIZE") };
  return known;
}

function systemValue(name: string): number {
  return Number(execFileSync("getconf", [name], { encoding: "utf8" }));
}
