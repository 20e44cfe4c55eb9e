/** A copy of the project to break: the work tree itself is never touched. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, extname, join, resolve } from "node:path";
import { type Mutant, mutate } from "./mutant.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const COPIED = ["src", "test", "bench", "package.json", "tsconfig.json"];

export class Sandbox {
  readonly root: string;

  private constructor(root: string) {
    this.root = root;
  }

  static async create(): Promise<Sandbox> {
    const root = await mkdtemp(join(tmpdir(), "atoll-mutants-"));
    for (const name of COPIED) await cp(join(ROOT, name), join(root, name), { recursive: true });
    await symlink(join(ROOT, "node_modules"), join(root, "node_modules"));
    return new Sandbox(root);
  }

  async remove(): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }

  /** Runs `work` while the mutant lives here. */
  async withMutant<Result>(mutant: Mutant, work: () => Promise<Result>): Promise<Result> {
    const path = join(this.root, mutant.file);
    const intact = await readFile(path, "utf8");
    await writeFile(path, mutate(mutant, intact));
    try {
      return await work();
    } finally {
      await writeFile(path, intact);
    }
  }

  /**
   * Finds mutants that are no programs: they would die of nonsense, and prove nothing.
   *
   * All are checked at once, each as a file of its own beside the one it breaks; a broken line often leaves an import or a
   * parameter without use, which is no nonsense.
   *
   * @returns what the compiler says
   */
  async typeErrors(mutants: readonly Mutant[]): Promise<readonly string[]> {
    const added: string[] = [];
    for (const mutant of mutants) {
      const path = join(this.root, mutant.file);
      const slug = mutant.name.replaceAll(/[^a-z0-9]+/gi, "-");
      const beside = join(dirname(path), `${basename(path, extname(path))}.${slug}.ts`);
      await writeFile(beside, mutate(mutant, await readFile(path, "utf8")));
      added.push(beside);
    }
    const compiler = join(this.root, "node_modules/.bin/tsc");
    const child = spawn(compiler, ["--noEmit", "--noUnusedLocals", "false", "--noUnusedParameters", "false"], {
      cwd: this.root,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const output = (await child.stdout.toArray()).join("");
    if (child.exitCode === null) await once(child, "exit");
    for (const path of added) await rm(path);
    return output.split("\n").filter((line) => line !== "");
  }
}
