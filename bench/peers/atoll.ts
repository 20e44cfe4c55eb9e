/**
 * Atoll as a peer: its nodes are those of `atoll dev`, with their defaults, on real sockets and disks.
 *
 * Clients use the first region. Any node takes any request, a write is answered when a majority has it on disk, and lookups
 * are answered by the node that is asked, with how old that may be. One renewal in two is a `HEAD /heartbeat`, the other one a
 * `POST /heartbeat` of an agent that speaks as MCP Mesh agents do; both are kept by all nodes, and neither is written.
 */

import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { ApiClient } from "../../src/cli/api-client.ts";
import { LocalFederation } from "../../src/cli/dev/federation.ts";
import { checkPortsAreFree } from "../../src/cli/dev/free-ports.ts";
import { httpUrl, type PlannedNode, parseRegions, planNodes } from "../../src/cli/dev/options.ts";
import { waitUntilReady } from "../../src/cli/dev/readiness.ts";
import { startCommand } from "../../src/cli/dev/start-command.ts";
import { CommandError } from "../../src/cli/errors.ts";
import { type Clock, sleep } from "../../src/util/clock.ts";
import { lookupEverywhere, registration } from "../comparison/atoll-requests.ts";
import type { HttpAnswer, HttpRequest } from "../load/http-client.ts";
import { prepareStallableDisks, type StallableDisks } from "./disk-stall.ts";
import { meshFastHeartbeat, meshHeartbeat, showsAgent } from "./mesh-requests.ts";
import type { NodeFault, NotInjected, Peer, PeerCluster, PeerFaults, PeerNode, RegionFault } from "./peer.ts";
import { agentId } from "./sample-agents.ts";

export interface AtollOptions {
  /** As of `atoll dev`; clients use the first. Its number of nodes is what counts, not that of `start`. */
  readonly regions?: string;
  /** Options of every node, such as ATOLL_RAFT_HEARTBEAT_MS. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The program that is started, where it is not this one: `src/cli/main.ts` of another commit. */
  readonly main?: string;
  /** Whether disks are to be stalled; by default they can be. */
  readonly hasStallableDisks?: boolean;
}

const REGION = "us-east";
const STOP_DEADLINE_MS = 10_000;
const READY_TIMEOUT_MS = 60_000;
const VIEW_TIMEOUT_MS = 1_000;
const POLL_MS = 50;
/** Few enough that each is heard well within its lease of 20 s at any sensible rate. */
const MESH_AGENTS = 64;
/** Above what a run registers. */
const MESH_AGENT_FIRST = 900_000;

export function atollPeer(options: AtollOptions = {}): Peer {
  return {
    name: "atoll",
    async start({ nodes: count, httpBase, dataDir, clock, signal }) {
      const regions = parseRegions(options.regions ?? `${REGION}:${count}`);
      const nodes = planNodes({ regions, httpBase, dataDir: join(dataDir, "nodes") });
      await checkPortsAreFree(nodes);
      const { hasStallableDisks = true } = options;
      const disks = hasStallableDisks
        ? await prepareStallableDisks(join(dataDir, "disks"))
        : { notInjected: "the disks of this cluster are plain ones" };
      const cluster = new AtollCluster({ nodes, disks, clock, ...options });
      try {
        await cluster.start(signal);
        return cluster;
      } catch (error) {
        await cluster.stop();
        throw error;
      }
    },
  };
}

/** The operations of Atoll: the same against nodes that were started here and nodes that were not. */
export class AtollOperations {
  register(i: number): HttpRequest {
    return registration(i);
  }

  renew(i: number): HttpRequest {
    return i % 2 === 0 ? meshFastHeartbeat(i) : meshHeartbeat(MESH_AGENT_FIRST + (i % MESH_AGENTS));
  }

  lookup(i: number): HttpRequest {
    return lookupEverywhere(i);
  }

  read(i: number): HttpRequest {
    return { method: "GET", path: `/v1/agents/${agentId(i)}?consistency=linearizable` };
  }

  shows(answer: HttpAnswer, i: number): boolean {
    return showsAgent(answer, i);
  }

  stalenessMs({ headers }: HttpAnswer): number | undefined {
    const ms = Number(headers["x-atoll-staleness-ms"] ?? Number.NaN);
    return Number.isNaN(ms) ? undefined : ms;
  }
}

interface View {
  readonly leader: string | null;
  readonly term: number;
}

/** What a node says of its region; undefined when it does not answer. */
async function viewOf(url: string, token: string | undefined): Promise<View | undefined> {
  try {
    return await new ApiClient(url, { timeoutMs: VIEW_TIMEOUT_MS, ...(token !== undefined && { token }) }).cluster();
  } catch {
    // A node that was broken: what the others say counts.
    return undefined;
  }
}

/** The leader that a majority of `urls` follows in one term, and the highest term that was told. */
export async function consensusOf(
  urls: readonly string[],
  token?: string,
): Promise<{ leader: string | undefined; term: number | undefined }> {
  const views = (await Promise.all(urls.map((url) => viewOf(url, token)))).filter((view) => view !== undefined);
  if (views.length === 0) return { leader: undefined, term: undefined };
  const term = Math.max(...views.map((view) => view.term));
  const followed = views.filter((view) => view.term === term && view.leader !== null);
  const hasMajority = followed.length > urls.length / 2;
  return { leader: hasMajority ? (followed[0]?.leader ?? undefined) : undefined, term };
}

