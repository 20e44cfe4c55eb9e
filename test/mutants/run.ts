/**
 * Breaks our own code on purpose, one line at a time, and sees whether the suite notices.
 *
 *   npm run mutants                        all of them: directed tests first, then the simulators
 *   npm run mutants -- --only "vote|R1$"   those with a name, a rule or a file like it
 *   npm run mutants -- --sim-only          what the simulators alone kill of those on the checklist
 *   npm run mutants -- --seeds 20000       so many seeds of cores, a fiftieth of whole nodes, a
 *                                        tenth of federations, for at most --seconds 120
 *   npm run mutants -- --jobs 4 --json     so many at a time; the results as JSON on standard output
 *
 * Exit code 1 when a mutant survives (with --sim-only: more than two of the twenty), 2 when nothing could be concluded: the
 * suite fails without any mutant, or a mutant is no program.
 */

import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { AREAS, CATALOGUE } from "./catalogue.ts";
import type { Mutant, SimulatorName } from "./mutant.ts";
import { type Outcome, summaryOf, tableOf } from "./report.ts";
import { Sandbox } from "./sandbox.ts";
import {
  CORE_SEEDS_PER_FEDERATION_SEED,
  CORE_SEEDS_PER_NODE_SEED,
  type Effort,
  run,
  type Suite,
  simulator,
  testFile,
} from "./suites.ts";

/** Of the twenty, this many may live as far as the simulators alone are concerned. */
const SIMULATION_SURVIVORS_MAX = 2;

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    "sim-only": { type: "boolean", default: false },
    seeds: { type: "string" },
    seconds: { type: "string", default: "120" },
    jobs: { type: "string", default: String(availableParallelism()) },
    json: { type: "boolean", default: false },
  },
});
const isSimOnly = values["sim-only"];
// Where the simulators are only asked about what the directed tests let through, much is wrong already.
const coreSeeds = positive("seeds", values.seeds ?? (isSimOnly ? "4000" : "1000"));
const secondsMax = positive("seconds", values.seconds);
/** How far each simulator goes; no further than it came without a mutant. */
const efforts: Record<SimulatorName, Effort> = {
  core: { seeds: coreSeeds, seconds: secondsMax },
  node: { seeds: Math.ceil(coreSeeds / CORE_SEEDS_PER_NODE_SEED), seconds: secondsMax },
  federation: { seeds: Math.ceil(coreSeeds / CORE_SEEDS_PER_FEDERATION_SEED), seconds: secondsMax },
};
const jobs = positive("jobs", values.jobs);

const chosen = CATALOGUE.filter((mutant) => isNamed(mutant) && (!isSimOnly || isForSimulators(mutant)));
if (chosen.length === 0) fail(`no mutant is like --only ${values.only}`);
process.exitCode = await main();

async function main(): Promise<number> {
  const startedAt = performance.now();
  const sandboxes = await Promise.all(Array.from({ length: Math.min(jobs, chosen.length) }, () => Sandbox.create()));
  const clean = () => Promise.all(sandboxes.map((sandbox) => sandbox.remove()));
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => clean().finally(() => process.exit(130)));
  }
  try {
    if (!(await isSound(sandboxes))) return 2;
    const outcomes = await each(chosen, sandboxes, (mutant, sandbox) => tryToKill(mutant, sandbox));
    const order = new Map(CATALOGUE.map((mutant, i) => [mutant, i]));
    outcomes.sort((a, b) => order.get(a.mutant)! - order.get(b.mutant)!);
    const seconds = (performance.now() - startedAt) / 1_000;
    if (values.json) process.stdout.write(`${JSON.stringify({ seconds, outcomes }, null, 2)}\n`);
    else process.stdout.write(`${tableOf(AREAS, outcomes)}\n${summaryOf(outcomes, seconds)}\n`);
    return hasPassed(outcomes) ? 0 : 1;
  } finally {
    await clean();
  }
}

/** Whether a failure would mean anything: each suite is green without a mutant, and each mutant is a program. */
async function isSound(sandboxes: readonly Sandbox[]): Promise<boolean> {
  const errors = await sandboxes[0]!.typeErrors(chosen);
  for (const error of errors) progress(error);
  if (errors.length > 0) return false;
  const suites = new Map(chosen.flatMap(suitesFor).map((suite) => [suite.name, suite]));
  const verdicts = await each([...suites.values()], sandboxes, async (suite, { root }) => {
    const verdict = await run(suite, root);
    const what = verdict.is === "passed" ? `${verdict.count} passed` : `failed: ${verdict.firstFailure}`;
    progress(`without a mutant  ${suite.name}, ${verdict.seconds.toFixed(1)} s, ${what}`);
    return { suite, verdict };
  });
  for (const name of ["core", "node"] as const) {
    const done = verdicts.find(({ suite }) => suite.name === simulator(name, efforts[name]).name);
    if (done?.verdict.is === "passed") efforts[name] = { seeds: done.verdict.count, seconds: secondsMax };
  }
  return verdicts.every(({ verdict }) => verdict.is === "passed");
}

function suitesFor({ tests, simulators }: Mutant): Suite[] {
  const directed = isSimOnly ? [] : tests.map(testFile);
  return [...directed, ...simulators.map((name) => simulator(name, efforts[name]))];
}

async function tryToKill(mutant: Mutant, sandbox: Sandbox): Promise<Outcome> {
  return sandbox.withMutant(mutant, async () => {
    let seconds = 0;
    for (const suite of suitesFor(mutant)) {
      const verdict = await run(suite, sandbox.root);
      seconds += verdict.seconds;
      if (verdict.is === "passed") continue;
      progress(`killed    ${mutant.name}, ${seconds.toFixed(1)} s`);
      return { mutant, seconds, killer: { suite: suite.name, test: verdict.firstFailure } };
    }
    progress(`SURVIVED  ${mutant.name}, ${seconds.toFixed(1)} s`);
    return { mutant, seconds, killer: null };
  });
}

/** Works through the items, one at a time in each sandbox. */
async function each<Item, Result>(
  items: readonly Item[],
  sandboxes: readonly Sandbox[],
  work: (item: Item, sandbox: Sandbox) => Promise<Result>,
): Promise<Result[]> {
  const waiting = [...items];
  const results: Result[] = [];
  const worker = async (sandbox: Sandbox) => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift())
      results.push(await work(item, sandbox));
  };
  await Promise.all(sandboxes.map(worker));
  return results;
}

function hasPassed(outcomes: readonly Outcome[]): boolean {
  const survivors = outcomes.filter(({ killer }) => killer === null);
  if (!isSimOnly) return survivors.length === 0;
  return new Set(survivors.flatMap(({ mutant }) => numberOf(mutant))).size <= SIMULATION_SURVIVORS_MAX;
}

function numberOf({ listed }: Mutant): number[] {
  return typeof listed === "number" ? [listed] : [];
}

function isForSimulators({ listed, simulators }: Mutant): boolean {
  return listed !== null && simulators.length > 0;
}

function isNamed({ name, rule, file }: Mutant): boolean {
  return [name, rule, file].some((text) => new RegExp(values.only, "i").test(text));
}

function positive(option: string, value: string): number {
  const number = Number(value);
  if (Number.isInteger(number) && number > 0) return number;
  return fail(`--${option} must be a whole number above 0, not "${value}"`);
}

function fail(message: string): never {
  progress(message);
  process.exit(2);
}

/** Beside the results, so that those can be piped on. */
function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}
