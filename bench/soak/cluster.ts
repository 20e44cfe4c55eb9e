/**
 * What the soak runs on: the regions of `atoll dev`, set up as an operator would, with tokens and a shared key.
 *
 * The nodes of the first region each lie on a small disk of their own, where this process may mount one, so that it can be
 * filled. A node that ends by itself is noted, and started again as a supervisor would.
 */

import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ApiClient } from "../../src/cli/api-client.ts";
import { type FederationEvent, LocalFederation } from "../../src/cli/dev/federation.ts";
import { checkPortsAreFree } from "../../src/cli/dev/free-ports.ts";
import { httpUrl, type PlannedNode, parseRegions, planNodes } from "../../src/cli/dev/options.ts";
import { startCommand } from "../../src/cli/dev/start-command.ts";
import { CommandError } from "../../src/cli/errors.ts";
import { type Clock, sleep } from "../../src/util/clock.ts";
import { messageOf } from "../../src/util/errors.ts";
import { SmallDisk } from "../../test/support/small-disk.ts";
import { allServe, consensusOf } from "../peers/atoll.ts";
import type { NotInjected } from "../peers/peer.ts";

export interface SoakClusterOptions {
  /** As of `atoll dev`. */
  readonly regions: string;
  readonly httpBase: number;
  /** Empty, and the cluster's alone; the caller removes it. */
  readonly dataDir: string;
  readonly clock: Clock;
}

/** A node that nobody ended. */
export interface NodeEnd {
  readonly node: string;
  readonly atMs: number;
  /** An exit code, or the signal. */
  readonly how: string;
}

export interface ErrorLine {
  readonly node: string;
  readonly code: string;
  /** Wall time. */
  readonly at: number;
  readonly line: string;
}

const OPERATOR_TOKEN_BYTES = 24;
const KEY_BYTES = 32;
const STOP_DEADLINE_MS = 15_000;
/** What systemd waits before it starts a service again, or a little more. */
const SUPERVISOR_MS = 1_000;
const ASK_TIMEOUT_MS = 2_000;
const POLL_MS = 100;
const LEADER_TIMEOUT_MS = 30_000;
const FOUNDING_TIMEOUT_MS = 120_000;
const DISK_MIB = 512;
const ERROR_LEVEL = 50;

export class SoakNode {
  readonly name: string;
  readonly region: string;
  readonly url: string;
  readonly planned: PlannedNode;
  /** What it lies on; why it has none of its own. */
  disk: SmallDisk | NotInjected = { notInjected: "only nodes of the first region lie on disks that can be filled" };
  /** Null while it does not run. */
  pid: number | null = null;
  /** Somebody ended it on purpose, and it is not to be started by the supervisor. */
  isMeantToBeDown = true;

  constructor(planned: PlannedNode) {
    this.planned = planned;
    this.name = planned.name;
    this.region = planned.region;
    this.url = httpUrl(planned);
  }
}

export class SoakRegion {
  readonly name: string;
  readonly nodes: readonly SoakNode[];
  /** What agents prove themselves with, and its id; it is replaced during the run. */
  agentToken = { id: "", token: "" };
  /** Of watchers, and whoever reads metrics. */
  readerToken = "";

  constructor(name: string, nodes: readonly SoakNode[]) {
    this.name = name;
    this.nodes = nodes;
  }

  get urls(): string[] {
    return this.nodes.map(({ url }) => url);
  }
}

export class SoakCluster {
  readonly regions: readonly SoakRegion[];
  readonly operatorToken = randomBytes(OPERATOR_TOKEN_BYTES).toString("hex");
  readonly endedByThemselves: NodeEnd[] = [];
  readonly #options: SoakClusterOptions;
  readonly #federation: LocalFederation;
  #encryptionKey = newKey();
  #isStopping = false;

