/** A region of real `RaftGroup`s on disks in memory, links in memory and virtual time, that can be crashed and restarted. */

import assert from "node:assert/strict";
import { peersOf } from "../../src/raft/core/quorum.ts";
import type { RaftError, StateMachine } from "../../src/raft/index.ts";
import { RAFT_DEFAULTS, RaftGroup, type RaftGroupOptions } from "../../src/raft/raft-group.ts";
import type { StateRecord } from "../../src/storage/interface.ts";
import { RaftStore } from "../../src/storage/raft-store.ts";
import { asClusterId, type NodeId } from "../../src/types/ids.ts";
import { type Membership, NO_MEMBERS } from "../../src/types/membership.ts";
import type { Clock } from "../../src/util/clock.ts";
import { silentLogger } from "../../src/util/logger.ts";
import { seededRandom } from "../../src/util/random.ts";
import { MemoryStore } from "./memory-store.ts";
import { votersUpTo } from "./raft-core.ts";
import { RaftNetwork } from "./raft-transport.ts";
import { VirtualClock } from "./virtual-clock.ts";

const CLUSTER = asClusterId("c1");

/** Remembers every command in the order it was applied, so that loss, repetition and reordering show. */
export class Ledger implements StateMachine {
  lines: string[] = [];

  apply(command: Uint8Array, index: number) {
    const line = new TextDecoder().decode(command);
    this.lines.push(line);
    const key = `line/${String(this.lines.length).padStart(8, "0")}`;
    return { result: { place: this.lines.length, index }, writes: [{ key, value: line }] };
  }

  async restore(records: AsyncIterable<readonly StateRecord[]>): Promise<void> {
    const lines: string[] = [];
    for await (const page of records) for (const [, value] of page) lines.push(value as string);
    this.lines = lines;
  }
}

/** Time as one process sees it: nothing it had planned happens after its death. */
class ProcessClock implements Clock {
  readonly #clock: Clock;
  #isDead = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  die(): void {
    this.#isDead = true;
  }

  now(): number {
    return this.#clock.now();
  }

  wallTime(): number {
    return this.#clock.wallTime();
  }

  schedule(delayMs: number, run: () => void) {
    return this.#clock.schedule(delayMs, () => this.#ifAlive(run));
  }

  soon(run: () => void): void {
    this.#clock.soon(() => this.#ifAlive(run));
  }

  afterIo(run: () => void): void {
    this.#clock.afterIo(() => this.#ifAlive(run));
  }

  #ifAlive(run: () => void): void {
    if (!this.#isDead) run();
  }
}

export interface RunningNode {
  readonly id: NodeId;
  readonly group: RaftGroup;
  readonly ledger: Ledger;
  readonly store: MemoryStore;
  readonly clock: ProcessClock;
  /** What it died of, if it did by itself. */
  fatal: unknown;
}

export class RaftCluster {
  readonly clock = new VirtualClock();
  readonly network = new RaftNetwork(this.clock);
  /** Everybody who was ever started. */
  readonly ids: NodeId[];
  /** Those that learned that they are no members any more. */
  readonly hasLeft = new Set<NodeId>();
  /** Those whose logs must not grow. */
  readonly fullDisks = new Set<NodeId>();
  /** Called when a member has all of a snapshot and begins to put it in place. */
  onInstall: (id: NodeId) => void = () => {};
  readonly #options: RaftGroupOptions;
  readonly #seed: number;
  readonly #founding: Membership;
  readonly #nodes = new Map<NodeId, RunningNode>();
  readonly #disks = new Map<NodeId, MemoryStore>();
  #starts = 0;

  private constructor(size: number, options: Partial<RaftGroupOptions>, seed: number) {
    this.#founding = votersUpTo(size);
    this.ids = this.#founding.voters.map(({ id }) => id);
    this.#options = { ...RAFT_DEFAULTS, ...options };
    this.#seed = seed;
  }

  static async start(size: number, options: Partial<RaftGroupOptions> = {}, seed = 1): Promise<RaftCluster> {
    const cluster = new RaftCluster(size, options, seed);
    for (const id of cluster.ids) await cluster.startNode(id);
    return cluster;
  }

