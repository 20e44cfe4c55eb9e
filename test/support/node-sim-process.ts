/**
 * One process of a simulated node, from its start to its end: production storage, bootstrap, group and registry, put together
 * as `src/node/registry-node.ts` does, on a simulated loop, disk and network.
 */

import { EpochTransport } from "../../src/node/epoch-transport.ts";
import { GroupInWaiting } from "../../src/node/group-in-waiting.ts";
import { RegionAdmin } from "../../src/node/region-admin.ts";
import { RegionMembers } from "../../src/node/region-members.ts";
import { RegionPlace } from "../../src/node/region-place.ts";
import { Admission } from "../../src/raft/admission.ts";
import { type Founding, readFounding } from "../../src/raft/bootstrap.ts";
import { BootstrapError } from "../../src/raft/bootstrap-error.ts";
import { peersOf } from "../../src/raft/core/quorum.ts";
import type { RaftState } from "../../src/raft/core/state.ts";
import type { RaftEvent } from "../../src/raft/core/step.ts";
import type { StateMachine } from "../../src/raft/index.ts";
import { RaftGroup, type RaftGroupOptions } from "../../src/raft/raft-group.ts";
import {
  LeaseKeeper,
  type LeaseKeeperParts,
  type LeaseOptions,
  RENEWALS_METHOD,
} from "../../src/registry/lease-keeper.ts";
import { RegistryService, type ServiceTimeouts } from "../../src/registry/registry-service.ts";
import { RegistryStateMachine } from "../../src/registry/registry-state-machine.ts";
import type { KeyValueStore, StateRecord } from "../../src/storage/interface.ts";
import { NodeFactsStore } from "../../src/storage/node-facts.ts";
import { RaftStore } from "../../src/storage/raft-store.ts";
import { originOf } from "../../src/types/cluster-id.ts";
import { asFederationId, type NodeId, type NodeName } from "../../src/types/ids.ts";
import { type Membership, NO_MEMBERS } from "../../src/types/membership.ts";
import type { RaftMessage } from "../../src/types/raft.ts";
import { silentLogger } from "../../src/util/logger.ts";
import type { Random } from "../../src/util/random.ts";
import { ObservedStorage, type StoragePoint } from "./node-sim-disk.ts";
import type { ProcessLoop } from "./node-sim-loop.ts";
import type { Machine } from "./node-sim-machine.ts";
import { Endpoint, REGION, type SimulatedNetwork } from "./node-sim-network.ts";
import type { Before } from "./raft-invariants.ts";

const FEDERATION = asFederationId("sim");

export type CrashPoint = StoragePoint | "send" | "apply" | "restore";
export const CRASH_POINTS: readonly CrashPoint[] = [
  "send",
  "write begins",
  "write done",
  "apply",
  "restore",
  "chunk stored",
  "install begins",
  "install done",
];

/** What processes tell the world; none of it once they have ended. */
export interface ProcessWatch {
  started(process: NodeProcess): void;
  stepped(process: NodeProcess, core: RaftState, event: RaftEvent): void;
  sending(process: NodeProcess, message: RaftMessage): void;
  applying(process: NodeProcess, command: Uint8Array, index: number): void;
  applied(process: NodeProcess, index: number): void;
  /** Its disk is about to say that the state of `index` has these members. */
  stating(process: NodeProcess, index: number, membership: Membership): void;
  /** It took the state that its disk shows, which is that of `index`. */
  restored(process: NodeProcess, index: number): void;
  proposing(process: NodeProcess, command: Uint8Array): void;
  /** An agent showed itself to it. */
  renewed(process: NodeProcess, incarnation: number): void;
  heardRenewals(process: NodeProcess, payload: unknown): void;
  /** It passes a point at which it was to die. */
  dies(process: NodeProcess, point: CrashPoint): void;
  /** A snapshot took the place of its state. */
  installed(process: NodeProcess): void;
  writeFailed(process: NodeProcess): void;
  /** It left its region for good, and its disk says so. */
  left(process: NodeProcess): void;
  /** It stops by itself. */
  fatal(process: NodeProcess, error: unknown): void;
}

