/**
 * Single nodes for end-to-end tests: `atoll start` as a child process, with a data folder and ports that stay the same however
 * often it is started, and `atoll` commands that ask it.
 *
 * A federation that stands as a whole is in `federation-process.ts`; here a test decides which node is told of which others,
 * and may do to its disk what it wants.
 */

import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ApiClient, type MemberView } from "../../src/cli/api-client.ts";
import { until, type Wait, within } from "./waiting.ts";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
/** A node on a busy machine takes some seconds to load, and as many to be taken in. */
const TIMEOUT_MS = 60_000;
const OUTPUT_LINES_SHOWN = 25;
/** Ports for nodes lie so far above those for agents. */
const NETWORK_PORT_OFFSET = 50;

export interface LogLine {
  readonly code: string;
  readonly [fact: string]: unknown;
}

/** How an `atoll` command ended. */
export interface CommandEnd {
  readonly exitCode: number;
  /** What it printed, where that is JSON. */
  readonly answer: unknown;
  /** What it said to people. */
  readonly said: string;
}

export interface ProcessGroupOptions {
  readonly region: string;
  /** Nodes get this port and the next ones, and as many 50 above. */
  readonly httpBase: number;
  /** Options of every node, such as ATOLL_RAFT_LOG_ENTRIES_MAX. */
  readonly env?: Readonly<Record<string, string>>;
  /** The shared key of the federation; one of its own when absent. */
  readonly key?: string;
}

/** The nodes of one region, their folder and their key. */
export class ProcessGroup {
  readonly nodes: NodeProcess[] = [];
  readonly #options: ProcessGroupOptions;
  readonly #folder: string;
  readonly #key: string;

  static async create(options: ProcessGroupOptions): Promise<ProcessGroup> {
    return new ProcessGroup(options, await mkdtemp(join(tmpdir(), "atoll-nodes-")));
  }

  private constructor(options: ProcessGroupOptions, folder: string) {
    this.#options = options;
    this.#folder = folder;
    this.#key = options.key ?? randomBytes(32).toString("hex");
  }

  /** A node that does not run yet. A second one of the same name is another machine that took the name. */
  add(name: string): NodeProcess {
    return this.#place(name, join(this.#folder, `${this.nodes.length}-${name}`));
  }

  /** The same node at other ports: its identity and its data are those that it had. It does not run yet. */
  async move(node: NodeProcess): Promise<NodeProcess> {
    await node.kill();
    return this.#place(node.name, node.dataDir);
  }

  #place(name: string, dataDir: string): NodeProcess {
    const { region, httpBase, env = {} } = this.#options;
    const number = this.nodes.length;
    const ports = { http: httpBase + number, network: httpBase + NETWORK_PORT_OFFSET + number };
    const shared = { ...env, ATOLL_REGION: region, ENCRYPTION_KEY: this.#key };
    const node = new NodeProcess({ name, dataDir, ports, env: shared });
    this.nodes.push(node);
    return node;
  }

