/** One node of a local federation as a child process: started, stopped, killed, paused, and watched until it exits. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import type { PlannedNode } from "./options.ts";

/** Of glibc: what the threads of a node allocate and free would otherwise lie scattered over eight arenas for each core. */
const MALLOC_ARENA_MAX = "2";

export interface NodeExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export type NodeState = "running" | "paused" | "stopped";

export interface NodeProcessOptions {
  /** The program, then its arguments: what starts a node with the environment below. */
  readonly command: readonly [program: string, ...args: string[]];
  /** Asked at each start. */
  readonly environment: () => Readonly<Record<string, string>>;
  /** Between SIGTERM and SIGKILL. */
  readonly stopDeadlineMs: number;
  readonly onStart: (node: PlannedNode, pid: number) => void;
  readonly onExit: (node: PlannedNode, exit: NodeExit) => void;
}

const LOG_TAIL_BYTES = 4_096;

export class NodeProcess {
  readonly node: PlannedNode;
  readonly #options: NodeProcessOptions;
  #child: ChildProcess | undefined;
  #isPaused = false;
  #hasRun = false;

  constructor(node: PlannedNode, options: NodeProcessOptions) {
    this.node = node;
    this.#options = options;
  }

  get state(): NodeState {
    if (this.#child === undefined) return "stopped";
    return this.#isPaused ? "paused" : "running";
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the node; does nothing when it runs. Its output goes to its log file, anew for each federation. */
  start(): void {
    if (this.#child !== undefined) return;
    const [program, ...args] = this.#options.command;
    mkdirSync(dirname(this.node.logFile), { recursive: true });
    const log = openSync(this.node.logFile, this.#hasRun ? "a" : "w");
    const child = spawn(program, args, {
      env: { MALLOC_ARENA_MAX, ...process.env, ...this.#options.environment() },
      // The channel tells the node when this process is gone, however it went.
      stdio: ["ignore", log, log, "ipc"],
      // A group of its own: Ctrl-C in the terminal reaches this process alone, which stops the nodes in order.
      detached: true,
    });
    closeSync(log);
    this.#hasRun = true;
    this.#isPaused = false;
    this.#child = child;
    const onGone = (code: number | null, signal: NodeJS.Signals | null) => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.#options.onExit(this.node, { code, signal });
    };
    child.once("exit", onGone);
    // Emitted instead of "exit" when the program could not be started at all.
    child.once("error", () => onGone(null, null));
    if (child.pid !== undefined) this.#options.onStart(this.node, child.pid);
  }

  /** Asks the node to stop, and kills it when it has not within the deadline. Resolves once it is gone. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const isGone = once(child, "exit");
    this.resume();
    child.kill("SIGTERM");
    const deadline = setTimeout(() => child.kill("SIGKILL"), this.#options.stopDeadlineMs);
    await isGone;
    clearTimeout(deadline);
  }

  /** Kills the node as a power cut would. Resolves once it is gone. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const isGone = once(child, "exit");
    child.kill("SIGKILL");
    await isGone;
  }

  /** Freezes the node: it keeps its sockets and answers nothing. */
  pause(): boolean {
    if (this.state !== "running") return false;
    this.#isPaused = this.#child?.kill("SIGSTOP") ?? false;
    return this.#isPaused;
  }

  resume(): boolean {
    if (this.state !== "paused") return false;
    this.#isPaused = false;
    return this.#child?.kill("SIGCONT") ?? false;
  }

  /** The end of the node's log. */
  async logTail(): Promise<string> {
    const file = await open(this.node.logFile, "r");
    try {
      const { size } = await file.stat();
      const start = Math.max(0, size - LOG_TAIL_BYTES);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(LOG_TAIL_BYTES), 0, LOG_TAIL_BYTES, start);
      return buffer.toString("utf8", 0, bytesRead).trimEnd();
    } finally {
      await file.close();
    }
  }
}
