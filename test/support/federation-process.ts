/**
 * A real federation for end-to-end tests: `atoll dev --json` as a child process with a data folder of its own.
 *
 * Nothing here sleeps: a test waits for an event that the process prints, or for something it can ask a node for, and every
 * wait ends with a message that shows the last output.
 */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { until, within } from "./waiting.ts";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
/** Six nodes on two busy cores take a while to load. */
const READY_TIMEOUT_MS = 110_000;
const EVENT_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 30_000;
const OUTPUT_LINES_SHOWN = 30;

export interface DevEvent {
  readonly event: string;
  readonly [fact: string]: unknown;
}

export interface FederationNode {
  readonly name: string;
  readonly region: string;
  readonly http: string;
  /** Null while it does not run. */
  pid: number | null;
}

export interface FederationProcessOptions {
  /** Such as `us-east:3,us-west:3`. */
  readonly regions: string;
  /** Test files run one after the other, but each needs ports of its own. */
  readonly httpBase: number;
  readonly wanMs?: number;
  /** Of `atoll dev` and of every node: options such as ATOLL_REGISTRY_EXPIRY_CHECK_MS. */
  readonly env?: Readonly<Record<string, string>>;
}

interface Waiter {
  readonly isMet: (event: DevEvent) => boolean;
  readonly resolve: (event: DevEvent) => void;
}

export class FederationProcess {
  readonly nodes: readonly FederationNode[] = [];
  readonly dataDir: string;
  /** As it was when the federation got ready, by region. */
  readonly leaders = new Map<string, string>();
  readonly #child: ChildProcess;
  readonly #output: string[] = [];
  readonly #show = () => `last output of atoll dev:\n${this.#output.slice(-OUTPUT_LINES_SHOWN).join("\n") || "(none)"}`;
  readonly #waiters = new Set<Waiter>();
  readonly #observers: ((event: DevEvent) => void)[] = [];
  readonly #exited: Promise<number | null>;

  /** Resolves when the federation is ready. Whatever it started is gone when it rejects. */
  static async start(options: FederationProcessOptions): Promise<FederationProcess> {
    const dataDir = await mkdtemp(join(tmpdir(), "atoll-e2e-"));
    const federation = new FederationProcess(options, dataDir);
    try {
      const ready = await federation.waitFor(
        (event) => event.event === "ready",
        "the federation to be ready",
        READY_TIMEOUT_MS,
      );
      federation.#takeReady(ready as unknown as ReadyEvent);
      return federation;
    } catch (error) {
      await federation.destroy();
      throw error;
    }
  }

