/**
 * Runs the simulator of the Raft core from the command line.
 *
 *   npm run sim -- --seed 42        replays one seed and says how it went
 *   npm run sim -- --seeds 5000     runs fresh seeds
 *   npm run sim -- --minutes 10     runs fresh seeds for that long
 *
 * A failing seed is printed with its plan and its last events; exit code 1.
 */

import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { type SimulationResult, simulate } from "../support/core-simulator.ts";

const { values } = parseArgs({
  options: { seed: { type: "string" }, seeds: { type: "string" }, minutes: { type: "string" } },
});

if (values.seed !== undefined) run([positive("seed", values.seed)], Number.POSITIVE_INFINITY);
else {
  const count = values.seeds === undefined ? Number.POSITIVE_INFINITY : positive("seeds", values.seeds);
  const minutes = values.minutes === undefined ? undefined : positive("minutes", values.minutes);
  const isBounded = values.seeds !== undefined || minutes !== undefined;
  run(freshSeeds(isBounded ? count : 1_000), performance.now() + (minutes ?? Number.POSITIVE_INFINITY) * 60_000);
}

function run(seeds: Iterable<number>, deadline: number): void {
  const counters = new Map<string, number>();
  const startedAt = performance.now();
  let done = 0;
  let last: SimulationResult | undefined;
  for (const seed of seeds) {
    if (performance.now() > deadline) break;
    try {
      last = simulate(seed);
    } catch (failure) {
      write(failure instanceof Error ? failure.message : String(failure));
      process.exitCode = 1;
      return;
    }
    done++;
    for (const [what, times] of last.counters) counters.set(what, (counters.get(what) ?? 0) + times);
  }
  for (const [what, times] of [...counters].sort()) write(`${String(times).padStart(12)}  ${what}`);
  if (done === 1 && last !== undefined)
    write(`trace ${last.traceHash.toString(16)}, ${last.committed} entries committed`);
  write(`${done} seeds, none failed, ${((performance.now() - startedAt) / Math.max(done, 1)).toFixed(1)} ms a seed`);
}

function* freshSeeds(count: number): Generator<number> {
  const first = randomInt(2 ** 31);
  for (let i = 0; i < count; i++) yield first + i;
}

function positive(option: string, value: string): number {
  const number = Number(value);
  if (Number.isFinite(number) && number > 0) return number;
  write(`--${option} must be a number above 0, not "${value}"`);
  process.exit(2);
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}
