/**
 * A local federation: its nodes as child processes, and the relays between its regions.
 *
 * What happens is told as events, whoever caused it; a node that was killed from outside stays dead until it is restarted.
 */

import type { Clock } from "../../util/clock.ts";
import { CommandError, UsageError } from "../errors.ts";
import { type NodeExit, NodeProcess, type NodeProcessOptions } from "./node-process.ts";
import { httpUrl, nodeEnvironment, type PlannedNode } from "./options.ts";
import { WanRelay } from "./wan-relay.ts";

export type FederationEvent =
  | { readonly event: "node-started"; readonly name: string; readonly pid: number }
  | ({ readonly event: "node-exited"; readonly name: string } & NodeExit)
  | { readonly event: "node-paused" | "node-resumed"; readonly name: string }
  | { readonly event: "cut" | "healed"; readonly regions: readonly [string, string] };

export interface NodeReport {
  readonly name: string;
  readonly region: string;
  readonly http: string;
  readonly pid: number | null;
  readonly state: "running" | "paused" | "stopped";
}

/** What passed between two regions since the federation began, both ways together, as it went over the wire. */
export interface CarriedBytes {
  readonly regions: readonly [string, string];
  readonly bytes: number;
}

export interface FederationStatus {
  readonly nodes: readonly NodeReport[];
  readonly cuts: readonly (readonly [string, string])[];
  readonly carried: readonly CarriedBytes[];
}

export interface FederationOptions {
  readonly nodes: readonly PlannedNode[];
  readonly encryptionKey: string;
  readonly wanMs: number;
  /** The program and its arguments that start one node. */
  readonly command: NodeProcessOptions["command"];
  /** Of every node, beside what `nodeEnvironment` decides. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly stopDeadlineMs: number;
  readonly clock: Clock;
  readonly onEvent: (event: FederationEvent) => void;
}

export class LocalFederation {
  readonly nodes: readonly PlannedNode[];
  readonly regions: readonly string[];
  readonly #options: FederationOptions;
  readonly #relay: WanRelay;
  #encryptionKey: string;
  readonly #processes = new Map<string, NodeProcess>();
  /** By the region they start in. */
  readonly #relayPorts = new Map<string, readonly number[]>();

  constructor(options: FederationOptions) {
    this.nodes = options.nodes;
    this.regions = [...new Set(options.nodes.map(({ region }) => region))];
    this.#options = options;
    this.#encryptionKey = options.encryptionKey;
    this.#relay = new WanRelay({ clock: options.clock, delayMs: options.wanMs });
  }

  /** Opens the relays and starts every node. Resolves when the processes run; their regions form afterwards. */
  async start(): Promise<void> {
    for (const node of this.nodes) {
      const peers = await this.#openRelays(node.region);
      this.#processes.set(node.name, this.#process(node, peers));
    }
    for (const process of this.#processes.values()) process.start();
  }

  /** Stops every node, then the relays. */
  async stop(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((process) => process.stop()));
    await this.#relay.close();
  }

  /** Ends a `stop` that takes too long. */
  async killAll(): Promise<void> {
    await Promise.all([...this.#processes.values()].map((process) => process.kill()));
  }

  /** Starts a node that is stopped; stops and starts one that runs. */
  async restart(name: string): Promise<void> {
    const process = this.#find(name);
    await process.stop();
    process.start();
  }

  /** Nodes that are started from now on have this key, or these, separated by commas. */
  rekey(encryptionKey: string): void {
    this.#encryptionKey = encryptionKey;
  }

  startStopped(): void {
    for (const process of this.#processes.values()) process.start();
  }

  async stopNode(name: string): Promise<void> {
    await this.#find(name).stop();
  }

  async kill(name: string): Promise<void> {
    await this.#find(name).kill();
  }

  /** @throws CommandError NOT_RUNNING */
  pause(name: string): void {
    if (!this.#find(name).pause()) throw new CommandError("NOT_RUNNING", `${name} does not run`);
    this.#options.onEvent({ event: "node-paused", name });
  }

  /** @throws CommandError NOT_PAUSED */
  resume(name: string): void {
    if (!this.#find(name).resume()) throw new CommandError("NOT_PAUSED", `${name} is not paused`);
    this.#options.onEvent({ event: "node-resumed", name });
  }

  cut(a: string, b: string): void {
    this.#checkPair(a, b);
    this.#relay.cut(a, b);
    this.#options.onEvent({ event: "cut", regions: [a, b] });
  }

  heal(a: string, b: string): void {
    this.#checkPair(a, b);
    this.#relay.heal(a, b);
    this.#options.onEvent({ event: "healed", regions: [a, b] });
  }

  status(): FederationStatus {
    const nodes = this.nodes.map((node) => {
      const process = this.#processes.get(node.name);
      return {
        name: node.name,
        region: node.region,
        http: httpUrl(node),
        pid: process?.pid ?? null,
        state: process?.state ?? "stopped",
      };
    });
    const pairs = this.regions.flatMap((a, i) => this.regions.slice(i + 1).map((b) => [a, b] as const));
    const cuts = pairs.filter(([a, b]) => this.#relay.isCut(a, b));
    const carried = pairs.map((regions) => ({ regions, bytes: this.#relay.carriedBytes(...regions) }));
    return { nodes, cuts, carried };
  }

  /** The end of a node's log. */
  logTail(name: string): Promise<string> {
    return this.#find(name).logTail();
  }

  /** The ways from a node's region to every node of the others; one for each region, shared by its nodes. */
  async #openRelays(from: string): Promise<readonly number[]> {
    const opened = this.#relayPorts.get(from);
    if (opened !== undefined) return opened;
    const targets = this.nodes.filter(({ region }) => region !== from);
    const ports = await Promise.all(targets.map(({ region, nodePort }) => this.#relay.open(from, region, nodePort)));
    this.#relayPorts.set(from, ports);
    return ports;
  }

  #process(node: PlannedNode, relayPorts: readonly number[]): NodeProcess {
    const { command, environment, stopDeadlineMs, onEvent } = this.#options;
    const regionNodes = this.nodes.filter(({ region }) => region === node.region);
    const peers = relayPorts.map((port) => ({ host: "127.0.0.1", port }));
    return new NodeProcess(node, {
      command,
      stopDeadlineMs,
      environment: () => ({ ...environment, ...nodeEnvironment(node, regionNodes, peers, this.#encryptionKey) }),
      onStart: ({ name }, pid) => onEvent({ event: "node-started", name, pid }),
      onExit: ({ name }, exit) => onEvent({ event: "node-exited", name, ...exit }),
    });
  }

  #find(name: string): NodeProcess {
    const process = this.#processes.get(name);
    if (process !== undefined) return process;
    throw new UsageError(`there is no node ${name}: the nodes are ${this.nodes.map((node) => node.name).join(", ")}`);
  }

  #checkPair(a: string, b: string): void {
    for (const region of [a, b]) {
      if (!this.regions.includes(region)) {
        throw new UsageError(`there is no region ${region}: the regions are ${this.regions.join(", ")}`);
      }
    }
    if (a === b) throw new UsageError("a region can only be cut from another one");
  }
}
