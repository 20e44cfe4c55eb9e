/**
 * Runs the simulators from the command line.
 *
 *   npm run sim -- --seed 42                 replays one seed and says how it went
 *   npm run sim -- --seed 42 --shrink        and, when it fails, finds the smallest part of its plan that still does
 *   npm run sim -- --seeds 500               runs so many fresh seeds
 *   npm run sim -- --minutes 10              runs fresh seeds for so many minutes of real time
 *   npm run sim -- --seed 42 --minutes 10    runs seeds from 42 on
 *
 * Whole nodes by default; `--level core` takes bare Raft cores instead, `--level federation` whole federations. For whole
 * nodes `--nodes 5` and `--heartbeat 50` fix what each seed would draw, and `--without network,disk` leaves parts of a plan
 * out; for them and for federations `--keep 3,17` leaves out all faults but these, by number.
 *
 * A failing seed is printed with its plan, its last events and the way to replay it; exit code 1.
 */

import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { simulate } from "../support/core-simulator.ts";
import { drawFederationPlan, withFaults } from "../support/federation-sim-plan.ts";
import { simulateFederationPlan } from "../support/federation-sim-run.ts";
import { drawNodePlan, type Mask, masked, NOISES, type Noise, type PlanOptions } from "../support/node-sim-plan.ts";
import { simulateNodes } from "../support/node-sim-run.ts";
import { shrinkPlan } from "../support/node-sim-shrink.ts";

const { values } = parseArgs({
  options: {
    level: { type: "string", default: "node" },
    seed: { type: "string" },
    seeds: { type: "string" },
    minutes: { type: "string" },
    nodes: { type: "string" },
    heartbeat: { type: "string" },
    keep: { type: "string" },
    without: { type: "string" },
    shrink: { type: "boolean", default: false },
  },
});

const DEFAULT_SEEDS = 200;
const MINUTE_MS = 60_000;

/** What a run adds to the totals. */
interface Outcome {
  readonly virtualMs: number;
  readonly events: number;
  readonly traceHash: number;
  readonly committed: number;
  readonly checks: number;
  readonly operations?: number;
  readonly counters: ReadonlyMap<string, number>;
}

const options: PlanOptions = {
  ...(values.nodes !== undefined && { nodes: positive("nodes", values.nodes) }),
  ...(values.heartbeat !== undefined && { heartbeatMs: positive("heartbeat", values.heartbeat) }),
};
const mask: Mask = {
  ...(values.keep !== undefined && { faults: values.keep.split(",").filter(Boolean).map(Number) }),
  ...(values.without !== undefined && { without: values.without.split(",").map(noise) }),
};

const LEVELS: Record<string, (seed: number) => Promise<Outcome>> = {
  core: async (seed) => simulate(seed),
  node: (seed) => simulateNodes(planOf(seed)),
  federation: (seed) => {
    const plan = drawFederationPlan(seed);
    return simulateFederationPlan(mask.faults === undefined ? plan : withFaults(plan, mask.faults));
  },
};

async function runAll(run: (seed: number) => Promise<Outcome>): Promise<void> {
  const { seed, seeds, minutes } = values;
  const first = seed === undefined ? randomInt(2 ** 31) : positive("seed", seed);
  const isBounded = seed !== undefined && seeds === undefined && minutes === undefined;
  const byDefault = minutes === undefined ? DEFAULT_SEEDS : Number.POSITIVE_INFINITY;
  const count = isBounded ? 1 : seeds === undefined ? byDefault : positive("seeds", seeds);
  const totals = new Totals();
  const limitMs = minutes === undefined ? Number.POSITIVE_INFINITY : positive("minutes", minutes) * MINUTE_MS;
  for (let next = first; next < first + count && totals.realMs < limitMs; next++) {
    try {
      totals.add(await run(next));
    } catch (failure) {
      totals.print();
      write(failure instanceof Error ? failure.message : String(failure));
      write(`replay: npm run sim -- ${replayOf(next, mask)}`);
      process.exitCode = 1;
      if (values.shrink && values.level === "node") await shrink(next);
      return;
    }
  }
  totals.print();
}