  private constructor({ regions, httpBase, wanMs = 0, env = {} }: FederationProcessOptions, dataDir: string) {
    this.dataDir = dataDir;
    const flags = [
      "--regions",
      regions,
      "--http-base",
      `${httpBase}`,
      "--data",
      join(dataDir, "nodes"),
      "--wan-ms",
      `${wanMs}`,
    ];
    this.#child = spawn(process.execPath, [MAIN, "dev", "--json", ...flags], {
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    // Closed early when the process dies; its exit is what the test then hears of.
    this.#child.stdin?.on("error", () => {});
    createInterface({ input: this.#child.stdout! }).on("line", (line) => this.#takeLine(line));
    createInterface({ input: this.#child.stderr! }).on("line", (line) => this.#output.push(line));
    this.#exited = new Promise((resolve) => this.#child.once("exit", resolve));
  }

  node(name: string): FederationNode {
    return this.nodes.find((node) => node.name === name) ?? assert.fail(`there is no node ${name}`);
  }

  nodesOf(region: string): FederationNode[] {
    return this.nodes.filter((node) => node.region === region);
  }

  /** The process of `atoll dev` itself. */
  get pid(): number {
    return this.#child.pid ?? assert.fail("atoll dev did not start");
  }

  /** Types one line. */
  send(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** Tells of every event from now on. */
  observe(observer: (event: DevEvent) => void): void {
    this.#observers.push(observer);
  }

  /** The next event that is as wanted, from now on. */
  waitFor(isMet: (event: DevEvent) => boolean, what: string, timeoutMs = EVENT_TIMEOUT_MS): Promise<DevEvent> {
    let waiter: Waiter | undefined;
    const met = new Promise<DevEvent>((resolve) => {
      waiter = { isMet, resolve };
      this.#waiters.add(waiter);
    });
    const ended = this.#exited.then((code) =>
      assert.fail(`atoll dev exited with ${code} before ${what}\n${this.#show()}`),
    );
    const wait = { what, timeoutMs, show: this.#show };
    return within(Promise.race([met, ended]), wait).finally(() => this.#waiters.delete(waiter!));
  }

  async kill(name: string): Promise<void> {
    await this.#do(`kill ${name}`, of("node-exited", name));
  }

  /** From outside, as the kernel or an operator would: `atoll dev` is not asked. */
  async killByPid(name: string, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const exited = this.waitFor(of("node-exited", name), `${name} to exit`);
    process.kill(this.node(name).pid ?? assert.fail(`${name} does not run`), signal);
    await exited;
  }

  async stopNode(name: string): Promise<void> {
    await this.#do(`stop ${name}`, of("node-exited", name));
  }

  /** Starts a node again, and waits until it can serve. */
  async restart(name: string): Promise<void> {
    await this.#do(`restart ${name}`, of("node-started", name));
    await this.untilServing(name);
  }

  async pause(name: string): Promise<void> {
    await this.#do(`pause ${name}`, of("node-paused", name));
  }

  async resume(name: string): Promise<void> {
    await this.#do(`resume ${name}`, of("node-resumed", name));
  }

  async cut(a: string, b: string): Promise<void> {
    await this.#do(`cut ${a} ${b}`, (event) => event.event === "cut");
  }

  async heal(a: string, b: string): Promise<void> {
    await this.#do(`heal ${a} ${b}`, (event) => event.event === "healed");
  }

  /** Bytes that the relays carried between two regions since the federation began, both ways together. */
  async carriedBytes(a: string, b: string): Promise<number> {
    const { carried } = (await this.#do("status", (event) => event.event === "status")) as unknown as StatusEvent;
    const pair = carried.find(({ regions }) => regions.includes(a) && regions.includes(b));
    return pair?.bytes ?? assert.fail(`there is no link between ${a} and ${b}`);
  }

  /** Starts every node that does not run, and waits until all can serve. */
  async startStopped(): Promise<void> {
    const stopped = this.nodes.filter(({ pid }) => pid === null);
    const started = stopped.map(({ name }) => this.waitFor(of("node-started", name), `${name} to start`));
    this.#child.kill("SIGHUP");
    await Promise.all(started);
    await Promise.all(stopped.map(({ name }) => this.untilServing(name)));
  }

  async untilServing(name: string): Promise<void> {
    const { http } = this.node(name);
    await this.until(async () => (await fetch(`${http}/ready`)).ok, `${name} to be ready`);
  }

  /** Asks again and again, until the answer is yes. An attempt that fails counts as a no. */
  until(isMet: () => boolean | Promise<boolean>, what: string, timeoutMs = EVENT_TIMEOUT_MS): Promise<void> {
    return until(isMet, { what, timeoutMs, show: this.#show });
  }

  /** The log of a node, for a message. */
  log(name: string): Promise<string> {
    return readFile(join(this.dataDir, "nodes", `${name}.log`), "utf8");
  }

  /** Ends the federation as Ctrl-C does. @returns the exit code */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    this.#child.kill(signal);
    try {
      return await within(this.#exited, { what: "atoll dev to stop", timeoutMs: STOP_TIMEOUT_MS, show: this.#show });
    } finally {
      await this.destroy();
    }
  }

  /** Leaves nothing behind, whatever state it is in: nodes stop by themselves when `atoll dev` is gone, but for those that are paused. */
  async destroy(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exited;
    for (const { pid } of this.nodes) if (pid !== null) end(pid);
    await rm(this.dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }

  async #do(line: string, isDone: (event: DevEvent) => boolean): Promise<DevEvent> {
    const answered = this.waitFor(
      (event) => isDone(event) || (event.event === "command-failed" && event.line === line),
      `"${line}" to be done`,
    );
    this.send(line);
    const event = await answered;
    if (event.event === "command-failed") assert.fail(`${line}: ${event.message}`);
    return event;
  }

  #takeReady({ regions }: ReadyEvent): void {
    for (const { region, leader, nodes } of regions) {
      this.leaders.set(region, leader);
      (this.nodes as FederationNode[]).push(...nodes.map((node) => ({ ...node, region })));
    }
  }

  #takeLine(line: string): void {
    this.#output.push(line);
    const event: DevEvent = JSON.parse(line);
    const node = this.nodes.find(({ name }) => name === event.name);
    if (node !== undefined && event.event === "node-started") node.pid = event.pid as number;
    if (node !== undefined && event.event === "node-exited") node.pid = null;
    for (const observer of this.#observers) observer(event);
    for (const { isMet, resolve } of [...this.#waiters]) if (isMet(event)) resolve(event);
  }
}

/** Ends a process that may be paused, or gone already. */
function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** The events of one kind about one node. */
function of(kind: string, name: string): (event: DevEvent) => boolean {
  return (event) => event.event === kind && event.name === name;
}

interface StatusEvent {
  readonly carried: readonly { readonly regions: readonly string[]; readonly bytes: number }[];
}

interface ReadyEvent {
  readonly regions: readonly {
    readonly region: string;
    readonly leader: string;
    readonly nodes: readonly { readonly name: string; readonly http: string; readonly pid: number }[];
  }[];
}
