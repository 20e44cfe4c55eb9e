/** What a command printed, as a pipe would see it. */

import { stripVTControlCharacters } from "node:util";
import type { Output } from "../../src/cli/output.ts";
import { run } from "../../src/cli/program.ts";

export interface Ran {
  readonly code: number;
  readonly printed: string;
  readonly noted: string;
}

/** Runs a command to its end. */
export async function runCommand(...argv: string[]): Promise<Ran> {
  const printed: string[] = [];
  const noted: string[] = [];
  const output: Output = {
    print: (text) => void printed.push(stripVTControlCharacters(text)),
    note: (text) => void noted.push(stripVTControlCharacters(text)),
  };
  const code = await run(argv, output);
  return { code, printed: printed.join("\n"), noted: noted.join("\n") };
}