/** Whether each of them says that it is ready. */
export async function allServe(urls: readonly string[]): Promise<boolean> {
  const signal = AbortSignal.timeout(VIEW_TIMEOUT_MS);
  const answers = await Promise.allSettled(urls.map((url) => fetch(`${url}/ready`, { signal })));
  return answers.every((answer) => answer.status === "fulfilled" && answer.value.ok);
}

class NodeEnded extends Error {
  readonly node: string;

  constructor(node: string) {
    super(`${node} ended`);
    this.node = node;
  }
}

interface AtollClusterOptions extends AtollOptions {
  readonly nodes: readonly PlannedNode[];
  readonly disks: StallableDisks | NotInjected;
  readonly clock: Clock;
}

class AtollCluster extends AtollOperations implements PeerCluster {
  readonly nodes: readonly PeerNode[];
  readonly setting: string;
  readonly faults: PeerFaults;
  readonly #federation: LocalFederation;
  readonly #clock: Clock;
  readonly #region: string;
  /** While the nodes are started for the first time: none may end then. */
  #starting: AbortController | undefined;

  constructor(options: AtollClusterOptions) {
    super();
    const { nodes, disks, clock, main, environment = {} } = options;
    this.#clock = clock;
    this.#region = nodes[0]?.region ?? REGION;
    this.#federation = new LocalFederation({
      nodes,
      encryptionKey: randomBytes(32).toString("hex"),
      wanMs: 0,
      command: main === undefined ? startCommand() : [process.execPath, main, "start"],
      environment: { ...environment, ...("environment" in disks ? disks.environment : {}) },
      stopDeadlineMs: STOP_DEADLINE_MS,
      clock,
      onEvent: (event) => {
        if (event.event === "node-exited") this.#starting?.abort(new NodeEnded(event.name));
      },
    });
    this.nodes = nodes.filter(({ region }) => region === this.#region).map((node) => this.#node(node));
    const own = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    const sizes = this.#federation.regions.map(
      (region) => `${region}:${nodes.filter((node) => node.region === region).length}`,
    );
    this.setting = [sizes.join(","), ...own].join(" ");
    this.faults = { disk: this.#diskFault(disks), region: this.#regionFault() };
  }

  /** @throws CommandError NODE_NOT_STARTED with the end of its log when a node ends meanwhile, NOT_READY */
  async start(signal?: AbortSignal): Promise<void> {
    const starting = new AbortController();
    this.#starting = starting;
    process.on("exit", this.#killAll);
    try {
      await this.#federation.start();
      await this.untilReady(READY_TIMEOUT_MS, AbortSignal.any([starting.signal, ...(signal ? [signal] : [])]));
    } catch (error) {
      if (!(error instanceof NodeEnded)) throw error;
      const tail = await this.#federation.logTail(error.node);
      throw new CommandError("NODE_NOT_STARTED", `${error.node} did not start. The end of its log:\n${tail}`);
    } finally {
      this.#starting = undefined;
    }
  }

  async stop(): Promise<void> {
    await this.#federation.stop();
    process.off("exit", this.#killAll);
  }

  /** Nodes stop by themselves when this process is gone, but not while they are paused. */
  readonly #killAll = () => {
    for (const { pid } of this.#federation.status().nodes) if (pid !== null) process.kill(pid, "SIGKILL");
  };

  async leader(): Promise<number | undefined> {
    const { leader } = await this.#consensus();
    const index = this.nodes.findIndex(({ name }) => name === leader);
    return index === -1 ? undefined : index;
  }

  async term(): Promise<number | undefined> {
    return (await this.#consensus()).term;
  }

  async untilReady(timeoutMs: number, signal = new AbortController().signal): Promise<void> {
    const beganMs = this.#clock.now();
    await waitUntilReady(this.#federation.nodes, { timeoutMs, signal, onProgress: () => {} });
    while (!(await allServe(this.nodes.map(({ url }) => url)))) {
      signal.throwIfAborted();
      if (this.#clock.now() - beganMs > timeoutMs) throw new Error(`not every node could serve in ${timeoutMs} ms`);
      await sleep(this.#clock, POLL_MS, signal);
    }
  }

  #consensus() {
    return consensusOf(this.nodes.map(({ url }) => url));
  }

  #node(planned: PlannedNode): PeerNode {
    const federation = this.#federation;
    const { name } = planned;
    const pid = () => federation.status().nodes.find((node) => node.name === name)?.pid ?? null;
    return {
      name,
      url: httpUrl(planned),
      get pid() {
        return pid();
      },
      kill: () => federation.kill(name),
      stop: () => federation.stopNode(name),
      pause: async () => federation.pause(name),
      resume: async () => federation.resume(name),
      start: async () => {
        if (pid() === null) await federation.restart(name);
      },
    };
  }

  #diskFault(disks: StallableDisks | NotInjected): NodeFault | NotInjected {
    if ("notInjected" in disks) return disks;
    const stalled = new Map<number, number>();
    return {
      inject: async (node) => {
        const pid = this.nodes[node]?.pid;
        if (pid === null || pid === undefined) throw new Error(`node ${node} does not run`);
        stalled.set(node, pid);
        await disks.stall(pid);
      },
      release: async (node) => {
        const pid = stalled.get(node);
        stalled.delete(node);
        if (pid !== undefined) await disks.release(pid);
      },
    };
  }

  #regionFault(): RegionFault | NotInjected {
    const others = this.#federation.regions.filter((region) => region !== this.#region);
    if (others.length === 0) return { notInjected: "there is one region only: name another with --regions" };
    return {
      inject: async () => {
        for (const other of others) this.#federation.cut(this.#region, other);
      },
      release: async () => {
        for (const other of others) this.#federation.heal(this.#region, other);
      },
    };
  }
}