  /** Starts a member from its disk; from an empty one the first time. */
  async startNode(id: NodeId): Promise<RunningNode> {
    const store = this.#disks.get(id) ?? new MemoryStore();
    const clock = new ProcessClock(this.clock);
    const ledger = new Ledger();
    const isFounder = this.#founding.voters.some((voter) => voter.id === id);
    let fatal: unknown;
    const node: { group?: RaftGroup } = {};
    node.group = await RaftGroup.start(
      {
        self: id,
        cluster: CLUSTER,
        storage: this.#storageOf(id, store),
        founding: isFounder ? this.#founding : NO_MEMBERS,
        transport: this.network.transportOf(id),
        stateMachine: ledger,
        clock,
        random: seededRandom(this.#seed * 1_000 + this.#starts++),
        logger: silentLogger,
        isDiskFull: () => this.fullDisks.has(id),
        onFatal: (error) => {
          fatal = error;
          this.network.remove(id);
        },
        onRemoved: () => {
          this.hasLeft.add(id);
          this.#nodes.delete(id);
          this.network.remove(id);
        },
      },
      this.#options,
    );
    const running: RunningNode = {
      id,
      group: node.group,
      ledger,
      store,
      clock,
      get fatal() {
        return fatal;
      },
    };
    this.#nodes.set(id, running);
    this.#disks.set(id, store);
    return running;
  }

  /** Starts one that has nothing yet and is no member yet. */
  startNewcomer(id: NodeId): Promise<RunningNode> {
    this.ids.push(id);
    return this.startNode(id);
  }

  /** kill -9, and the power with it: what was not synced is gone. */
  crash(id: NodeId, { isSilent = false }: { isSilent?: boolean } = {}): void {
    const { clock, store } = this.node(id);
    clock.die();
    this.#disks.set(id, store.crash());
    this.#nodes.delete(id);
    this.network.remove(id, { isSilent });
  }

  #storageOf(id: NodeId, store: MemoryStore): RaftStore {
    const storage = new RaftStore(store, silentLogger);
    const beginInstall = storage.beginInstall.bind(storage);
    storage.beginInstall = async (header) => {
      const install = await beginInstall(header);
      const commit: typeof install.commit = (hardState) => {
        this.onInstall(id);
        return install.commit(hardState);
      };
      return { ...install, commit };
    };
    return storage;
  }

  isRunning(id: NodeId): boolean {
    return this.#nodes.has(id);
  }

  node(id: NodeId): RunningNode {
    const node = this.#nodes.get(id);
    assert.ok(node !== undefined, `${id} is down`);
    return node;
  }

  get running(): RunningNode[] {
    return this.ids.flatMap((id) => this.#nodes.get(id) ?? []);
  }

  /** Who leads the highest term. */
  get leader(): RunningNode | undefined {
    const leaders = this.running.filter(({ group }) => group.status().role === "leader");
    return leaders.sort((a, b) => b.group.status().term - a.group.status().term)[0];
  }

  get followers(): RunningNode[] {
    return this.running.filter((node) => node !== this.leader);
  }

  async until(what: string, holds: () => boolean, maxMs = 5_000): Promise<void> {
    for (let waited = 0; !holds(); waited += 5) {
      assert.ok(waited < maxMs, `not within ${maxMs} ms: ${what}`);
      await this.clock.advance(5);
    }
  }

  async untilLed(): Promise<RunningNode> {
    const isLed = () => {
      const { leader } = this;
      if (leader === undefined) return false;
      const members = peersOf(leader.group.status().membership);
      const isFollowed = ({ id, group }: RunningNode) => !members.includes(id) || group.status().leader === leader.id;
      return this.running.every(isFollowed);
    };
    await this.until("all members follow one leader", isLed);
    return this.leader!;
  }

  /** All members that run have applied the same. */
  async untilAgreed(): Promise<readonly string[]> {
    const isAgreed = () => {
      const { leader } = this;
      if (leader === undefined) return false;
      const { lastIndex, commitIndex } = leader.group.status();
      return lastIndex === commitIndex && this.running.every(({ group }) => group.status().appliedIndex === lastIndex);
    };
    await this.until("all members applied the same", isAgreed, 10_000);
    const [first, ...others] = this.running.map(({ ledger }) => ledger.lines);
    for (const lines of others) assert.deepEqual(lines, first);
    return first!;
  }

  /** Runs the clock until the promise settles, and gives what it settled to. */
  async settled<T>(promise: Promise<T>, maxMs = 5_000): Promise<T> {
    let isSettled = false;
    const mark = () => {
      isSettled = true;
    };
    promise.then(mark, mark);
    await this.until("the promise settles", () => isSettled, maxMs);
    return promise;
  }
}

export function command(line: string): Uint8Array {
  return new TextEncoder().encode(line);
}

/** How a proposal ended: its result, or the code of its error. */
export async function outcomeOf(proposal: Promise<{ index: number; result: unknown }>): Promise<string> {
  try {
    await proposal;
    return "ok";
  } catch (error) {
    return (error as RaftError).detail.code;
  }
}