export interface NodeSettings {
  readonly raft: RaftGroupOptions;
  readonly leases: Partial<LeaseOptions>;
  readonly timeouts: Partial<ServiceTimeouts>;
  /** Who founds the region. */
  readonly names: readonly NodeName[];
}

export interface ProcessParts {
  readonly machine: Machine;
  readonly network: SimulatedNetwork;
  readonly loop: ProcessLoop;
  readonly random: Random;
  readonly settings: NodeSettings;
  readonly watch: ProcessWatch;
}

/** How long an operator's change is tried. */
const ADMIN_TIMEOUT_MS = 5_000;

/** A request whose process ended before it answered. */
export class ProcessGone extends Error {
  override readonly name = "ProcessGone";
}

export class NodeProcess {
  readonly machine: Machine;
  readonly loop: ProcessLoop;
  readonly endpoint: Endpoint;
  readonly stateMachine: RegistryStateMachine;
  readonly registry: RegistryService;
  readonly admin: RegionAdmin;
  readonly keeper: LeaseKeeper;
  /** How the core stood when it was last looked at. */
  readonly before: { -readonly [Field in keyof Before]: Before[Field] };
  core: RaftState | null = null;
  group: RaftGroup | null = null;
  #admission: Admission | null = null;
  /** Dies when it has passed this point so often. */
  crashAt: { readonly point: CrashPoint; passes: number } | null = null;
  readonly #parts: ProcessParts;
  readonly #group: GroupInWaiting;
  readonly #stopping = new AbortController();
  readonly #calls = new Set<(gone: ProcessGone) => void>();
  readonly #pauses: { readonly from: number; to: number }[] = [];
  #endedAt = Number.POSITIVE_INFINITY;
  #isLeaving = false;
  #isAlive = true;

