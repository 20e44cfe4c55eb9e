/**
 * Runs the commands of a page as its reader would: its `sh` blocks in order, in one shell, in a folder of their own
 * (CONTRIBUTING.md, "Commands in the documents").
 *
 * The folder looks like a clone of this repository. A command that fails ends the page, and is told with file and line; so is a
 * block that does not print what stands below it.
 */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { type Block, blocksOf } from "./document.ts";
import { until } from "./waiting.ts";

const ROOT = join(import.meta.dirname, "../..");
const BLOCK_TIMEOUT_MS = 120_000;
const OUTPUT_SHOWN = 4_000;
const LOG_SHOWN = 800;
/** What people make by running things in a clone, and what a clone does without. */
const NOT_IN_A_CLONE = new Set([".git", "dist", "atoll-data", ".atoll-dev"]);
/**
 * So that a page's nodes keep out of the way of those that somebody runs by the same page. `atoll dev` takes ports 10,000 above
 * these too, which are still below those that the system gives to outgoing connections.
 */
const PORTS = [
  { page: 8_000, test: 22_450 },
  { page: 4_000, test: 22_470 },
];
const PORT = /\b([48])([01])0(\d)\b/g;

export interface PageOptions {
  /** From the root of the repository, such as docs/operations.md. */
  readonly page: string;
  /** What the reader has in the environment, such as ATOLL_URL. */
  readonly env?: Readonly<Record<string, string>>;
  /** What a block runs in place of what stands there, by its first line; each with a reason. */
  readonly instead?: readonly Instead[];
  /** Languages of blocks that are neither commands nor what those print: something else tests them. */
  readonly alsoShows?: readonly string[];
}

/** What became of the blocks of a page. */
export interface PageReport {
  readonly run: number;
  /** Run in another form, or not at all, as `instead` says. */
  readonly replaced: number;
  /** Held against what the commands above them printed. */
  readonly compared: number;
}

export interface Instead {
  readonly firstLine: string;
  /** Empty when nothing is run. */
  readonly run: string;
  readonly because: string;
}

/** A shell that runs the blocks of one page. */
export class PageRun {
  readonly #page: string;
  readonly #instead: readonly Instead[];
  readonly #alsoShows: readonly string[];
  readonly #folder: string;
  readonly #shell: ChildProcess;
  #said = "";

