/**
 * A mutant: our own code with one line broken, which the suite must notice.
 *
 * A test that can not fail proves nothing. Each mutant breaks one rule of the protocol, the storage or the leases, in the one
 * place that carries it; a mutant that survives shows what nobody tests (`run.ts`).
 */

/** A world from seeds that can kill a mutant without a test written for it (`suites.ts`). */
export type SimulatorName = "core" | "node" | "federation";

export interface Mutant {
  /** What the broken program does; unique. */
  readonly name: string;
  /** The rules that it breaks, named as in the tests. */
  readonly rule: string;
  /**
   * Its number among the twenty that any simulator of Raft must kill, "+" for those that change from time to time, null for
   * one that the directed tests alone may kill.
   */
  readonly listed: number | "+" | null;
  /** Below the project's root, as are all paths here. */
  readonly file: string;
  /** A short text that occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** The test files that should kill it, the likeliest first. */
  readonly tests: readonly string[];
  /** Those that may kill it when the tests do not. */
  readonly simulators: readonly SimulatorName[];
}

/** What the mutants of one file have in common. */
export interface Place {
  readonly file: string;
  readonly tests: readonly string[];
  readonly simulators: readonly SimulatorName[];
}

export type Break = Pick<Mutant, "name" | "rule" | "find" | "replace"> & Partial<Pick<Mutant, "listed" | "tests">>;

/** The mutants of one file; `tests` of a break come before those of the file. */
export function mutantsOf({ file, tests, simulators }: Place, breaks: readonly Break[]): readonly Mutant[] {
  return breaks.map((each) => ({
    ...each,
    listed: each.listed ?? null,
    file,
    tests: [...new Set([...(each.tests ?? []), ...tests])],
    simulators,
  }));
}

/**
 * The text of the file with the mutant in it.
 *
 * @throws Error when `find` does not occur exactly once: the line it breaks was rewritten, and the mutant must follow
 */
export function mutate(mutant: Mutant, text: string): string {
  const parts = text.split(mutant.find);
  if (parts.length !== 2) {
    throw new Error(
      `mutant ${mutant.name}: the text to break occurs ${parts.length - 1} times in ${mutant.file}: ${mutant.find}`,
    );
  }
  return parts.join(mutant.replace);
}