  constructor(parts: ProcessParts) {
    const { machine, network, loop, settings, random, watch } = parts;
    this.#parts = parts;
    this.machine = machine;
    this.loop = loop;
    this.before = { role: "follower", term: 0, commit: 0, lastIndex: 0, membership: NO_MEMBERS };
    this.endpoint = new Endpoint(network, machine.member, loop, (message) => this.#sends(message));
    this.stateMachine = new RegistryStateMachine(REGION);
    this.#group = new ObservedGroup(this);
    const links = { directory: this.endpoint, requests: this.endpoint };
    const members = new RegionMembers({
      ...links,
      self: { name: machine.member.name, nodeId: machine.id, addresses: [], http: "" },
      membership: () => this.#group.status().membership,
      lastKnown: () => undefined,
      logger: silentLogger,
    });
    const common = { group: this.#group, stateMachine: this.stateMachine, clock: loop };
    this.keeper = new ObservedKeeper(this, {
      ...common,
      broadcast: members,
      logger: silentLogger,
      onFatal: (error) => this.#fatal(error),
      options: settings.leases,
    });
    this.registry = new RegistryService({
      ...common,
      region: REGION,
      keeper: this.keeper,
      remote: { lookup: async () => [], knows: () => false, known: () => [], changes: () => 0 },
      random,
      logger: silentLogger,
      timeouts: settings.timeouts,
    });
    const { electionMsMax } = settings.raft;
    this.admin = new RegionAdmin({
      region: REGION,
      self: machine.id,
      status: () => this.#group.status(),
      group: () => this.group ?? undefined,
      network: () => links,
      nodes: () => members.nodes(),
      waiting: () => this.#admission?.waiting() ?? [],
      clock: loop,
      timeoutMs: ADMIN_TIMEOUT_MS,
      answeringMs: electionMsMax,
    });
    this.admin.serve(this.endpoint);
    this.endpoint.handle(RENEWALS_METHOD, async (from, payload) => {
      if (this.#isMember(from.nodeId)) watch.heardRenewals(this, payload);
      this.keeper.receive(payload, from.nodeId);
      return null;
    });
  }

  get id(): NodeId {
    return this.machine.id;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** Reads its disk, finds its place in the region, and takes part. */
  start(): void {
    this.loop.receive(() => {
      this.#begin().catch((error: unknown) => {
        const isRemoval = error instanceof BootstrapError && error.detail.code === "MEMBER_REMOVED";
        if (isRemoval) this.#ifAlive(() => this.#parts.watch.left(this));
        else this.#fatal(error);
      });
    });
  }

  async #begin(): Promise<void> {
    const { machine, settings, watch } = this.#parts;
    const store = machine.disk.open(this.loop);
    const own = settings.names.includes(machine.member.name) ? [] : [machine.member.name];
    const parts = {
      federation: FEDERATION,
      region: REGION,
      self: machine.member,
      names: [...settings.names, ...own],
      mayFound: machine.mayFound,
      facts: new NodeFactsStore(store),
      requests: this.endpoint,
      directory: this.endpoint,
      clock: this.loop,
      logger: silentLogger,
      stopping: this.#stopping.signal,
      onFatal: (error: unknown) => this.#fatal(error),
      onRemoved: () => this.#ifAlive(() => watch.left(this)),
    };
    const founding = readFounding(parts);
    const place = new RegionPlace(parts);
    if (founding === null) return place.enter((entered) => this.#join(store, place, entered));
    place.answerNewcomers();
    await this.#join(store, place, founding);
  }

  async #join(store: KeyValueStore, place: RegionPlace, founding: Founding): Promise<void> {
    const { machine, loop, settings, random } = this.#parts;
    const group = await RaftGroup.start(
      {
        self: machine.id,
        cluster: originOf(founding.cluster),
        storage: this.#observedStorage(store),
        founding: founding.membership,
        transport: new EpochTransport(this.endpoint, founding.cluster),
        stateMachine: this.#observedStateMachine(),
        clock: loop,
        random,
        logger: silentLogger,
        onFatal: (error) => this.#fatal(error),
        onRemoved: () => {
          this.#isLeaving = true;
          place.leave();
        },
        inspect: (core, event) => this.#inspect(core, event),
      },
      settings.raft,
    );
    if (!this.#isAlive) return;
    this.group = group;
    this.#group.attach(group);
    this.#admission = new Admission({
      region: REGION,
      cluster: founding.cluster,
      group,
      requests: this.endpoint,
      directory: this.endpoint,
      logger: silentLogger,
    });
    place.confirm(() => group.status().membership);
    this.keeper.start();
  }