async function shrink(seed: number): Promise<void> {
  write("");
  const shrunk = await shrinkPlan(planOf(seed), (smaller) => write(`still fails: ${replayOf(seed, smaller)}`));
  write("");
  write(shrunk.failure.message);
  write(`smallest: npm run sim -- ${replayOf(seed, shrunk.mask)}`);
}

class Totals {
  readonly #startedAt = performance.now();
  readonly #cpu = process.cpuUsage();
  readonly #counters = new Map<string, number>();
  #seeds = 0;
  #virtualMs = 0;
  #events = 0;
  #checks = 0;
  #operations = 0;
  #committed = 0;
  #last: Outcome | undefined;

  get realMs(): number {
    return performance.now() - this.#startedAt;
  }

  add(outcome: Outcome): void {
    this.#seeds++;
    this.#virtualMs += outcome.virtualMs;
    this.#events += outcome.events;
    this.#checks += outcome.checks;
    this.#operations += outcome.operations ?? 0;
    this.#committed += outcome.committed;
    this.#last = outcome;
    for (const [what, times] of outcome.counters) this.#counters.set(what, (this.#counters.get(what) ?? 0) + times);
  }

  print(): void {
    if (this.#seeds === 0) return;
    for (const [what, times] of [...this.#counters].sort()) write(`${String(times).padStart(12)}  ${what}`);
    if (this.#seeds === 1) write(`trace ${this.#last!.traceHash.toString(16)}`);
    const { user, system } = process.cpuUsage(this.#cpu);
    const cpuMs = (user + system) / 1_000;
    const faults = [...this.#counters].reduce(
      (sum, [what, times]) => sum + (what.startsWith("fault: ") ? times : 0),
      0,
    );
    const minutes = this.#virtualMs / MINUTE_MS;
    const parts = [
      `${minutes.toFixed(1)} simulated minutes`,
      `${this.#events} events`,
      `${this.#committed} entries committed`,
      `${this.#checks} checks of invariants`,
      ...(values.level === "node" ? [`${faults} faults`, `${Math.round(this.#operations)} operations explained`] : []),
    ];
    write(`${this.#seeds} seeds passed: ${parts.join(", ")}`);
    const speed = (spentMs: number) => (this.#virtualMs / Math.max(spentMs, 1)).toFixed(0);
    write(
      `${speed(this.realMs)} simulated seconds a second of real time, ${speed(cpuMs)} a second of processor time, ` +
        `${(cpuMs / Math.max(minutes, 1e-9)).toFixed(1)} ms of it for a simulated minute`,
    );
  }
}

function planOf(seed: number) {
  return masked(drawNodePlan(seed, options), mask);
}

function replayOf(seed: number, { faults, without }: Mask): string {
  const parts = [`--seed ${seed}`];
  if (values.level !== "node") parts.push(`--level ${values.level}`);
  if (values.nodes !== undefined) parts.push(`--nodes ${values.nodes}`);
  if (values.heartbeat !== undefined) parts.push(`--heartbeat ${values.heartbeat}`);
  if (faults !== undefined) parts.push(`--keep "${faults.join()}"`);
  if (without !== undefined && without.length > 0) parts.push(`--without ${without.join()}`);
  return parts.join(" ");
}

function noise(text: string): Noise {
  const found = NOISES.find((name) => name === text);
  return found ?? fail(`--without knows ${NOISES.join(", ")}, not "${text}"`);
}

function positive(option: string, value: string): number {
  const number = Number(value);
  return Number.isFinite(number) && number > 0 ? number : fail(`--${option} must be a number above 0, not "${value}"`);
}

function fail(message: string): never {
  write(message);
  process.exit(2);
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}

const run = LEVELS[values.level];
if (run === undefined) fail(`--level must be core, node or federation, not "${values.level}"`);
else await runAll(run);
