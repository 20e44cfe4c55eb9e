/**
 * Runs this program again under a newer Node that npm brings, as `npm start` does in a clone: whoever runs the package by `npx`
 * has agreed to what it fetches. An older Node loads this file, so it imports nothing but Node.
 */

import { spawn } from "node:child_process";

const PACKAGE = "node@24";
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** npm, where it is what runs this program and can bring another Node; undefined elsewhere, as in a global installation. */
export function runningNpm(env: NodeJS.ProcessEnv): string | undefined {
  return env.npm_command === "exec" ? env.npm_execpath : undefined;
}

/**
 * Resolves with the exit code, 1 when the newer Node could not be had, which is said, or was killed. Signals are handed on.
 *
 * @param npm - as `runningNpm` found it
 * @param words - the program and its arguments
 */
export function runWithNewerNode(npm: string, words: readonly string[]): Promise<number> {
  const exec = ["exec", "--yes", "--loglevel=error", `--package=${PACKAGE}`, "--", "node"];
  const child = spawn(process.execPath, [npm, ...exec, ...words], { stdio: "inherit" });
  // What a terminal sends, all of its processes get: this one only waits for the other's end.
  for (const signal of SIGNALS) process.on(signal, () => signal !== "SIGINT" && child.kill(signal));
  return new Promise((resolve) => {
    child.once("error", (error) => {
      process.stderr.write(`npm did not run: ${error.message}\n`);
      resolve(1);
    });
    child.once("exit", (code) => resolve(code ?? 1));
  });
}