  constructor(options: SoakClusterOptions) {
    const { regions, httpBase, dataDir, clock } = options;
    this.#options = options;
    const planned = planNodes({ regions: parseRegions(regions), httpBase, dataDir: join(dataDir, "nodes") });
    const nodes = planned.map((node) => new SoakNode(node));
    const names = [...new Set(nodes.map(({ region }) => region))];
    this.regions = names.map(
      (name) =>
        new SoakRegion(
          name,
          nodes.filter(({ region }) => region === name),
        ),
    );
    this.#federation = new LocalFederation({
      nodes: planned,
      encryptionKey: this.#encryptionKey,
      wanMs: 0,
      command: startCommand(),
      environment: { ATOLL_AUTH_TOKEN: this.operatorToken },
      stopDeadlineMs: STOP_DEADLINE_MS,
      clock,
      onEvent: (event) => this.#take(event),
    });
  }

  get nodes(): readonly SoakNode[] {
    return this.regions.flatMap(({ nodes }) => nodes);
  }

  get encryptionKey(): string {
    return this.#encryptionKey;
  }

  /** Starts every node and makes the tokens. @throws CommandError NODE_NOT_STARTED; PORT_IN_USE */
  async start(signal: AbortSignal): Promise<void> {
    await checkPortsAreFree(this.#federation.nodes);
    process.on("exit", this.#killAll);
    for (const node of this.regions[0]?.nodes ?? []) node.disk = await smallDisk(node.planned.dataDir);
    for (const node of this.nodes) node.isMeantToBeDown = false;
    await this.#federation.start();
    try {
      await this.untilWhole(FOUNDING_TIMEOUT_MS, signal);
    } catch (error) {
      signal.throwIfAborted();
      const tail = await this.#federation.logTail(this.nodes[0]?.name ?? "");
      throw new CommandError("NODE_NOT_STARTED", `${messageOf(error)}. The end of the first node's log:\n${tail}`);
    }
    for (const region of this.regions) {
      region.agentToken = await this.newAgentToken(region);
      region.readerToken = (await this.api(region).createToken({ role: "reader" })).token;
    }
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#federation.stop();
    process.off("exit", this.#killAll);
    for (const { disk } of this.nodes) if (disk instanceof SmallDisk) await disk.unmount();
  }

  /** As an operator, at any node, or at one. */
  api(place: SoakRegion | SoakNode): ApiClient {
    const node = place instanceof SoakNode ? place : place.nodes.find(({ pid }) => pid !== null);
    return new ApiClient(node?.url ?? "", { token: this.operatorToken });
  }

  async newAgentToken(region: SoakRegion): Promise<{ id: string; token: string }> {
    const { id, token } = await this.api(region).createToken({ role: "agent", description: "the agents of the soak" });
    return { id, token };
  }

  /** Waits for one that a majority follows. @throws Error when nobody leads for long */
  async leaderOf(region: SoakRegion): Promise<SoakNode> {
    const { clock } = this.#options;
    const deadlineMs = clock.now() + LEADER_TIMEOUT_MS;
    for (;;) {
      const { leader } = await consensusOf(region.urls, this.operatorToken);
      const node = region.nodes.find(({ name }) => name === leader);
      if (node !== undefined) return node;
      if (clock.now() > deadlineMs) throw new Error(`${region.name} has no leader to break`);
      await sleep(clock, POLL_MS);
    }
  }

  async termOf(region: SoakRegion): Promise<number> {
    return (await consensusOf(region.urls, this.operatorToken)).term ?? 0;
  }

  async kill(node: SoakNode): Promise<void> {
    node.isMeantToBeDown = true;
    await this.#federation.kill(node.name);
  }

  async stopNode(node: SoakNode): Promise<void> {
    node.isMeantToBeDown = true;
    await this.#federation.stopNode(node.name);
  }

  async startNode(node: SoakNode): Promise<void> {
    node.isMeantToBeDown = false;
    if (node.pid === null) await this.#federation.restart(node.name);
  }

  pause(node: SoakNode): void {
    this.#federation.pause(node.name);
  }

  resume(node: SoakNode): void {
    this.#federation.resume(node.name);
  }

  /** Cuts every region off from every other one. */
  cutAll(): void {
    for (const [a, b] of this.#pairs()) this.#federation.cut(a, b);
  }

  healAll(): void {
    for (const [a, b] of this.#pairs()) this.#federation.heal(a, b);
  }

  /** Nodes that are started from now on go by these, separated by commas: the first is spoken, all are believed. */
  rekey(encryptionKey: string): void {
    this.#encryptionKey = encryptionKey;
    this.#federation.rekey(encryptionKey);
  }

  /**
   * Resolves when all nodes can serve, follow the same leader, and know all regions to the last digest.
   *
   * @throws Error what is missing when the time is up; the signal's reason
   */
  async untilWhole(timeoutMs: number, signal: AbortSignal): Promise<void> {
    const missing = await this.missingAfter(timeoutMs, signal);
    if (missing.length > 0) throw new Error(`after ${timeoutMs} ms: ${missing.join("; ")}`);
  }

  /** As soon as nothing is missing an empty list, and otherwise what was when the time was up. @throws the signal's reason */
  async missingAfter(timeoutMs: number, signal: AbortSignal): Promise<string[]> {
    const { clock } = this.#options;
    const deadlineMs = clock.now() + timeoutMs;
    for (;;) {
      const missing = (await Promise.all(this.regions.map((region) => this.#missingOf(region)))).flat();
      signal.throwIfAborted();
      if (missing.length === 0 || clock.now() > deadlineMs) return missing;
      await sleep(clock, POLL_MS, signal);
    }
  }

  /** Every line of level error and above that a node has written. */
  async errorLines(): Promise<ErrorLine[]> {
    const files = this.nodes.map(async ({ name, planned }) => {
      const lines = (await readFile(planned.logFile, "utf8")).split("\n");
      return lines.flatMap((line) => errorLine(name, line));
    });
    return (await Promise.all(files)).flat();
  }

  readonly #killAll = () => {
    for (const { pid } of this.nodes) if (pid !== null) process.kill(pid, "SIGKILL");
  };

  #pairs(): (readonly [string, string])[] {
    const names = this.regions.map(({ name }) => name);
    return names.flatMap((a, i) => names.slice(i + 1).map((b) => [a, b] as const));
  }

  async #missingOf(region: SoakRegion): Promise<string[]> {
    const ask = async (node: SoakNode): Promise<{ leader: string | null; missing: string[] }> => {
      try {
        const api = new ApiClient(node.url, { token: this.operatorToken, timeoutMs: ASK_TIMEOUT_MS });
        const [isServing, cluster, regions] = await Promise.all([allServe([node.url]), api.cluster(), api.regions()]);
        const unknown = this.regions.filter(
          ({ name }) => !regions.some((known) => known.region === name && known.inSync && known.distrust === undefined),
        );
        const missing = unknown.map(({ name }) => `${node.name} is not in sync with ${name}`);
        if (!isServing) missing.push(`${node.name} can not serve`);
        if (cluster.leader === null) missing.push(`${node.name} has no leader`);
        return { leader: cluster.leader, missing };
      } catch (error) {
        return { leader: null, missing: [`${node.name} does not answer: ${messageOf(error)}`] };
      }
    };
    const answers = await Promise.all(region.nodes.map(ask));
    const leaders = new Set(answers.map(({ leader }) => leader));
    const missing = answers.flatMap((answer) => answer.missing);
    return leaders.size > 1 && missing.length === 0 ? [`${region.name} does not agree on a leader`] : missing;
  }

  #take(event: FederationEvent): void {
    if (event.event !== "node-started" && event.event !== "node-exited") return;
    const node = this.nodes.find(({ name }) => name === event.name);
    if (node === undefined) return;
    node.pid = event.event === "node-started" ? event.pid : null;
    if (event.event === "node-started" || node.isMeantToBeDown || this.#isStopping) return;
    const { clock } = this.#options;
    this.endedByThemselves.push({ node: node.name, atMs: clock.now(), how: `${event.signal ?? event.code}` });
    clock.schedule(SUPERVISOR_MS, () => {
      if (!node.isMeantToBeDown && !this.#isStopping && node.pid === null) void this.#federation.restart(node.name);
    });
  }
}

export function newKey(): string {
  return randomBytes(KEY_BYTES).toString("hex");
}

async function smallDisk(folder: string): Promise<SmallDisk | NotInjected> {
  try {
    return await SmallDisk.at(folder, DISK_MIB);
  } catch (error) {
    return { notInjected: `a small disk can not be mounted: ${messageOf(error).trim()}` };
  }
}

function errorLine(node: string, line: string): ErrorLine[] {
  if (line === "") return [];
  try {
    const { level, code = "(none)", time } = JSON.parse(line) as { level?: number; code?: string; time?: string };
    return (level ?? 0) >= ERROR_LEVEL ? [{ node, code, at: Date.parse(time ?? ""), line }] : [];
  } catch {
    // Before it can log, a node says in words why it does not start. A line that SIGKILL cut off begins as an event.
    const code = /^([A-Z][A-Z_]+): /.exec(line)?.[1] ?? "(no event)";
    return line.startsWith("{") || line.startsWith(" ") ? [] : [{ node, code, at: Number.NaN, line }];
  }
}
