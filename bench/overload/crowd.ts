/** Everybody who asks the node: two processes, the fleet that renews and the clients that write and look up. */

import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Place } from "./connections.ts";
import { KINDS, type Kind, type Order, type Said, type Setting, WINDOW_MS, type Window } from "./generator.ts";

const PROGRAM = join(import.meta.dirname, "generator.ts");

export interface Ask {
  readonly perSecond: Readonly<Record<Kind, number>>;
  readonly seconds: number;
  /** Whether writers and readers keep their connections. */
  readonly isKept?: boolean;
  /** Looked at after each window. */
  readonly isOver?: (windows: readonly Window[]) => boolean;
}

export class Crowd {
  readonly #generators: readonly Generator[];

  constructor(place: Place, agents: number) {
    const kinds: readonly (readonly Kind[])[] = [["renewal"], ["write", "lookup"]];
    this.#generators = kinds.map((some) => new Generator({ place, agents, kinds: some }));
  }

  /** Registers the fleet, and opens all connections. @throws Error when something was not answered */
  async open(leaseMs: number): Promise<void> {
    for (const generator of this.#generators) await generator.open(leaseMs);
  }

  /** Nobody asks before the first, and after it everybody as the last said. @returns what came of it */
  async ask({ perSecond, seconds, isKept = true, isOver = () => false }: Ask): Promise<Window[]> {
    for (const generator of this.#generators) generator.follow({ order: "ask", perSecond, isKept });
    const windows: Window[] = [];
    for (let i = 0; i < (seconds * 1_000) / WINDOW_MS && !isOver(windows); i++) {
      windows.push(merged(await Promise.all(this.#generators.map((generator) => generator.window()))));
    }
    return windows;
  }

  stop(): void {
    for (const generator of this.#generators) generator.stop();
  }
}

class Generator {
  readonly #child: ChildProcess;
  readonly #windows: Window[] = [];
  #wake = () => {};

  constructor(setting: Setting) {
    this.#child = fork(PROGRAM, [JSON.stringify(setting)], { serialization: "advanced" });
    this.#child.on("message", (said: Said) => {
      if (said.said !== "window") return;
      this.#windows.push(said);
      this.#wake();
    });
    this.#child.once("exit", () => this.#wake());
  }

  async open(leaseMs: number): Promise<void> {
    this.#tell({ order: "open", leaseMs });
    for (;;) {
      const [said] = (await once(this.#child, "message")) as [Said];
      if (said.said !== "opened") continue;
      if (said.failures > 0) throw new Error(`${said.failures} connections were not opened, or agents not registered`);
      return;
    }
  }

  follow(order: Order): void {
    this.#windows.length = 0;
    this.#tell(order);
  }

  /** @throws Error when the process has ended */
  async window(): Promise<Window> {
    while (this.#windows.length === 0) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) throw new Error("a generator has ended");
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#windows.shift()!;
  }

  stop(): void {
    this.#child.kill();
  }

  #tell(order: Order): void {
    this.#child.send(order);
  }
}

function merged(windows: readonly Window[]): Window {
  const outcomes = KINDS.flatMap((kind) => {
    const outcome = windows.find((window) => window.outcomes[kind] !== undefined)?.outcomes[kind];
    return outcome === undefined ? [] : [[kind, outcome] as const];
  });
  return {
    said: "window",
    outcomes: Object.fromEntries(outcomes),
    behindMs: Math.max(...windows.map(({ behindMs }) => behindMs)),
  };
}
