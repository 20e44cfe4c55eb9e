/**
 * A server as a child process: started, paused, killed, stopped, and gone when this process is.
 *
 * Its output goes to a file, so that reading it costs the load nothing, and so that the end of it can be told when the server
 * ends before it is wanted to.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { dirname } from "node:path";

const STOP_DEADLINE_MS = 10_000;
const OUTPUT_CHARS_SHOWN = 2_000;

export interface ServerCommand {
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** All of its environment, beside PATH. */
  readonly env?: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly logFile: string;
}

/** Whoever is still running when this process exits is killed: nothing is left behind, whatever ended it. */
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export class ServerProcess {
  readonly #command: ServerCommand;
  #child: ChildProcess;
  #exited: Promise<void>;

  constructor(command: ServerCommand) {
    this.#command = command;
    [this.#child, this.#exited] = launch(command);
  }

  get name(): string {
    return this.#command.name;
  }

  /** @throws Error when it does not run */
  get pid(): number {
    if (this.#child.pid === undefined) throw new Error(`${this.name} did not start`);
    return this.#child.pid;
  }

  get hasEnded(): boolean {
    const { pid, exitCode, signalCode } = this.#child;
    return pid === undefined || exitCode !== null || signalCode !== null;
  }

  /** Starts it again, with the same folder; does nothing when it runs. */
  start(): void {
    if (this.hasEnded) [this.#child, this.#exited] = launch(this.#command);
  }

  /** The end of what it printed. */
  get lastOutput(): string {
    return readFileSync(this.#command.logFile, "utf8").slice(-OUTPUT_CHARS_SHOWN).trim() || "it printed nothing";
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  /** Asks it to stop, and kills it when it has not within ten seconds. */
  async stop(): Promise<void> {
    if (this.hasEnded) return;
    this.#child.kill("SIGCONT");
    this.#child.kill("SIGTERM");
    const deadline = setTimeout(() => this.#child.kill("SIGKILL"), STOP_DEADLINE_MS);
    await this.#exited;
    clearTimeout(deadline);
  }
}

function launch({ program, args, env = {}, folder, logFile }: ServerCommand): [ChildProcess, Promise<void>] {
  mkdirSync(folder, { recursive: true });
  mkdirSync(dirname(logFile), { recursive: true });
  const log = openSync(logFile, "a");
  const child = spawn(program, args, {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, ...env },
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  running.add(child);
  const exited = new Promise<void>((resolve) => {
    const gone = () => {
      running.delete(child);
      resolve();
    };
    child.once("exit", gone);
    // Emitted instead when the program could not be started at all.
    child.once("error", gone);
  });
  return [child, exited];
}