  /** Asks as a client does: the answer comes when the process runs, or never. */
  call<T>(ask: (process: NodeProcess) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const isWaiting = () => this.#calls.delete(reject);
      this.#calls.add(reject);
      this.loop.receive(() => {
        ask(this).then(
          (value) => {
            if (isWaiting()) resolve(value);
          },
          (error: unknown) => {
            if (isWaiting()) reject(error);
          },
        );
      });
    });
  }

  /** Its group takes no part any more: it was told to stop, or left the region. */
  get isEnding(): boolean {
    return this.#isLeaving || this.#stopping.signal.aborted;
  }

  /** Whether it lived, and was not paused, for all of this span of the world's time. */
  ranUndisturbed(from: number, to: number): boolean {
    return this.#endedAt > to && this.pausesWithin(from, to).length === 0;
  }

  /** How long it stood still, each time that it did within this span. */
  pausesWithin(from: number, to: number): readonly number[] {
    const lengths = this.#pauses.map((pause) => Math.min(pause.to, to) - Math.max(pause.from, from));
    return lengths.filter((length) => length > 0);
  }

  pause(isFrozen: boolean): void {
    if (!this.#isAlive || this.loop.isPaused) return;
    this.#pauses.push({ from: this.#parts.network.queue.now, to: Number.POSITIVE_INFINITY });
    this.loop.pause(isFrozen);
  }

  resume(): void {
    const pause = this.#pauses.at(-1);
    if (pause === undefined || !this.loop.isPaused) return;
    pause.to = this.#parts.network.queue.now;
    this.loop.resume();
  }

  /** Shuts down as `RegistryNode.stop` does, then calls `done`, unless it dies before. */
  stop(done: () => void): void {
    this.loop.receive(() => {
      this.#stop().then(
        () => this.#ifAlive(done),
        (error: unknown) => this.#fatal(error),
      );
    });
  }

  async #stop(): Promise<void> {
    this.#stopping.abort(new Error("this node is stopping"));
    await this.group?.transferLeadership();
    this.registry.stop();
    await this.keeper.stop();
    await this.group?.stop();
  }

  /** Nothing it does from here on has any effect. */
  end(): void {
    this.#endedAt = this.#parts.network.queue.now;
    this.#isAlive = false;
    this.core = null;
    this.loop.end();
    for (const reject of this.#calls) reject(new ProcessGone(`${this.id} is gone`));
    this.#calls.clear();
  }

  passes(point: CrashPoint): void {
    if (!this.#isAlive || this.crashAt?.point !== point || --this.crashAt.passes > 0) return;
    this.#parts.watch.dies(this, point);
  }

  proposing(command: Uint8Array): void {
    this.#ifAlive(() => this.#parts.watch.proposing(this, command));
  }

  renewed(incarnation: number): void {
    this.#ifAlive(() => this.#parts.watch.renewed(this, incarnation));
  }

  #isMember(id: NodeId): boolean {
    return peersOf(this.#group.status().membership).includes(id);
  }

  #ifAlive(run: () => void): void {
    if (this.#isAlive) run();
  }

  #fatal(error: unknown): void {
    this.#ifAlive(() => this.#parts.watch.fatal(this, error));
  }

  #inspect(core: RaftState, event: RaftEvent): void {
    if (!this.#isAlive) return;
    const { watch } = this.#parts;
    if (this.core === null) {
      this.core = core;
      watch.started(this);
    }
    watch.stepped(this, core, event);
    this.before.role = core.role;
    this.before.term = core.term;
    this.before.commit = core.log.commit;
    this.before.lastIndex = core.log.lastIndex;
    this.before.membership = core.membership;
  }

  #sends(message: RaftMessage): boolean {
    this.passes("send");
    if (this.#isAlive) this.#parts.watch.sending(this, message);
    return this.#isAlive;
  }

  #observedStorage(store: KeyValueStore): ObservedStorage {
    const { machine, watch } = this.#parts;
    return new ObservedStorage(new RaftStore(store, silentLogger), machine.record, {
      at: (point) => {
        if (point === "install done") this.#ifAlive(() => watch.installed(this));
        this.passes(point);
      },
      stating: (index, membership) => this.#ifAlive(() => watch.stating(this, index, membership)),
      failed: () => this.#ifAlive(() => watch.writeFailed(this)),
    });
  }

  #observedStateMachine(): StateMachine {
    const { watch, machine } = this.#parts;
    return {
      apply: (command, index) => {
        this.passes("apply");
        this.#ifAlive(() => watch.applying(this, command, index));
        const applied = this.stateMachine.apply(command, index);
        this.#ifAlive(() => watch.applied(this, index));
        return applied;
      },
      restore: async (records: AsyncIterable<readonly StateRecord[]>) => {
        this.passes("restore");
        await this.stateMachine.restore(records);
        this.#ifAlive(() => watch.restored(this, machine.record.image.applied));
      },
    };
  }
}

/** Shows what this node itself proposes. */
class ObservedGroup extends GroupInWaiting {
  readonly #process: NodeProcess;

  constructor(process: NodeProcess) {
    super(process.id, process.loop);
    this.#process = process;
  }

  override propose(command: Uint8Array, options: { timeoutMs: number }): Promise<{ index: number; result: unknown }> {
    this.#process.proposing(command);
    return super.propose(command, options);
  }
}

/** Shows which leases this node itself renews. */
class ObservedKeeper extends LeaseKeeper {
  readonly #process: NodeProcess;

  constructor(process: NodeProcess, parts: LeaseKeeperParts) {
    super(parts);
    this.#process = process;
  }

  override renew(incarnation: number): void {
    super.renew(incarnation);
    this.#process.renewed(incarnation);
  }
}