  /** Leaves no process and no file behind. */
  async destroy(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    await rm(this.#folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

interface NodePlace {
  readonly name: string;
  readonly dataDir: string;
  readonly ports: { readonly http: number; readonly network: number };
  readonly env: Readonly<Record<string, string>>;
}

/** One start of a node. */
interface Run {
  readonly child: ChildProcess;
  readonly lines: LogLine[];
  /** The last lines of both outputs, in order. */
  readonly output: string[];
  readonly exited: Promise<number | null>;
  /** It ended, and all it printed was read. */
  hasEnded: boolean;
}

export class NodeProcess {
  readonly name: string;
  readonly dataDir: string;
  readonly http: string;
  /** Where other nodes reach it, with its name. */
  readonly address: string;
  /** The port of that. */
  readonly networkPort: number;
  readonly api: ApiClient;
  readonly #place: NodePlace;
  #run: Run | undefined;

  constructor(place: NodePlace) {
    this.#place = place;
    this.name = place.name;
    this.dataDir = place.dataDir;
    this.http = `http://127.0.0.1:${place.ports.http}`;
    this.networkPort = place.ports.network;
    this.address = `${place.name}@127.0.0.1:${place.ports.network}`;
    this.api = new ApiClient(this.http);
  }

  get isRunning(): boolean {
    return this.#run !== undefined && !this.#run.hasEnded;
  }

  /**
   * @param others - who ATOLL_MEMBERS names beside this node
   * @param more - options of this start alone
   */
  start(others: readonly NodeProcess[] = [], more: Readonly<Record<string, string>> = {}): void {
    assert.ok(!this.isRunning, `${this.name} runs already`);
    const { name, dataDir, ports, env } = this.#place;
    const own = {
      ATOLL_NAME: name,
      ATOLL_DATA_DIR: dataDir,
      ATOLL_HTTP_PORT: `${ports.http}`,
      ATOLL_NETWORK_PORT: `${ports.network}`,
      ...(others.length > 0 && { ATOLL_MEMBERS: [this, ...others].map(({ address }) => address).join() }),
    };
    const child = spawn(process.execPath, [MAIN, "start"], {
      env: { ...process.env, ...env, ...own, ...more },
      // Over the channel it notices when the test is gone, and stops.
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    const exited = new Promise<number | null>((resolve) => child.once("close", resolve));
    const run: Run = { child, lines: [], output: [], exited, hasEnded: false };
    child.once("close", () => {
      run.hasEnded = true;
    });
    createInterface({ input: child.stdout! }).on("line", (line) => takeLine(run, line));
    createInterface({ input: child.stderr! }).on("line", (line) => keep(run, line));
    this.#run = run;
  }

  /** The first line with this code that it logs, or logged since it was started last. */
  async logged(code: string): Promise<LogLine> {
    const { lines } = this.#current();
    const found = () => lines.find((line) => line.code === code);
    await this.untilRunning(() => found() !== undefined, `${this.name} to log ${code}`);
    return found()!;
  }

  /** Whether it logged this code since it was started last. */
  hasLogged(code: string): boolean {
    return this.#current().lines.some((line) => line.code === code);
  }

  /** All that it logged since it was started last. */
  get lines(): readonly LogLine[] {
    return this.#current().lines;
  }

  /** Of its process, since it was started last. */
  get pid(): number {
    return this.#current().child.pid!;
  }

  /** The last of what it printed since it was started last. */
  get output(): string {
    return this.#current().output.join("\n");
  }

  /** Until it says that it can serve. */
  async ready(): Promise<void> {
    await this.untilRunning(async () => {
      const response = await fetch(`${this.http}/ready`);
      await response.body?.cancel();
      return response.ok;
    }, `${this.name} to be ready`);
  }

  /** All that lies in its data folder, whatever the files are called. To be read while it does not run. */
  disk(): Buffer {
    const files = readdirSync(this.dataDir, { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
    return Buffer.concat(files.map((file) => readFileSync(join(file.parentPath, file.name))));
  }

  /** Waits until the process ends. @returns the exit code; null when it was killed */
  exited(): Promise<number | null> {
    return within(this.#current().exited, this.#wait(`${this.name} to exit`));
  }

  /** Ends it as a supervisor does. @returns the exit code */
  stop(): Promise<number | null> {
    this.signal("SIGTERM");
    return this.exited();
  }

  /** Ends it as a power cut does, if it runs. */
  async kill(): Promise<void> {
    if (!this.isRunning) return;
    this.signal("SIGKILL");
    await this.exited();
  }

  signal(signal: NodeJS.Signals): void {
    this.#current().child.kill(signal);
  }

  /** This member as a node sees it: this one, or another one of its region. */
  async member(seenBy: NodeProcess = this): Promise<MemberView | undefined> {
    const { members } = await seenBy.api.members();
    return members.find(({ name }) => name === this.name);
  }

  /** The value of a metric without labels. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.http}/metrics`)).text();
    const value = new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "m").exec(text)?.[1];
    return value === undefined ? assert.fail(`${this.name} has no metric ${name}`) : Number(value);
  }

  /** Runs `atoll <words>`, asking this node, and waits until it ends. */
  atoll(...words: string[]): Promise<CommandEnd> {
    return this.#command([...words, "--url", this.http]);
  }

  /** Runs `atoll <words>` with the options of this node, asking nobody, and waits until it ends. */
  atollHere(...words: string[]): Promise<CommandEnd> {
    return this.#command(words);
  }

  #command(words: readonly string[]): Promise<CommandEnd> {
    const args = [MAIN, ...words, "--json"];
    const { name, dataDir, env: options } = this.#place;
    const env = { ...process.env, ...options, ATOLL_NAME: name, ATOLL_DATA_DIR: dataDir };
    return new Promise((resolve) => {
      execFile(process.execPath, args, { env, timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
        const exitCode = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
        resolve({ exitCode, answer: stdout === "" ? undefined : JSON.parse(stdout), said: stderr });
      });
    });
  }

  /** Asks again and again, as long as this node runs. */
  untilRunning(isMet: () => boolean | Promise<boolean>, what: string): Promise<void> {
    return until(isMet, { ...this.#wait(what), isHopeless: () => !this.isRunning });
  }

  #current(): Run {
    return this.#run ?? assert.fail(`${this.name} was never started`);
  }

  #wait(what: string): Wait {
    return { what, timeoutMs: TIMEOUT_MS, show: () => this.#tail() };
  }

  #tail(): string {
    const { output = [], hasEnded = true } = this.#run ?? {};
    return `last output of ${this.name}${hasEnded ? ", which does not run" : ""}:\n${output.join("\n") || "(none)"}`;
  }
}

/**
 * Starts nodes as one region, each told of the others, and waits until each can serve.
 *
 * @param env - options of this start alone
 */
export async function startRegion(
  nodes: readonly NodeProcess[],
  env: Readonly<Record<string, string>> = {},
): Promise<void> {
  for (const node of nodes) {
    const others = nodes.filter((other) => other !== node);
    node.start(others, env);
  }
  await Promise.all(nodes.map((node) => node.ready()));
}

function takeLine(run: Run, line: string): void {
  keep(run, line);
  run.lines.push(JSON.parse(line));
}

function keep({ output }: Run, line: string): void {
  output.push(line);
  if (output.length > OUTPUT_LINES_SHOWN) output.shift();
}