  constructor({ page, instead = [], alsoShows = [], env = {} }: PageOptions) {
    this.#page = page;
    this.#instead = instead;
    this.#alsoShows = alsoShows;
    this.#folder = mkdtempSync(join(tmpdir(), "atoll-page-"));
    const bin = join(this.#folder, ".bin");
    makeClone(this.#folder);
    makeCommand(bin);
    this.#shell = spawn("bash", ["--noprofile", "--norc"], {
      cwd: this.#folder,
      env: {
        PATH: [bin, join(ROOT, "node_modules/.bin"), process.env.PATH].join(delimiter),
        HOME: this.#folder,
        ...env,
      },
      stdio: ["pipe", "ignore", "pipe"],
      // A group of its own, so that nothing which it starts outlives it.
      detached: true,
    });
    this.#shell.stderr!.on("data", (bytes) => {
      this.#said += bytes;
    });
    this.#shell.stdin!.write(PROLOGUE);
  }

  /**
   * Runs every block of commands, each followed by the comparison of what it printed.
   *
   * @throws AssertionError with file and line; also of a block that is in no language which a page may have
   */
  async run(): Promise<PageReport> {
    const blocks = blocksOf(readFileSync(join(ROOT, this.#page), "utf8"));
    for (const [i, block] of blocks.entries()) this.#assertRead(block, blocks[i - 1]);
    const unused = new Set(this.#instead);
    let [run, replaced, compared] = [0, 0, 0];
    for (const [i, block] of blocks.entries()) {
      if (block.language !== "sh") continue;
      const instead = this.#instead.find(
        ({ firstLine }) => block.text.startsWith(`${firstLine}\n`) || block.text === firstLine,
      );
      if (instead !== undefined) unused.delete(instead);
      const printed = await this.#runBlock(block, instead?.run ?? block.text);
      if (instead === undefined) run++;
      else replaced++;
      const shown = blocks[i + 1];
      if (instead === undefined && shown !== undefined && isOutput(shown)) {
        assertPrinted(printed, shown, `${this.#page}:${shown.line}`);
        compared++;
      }
    }
    assert.deepEqual([...unused], [], `${this.#page} has no block that begins so any more`);
    return { run, replaced, compared };
  }

  /** No block is left out for the way it is written. */
  #assertRead(block: Block, before: Block | undefined): void {
    const isRead =
      block.language === "sh" ||
      (isOutput(block) && before?.language === "sh") ||
      this.#alsoShows.includes(block.language);
    const language = block.language === "" ? "of no language" : `of ${block.language}`;
    assert.ok(isRead, `${this.#page}:${block.line}: a block ${language} that no test reads`);
  }

  /** Leaves no process and no file behind. */
  destroy(): void {
    if (this.#shell.exitCode === null && this.#shell.signalCode === null) process.kill(-this.#shell.pid!, "SIGTERM");
    this.#shell.stdin!.destroy();
    endGroup(this.#shell.pid!);
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }

  /** The last of what nodes logged, by the page's own commands. */
  #logs(): string {
    return readdirSync(this.#folder)
      .filter((name) => name.endsWith(".log"))
      .map((name) => `\n${name}: ...${readFileSync(join(this.#folder, name), "utf8").slice(-LOG_SHOWN)}`)
      .join("");
  }

  /** @returns what it printed */
  async #runBlock({ line }: Block, text: string): Promise<string> {
    const name = `${this.#page.replaceAll("/", "-")}-${line}`;
    const script = join(this.#folder, ".blocks", name);
    mkdirSync(join(this.#folder, ".blocks"), { recursive: true });
    // Bash counts lines as the page does.
    writeFileSync(script, "\n".repeat(line - 1) + withTestPorts(text));
    this.#shell.stdin!.write(
      `block_file='${script}'; source "$block_file" < /dev/null > '${script}.out' 2>&1; : > '${script}.done'\n`,
    );
    const read = () =>
      existsSync(`${script}.out`) ? stripVTControlCharacters(readFileSync(`${script}.out`, "utf8")) : "";
    const hasEnded = () => this.#shell.exitCode !== null || this.#shell.signalCode !== null;
    await until(() => existsSync(`${script}.done`) || hasEnded(), {
      what: `the block at ${this.#page}:${line}`,
      timeoutMs: BLOCK_TIMEOUT_MS,
      show: () => read().slice(-OUTPUT_SHOWN) + this.#logs(),
    });
    if (hasEnded()) {
      const at = /^AT (\d+)$/m.exec(this.#said)?.[1] ?? line;
      assert.fail(
        `${this.#page}:${at} failed\n${this.#said.replace(/^AT \d+$/m, "")}${read().slice(-OUTPUT_SHOWN)}${this.#logs()}`,
      );
    }
    return read();
  }
}

/**
 * The first command that fails ends the shell, and says in which line of the page it, or what called it, stands.
 */
const PROLOGUE = `exec 9>&2
set -eEu -o pipefail
trap 'at=$LINENO
for i in "\${!BASH_SOURCE[@]}"; do
  if [ "$i" -gt 0 ] && [ "\${BASH_SOURCE[$i]}" = "$block_file" ]; then at=\${BASH_LINENO[$((i - 1))]}; fi
done
echo "AT $at" >&9' ERR
`;

/** Of the commands that stand right above it. */
function isOutput({ language, followsBlock }: Block): boolean {
  return followsBlock && (language === "text" || language === "json");
}

function withTestPorts(text: string): string {
  return text.replace(PORT, (_, thousand: string, hundred: string, one: string) => {
    const { test } = PORTS.find(({ page }) => page === Number(thousand) * 1_000)!;
    return `${test + Number(hundred) * 100 + Number(one)}`;
  });
}

function makeClone(folder: string): void {
  for (const name of readdirSync(ROOT)) {
    if (!NOT_IN_A_CLONE.has(name)) symlinkSync(join(ROOT, name), join(folder, name));
  }
}

/** `atoll`, as an installed package has it. */
function makeCommand(bin: string): void {
  mkdirSync(bin);
  const file = join(bin, "atoll");
  writeFileSync(file, `#!/bin/sh\nexec '${process.execPath}' '${join(ROOT, "src/cli/main.ts")}' "$@"\n`);
  chmodSync(file, 0o755);
}

function endGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Holds what a block printed against what the page shows: a part of it, in order; `…` stands for anything. */
export function assertPrinted(printed: string, shown: Block, where: string): void {
  if (shown.language === "json") {
    const problem = differenceOf(JSON.parse(printed), JSON.parse(shown.text));
    assert.equal(problem, undefined, `${where}: ${problem}\nIt printed ${printed}`);
    return;
  }
  const lines = withTestPorts(shown.text).split("\n");
  let rest = printed.split("\n").map(squeeze);
  for (const [i, line] of lines.entries()) {
    const [file, first] = where.split(":");
    const pattern = new RegExp(`^${squeeze(line).split("…").map(escaped).join(".*")}$`);
    const found = rest.findIndex((each) => pattern.test(each));
    assert.notEqual(found, -1, `${file}:${Number(first) + i}: "${line}" is not there\nIt printed:\n${printed}`);
    rest = rest.slice(found + 1);
  }
}

const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
const squeeze = (line: string) => line.trim().replace(/\s+/g, " ");

/** Where an answer does not have what a page shows of it. */
function differenceOf(answer: unknown, shown: unknown, path = "the answer"): string | undefined {
  if (shown === "…") return undefined;
  if (typeof shown !== "object" || shown === null || typeof answer !== "object" || answer === null) {
    return Object.is(answer, shown) ? undefined : `${path} is ${JSON.stringify(answer)}, not ${JSON.stringify(shown)}`;
  }
  return Object.entries(shown)
    .map(([key, value]) => differenceOf((answer as Record<string, unknown>)[key], value, `${path}.${key}`))
    .find((problem) => problem !== undefined);
}
