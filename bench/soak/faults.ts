/** What is done to the cluster: each fault breaks something, holds it, mends it, and says what did not go as documented. */

import { type Clock, sleep } from "../../src/util/clock.ts";
import type { Random } from "../../src/util/random.ts";
import { SmallDisk } from "../../test/support/small-disk.ts";
import { untilServing } from "../comparison/serving.ts";
import { newKey, type SoakCluster, type SoakNode, type SoakRegion } from "./cluster.ts";

export const FAULT_NAMES = [
  "kill-leader",
  "kill-follower",
  "pause-leader",
  "stop-leader",
  "cut-region",
  "fill-disk",
  "fill-leaders-disk",
  "rotate-token",
  "rotate-region-key",
  "rotate-shared-key",
  "rolling-restart",
] as const;

export type FaultName = (typeof FAULT_NAMES)[number];

export interface FaultContext {
  readonly cluster: SoakCluster;
  /** Where it is done, if it is done in one region. */
  readonly region: SoakRegion;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly tell: (doing: string) => void;
}

/** What was done. */
export interface FaultStory {
  /** The node that was broken; empty when it was no single one. */
  readonly victim: string;
  readonly remark?: string;
}

export interface Fault {
  /** It is done in all regions. */
  readonly isEverywhere?: boolean;
  /** It ends every process of every region. */
  readonly restartsAll?: boolean;
  /** It ends a process: later on that is done in the first region only. */
  readonly endsProcess?: boolean;
  /** Where alone it can be done. */
  readonly isFirstRegionOnly?: boolean;
  /** Codes of log lines of level error that belong to it. */
  readonly errors?: readonly string[];
  /** A node may end by itself: it is documented to. */
  readonly mayEndNode?: boolean;
  /** Why it can not be injected there; undefined when it can. */
  readonly unavailable?: (region: SoakRegion) => string | undefined;
  /** @throws Error what did not happen as it is documented */
  readonly perform: (context: FaultContext) => Promise<FaultStory>;
}

const HOLD_MS = 2_000;
/** Longer than an election (a second at most), shorter than a lease. */
const PAUSE_MS = 4_000;
/** Long enough for a summary to be no longer fresh. */
const CUT_MS = 6_000;
const DISK_HOLD_MS = 3_000;
const SAID_TIMEOUT_MS = 15_000;
const POLL_MS = 100;
const DISK_CODES = ["DISK_LOW", "DISK_FULL"];
const MIB = 2 ** 20;
/** Less than a quarter of the reserve. */
const LEFT_BYTES = 4 * MIB;
/** What was sent with the old token is answered by then. */
const HAND_OUT_MS = 3_000;

export const FAULTS: Readonly<Record<FaultName, Fault>> = {
  "kill-leader": {
    endsProcess: true,
    async perform(context) {
      const { cluster, region } = context;
      return endForAWhile(context, await cluster.leaderOf(region), (node) => cluster.kill(node));
    },
  },
  "kill-follower": {
    endsProcess: true,
    unavailable: ({ nodes }) => (nodes.length < 2 ? "the region has one node only" : undefined),
    async perform(context) {
      return endForAWhile(context, await followerOf(context), (node) => context.cluster.kill(node));
    },
  },
  "pause-leader": {
    async perform({ cluster, region, clock, signal }) {
      const leader = await cluster.leaderOf(region);
      cluster.pause(leader);
      try {
        await sleep(clock, PAUSE_MS, signal);
      } finally {
        cluster.resume(leader);
      }
      return { victim: leader.name };
    },
  },
  "stop-leader": {
    endsProcess: true,
    async perform(context) {
      const { cluster, region } = context;
      return endForAWhile(context, await cluster.leaderOf(region), (node) => cluster.stopNode(node));
    },
  },
  "cut-region": {
    isEverywhere: true,
    async perform({ cluster, clock, signal }) {
      cluster.cutAll();
      try {
        await sleep(clock, CUT_MS, signal);
      } finally {
        cluster.healAll();
      }
      return { victim: "" };
    },
  },
  "fill-disk": {
    isFirstRegionOnly: true,
    unavailable: withoutDisks,
    async perform(context) {
      const node = await followerOf(context);
      const disk = diskOf(node);
      await disk.leave(LEFT_BYTES);
      try {
        await untilDegraded(context, node, true);
        await sleep(context.clock, DISK_HOLD_MS, context.signal);
      } finally {
        await disk.makeRoom();
      }
      await untilDegraded(context, node, false);
      return { victim: node.name, remark: "said so in /ready, and healed by itself" };
    },
  },
  "fill-leaders-disk": {
    isFirstRegionOnly: true,
    mayEndNode: true,
    errors: ["NODE_FAILED", "REQUEST_FAILED", "AUDIT_TRAIL_LOST", "STOP_FAILED", "STORE_UNAVAILABLE"],
    unavailable: withoutDisks,
    async perform(context) {
      const { cluster, region, clock, signal } = context;
      const node = await cluster.leaderOf(region);
      const disk = diskOf(node);
      const endsBefore = cluster.endedByThemselves.length;
      const hasEnded = () => cluster.endedByThemselves.slice(endsBefore).some((end) => end.node === node.name);
      await disk.fill();
      try {
        await untilDegraded(context, node, true, hasEnded);
        await sleep(clock, DISK_HOLD_MS, signal);
      } finally {
        await disk.makeRoom();
      }
      await untilServing(node.url, context);
      await untilDegraded(context, node, false);
      const remark = hasEnded()
        ? "a write was refused: it ended, and was started again"
        : "said so in /ready, and healed by itself";
      return { victim: node.name, remark };
    },
  },
  "rotate-token": {
    isEverywhere: true,
    async perform(context) {
      const { cluster, clock, signal } = context;
      const old = cluster.regions.map((region) => ({ region, ...region.agentToken }));
      let slowestMs = 0;
      for (const region of cluster.regions) {
        const made = await cluster.newAgentToken(region);
        const madeMs = clock.now();
        // A node knows it from when it has applied it: whoever hands it out at once would meet 401 on one that is behind.
        for (const { url, name } of region.nodes) {
          await within(
            context,
            `${name} to know the new token`,
            async () => (await statusFor(url, made.token)) === 200,
          );
        }
        slowestMs = Math.max(slowestMs, clock.now() - madeMs);
        region.agentToken = made;
      }
      await sleep(clock, HAND_OUT_MS, signal);
      for (const { region, id } of old) await cluster.api(region).revokeToken(id);
      for (const { region, token } of old) {
        for (const { url, name } of region.nodes) {
          await within(
            context,
            `${name} to refuse the revoked token`,
            async () => (await statusFor(url, token)) === 401,
          );
        }
      }
      return { victim: "", remark: `known to all nodes after ${Math.round(slowestMs)} ms; each refuses the old one` };
    },
  },
  "rotate-region-key": {
    isEverywhere: true,
    async perform({ cluster }) {
      for (const region of cluster.regions) await cluster.api(region).rotateRegionKey();
      return { victim: "" };
    },
  },
  "rotate-shared-key": {
    isEverywhere: true,
    restartsAll: true,
    // Both keys side by side, then the new one spoken first, then alone: as operators are told to.
    async perform(context) {
      const { cluster, tell } = context;
      const old = cluster.encryptionKey;
      const next = newKey();
      for (const [i, keys] of [`${old},${next}`, `${next},${old}`, next].entries()) {
        tell(`round ${i + 1} of 3`);
        cluster.rekey(keys);
        await restartInTurn(context);
      }
      return { victim: "" };
    },
  },
  "rolling-restart": {
    isEverywhere: true,
    restartsAll: true,
    async perform(context) {
      await restartInTurn(context);
      return { victim: "" };
    },
  },
};

/** One turn of faults, in an order that the seed decides. */
export function shuffled(faults: readonly FaultName[], random: Random): FaultName[] {
  const order = faults.map((fault) => ({ fault, at: random.next() }));
  return order.sort((a, b) => a.at - b.at).map(({ fault }) => fault);
}

async function endForAWhile(
  { cluster, clock, signal }: FaultContext,
  node: SoakNode,
  end: (node: SoakNode) => Promise<void>,
): Promise<FaultStory> {
  await end(node);
  await sleep(clock, HOLD_MS, signal);
  await cluster.startNode(node);
  return { victim: node.name };
}

async function followerOf({ cluster, region }: FaultContext): Promise<SoakNode> {
  const leader = await cluster.leaderOf(region);
  const follower = region.nodes.find((node) => node !== leader);
  if (follower === undefined) throw new Error(`${region.name} has no node that follows`);
  return follower;
}

/** The leader of each region last, as an upgrade is documented. */
async function restartInTurn(context: FaultContext): Promise<void> {
  const { cluster, signal, tell } = context;
  const inTurn = async (region: SoakRegion) => {
    const leader = await cluster.leaderOf(region);
    for (const node of [...region.nodes.filter((each) => each !== leader), leader]) {
      signal.throwIfAborted();
      tell(`restarting ${node.name}`);
      await cluster.stopNode(node);
      await cluster.startNode(node);
      await untilServing(node.url, context);
    }
  };
  await Promise.all(cluster.regions.map(inTurn));
}

function withoutDisks({ nodes }: SoakRegion): string | undefined {
  if (nodes.length < 3) return "the region has no majority without one of its nodes";
  const disk = nodes.map((node) => node.disk).find((each) => !(each instanceof SmallDisk));
  return disk instanceof SmallDisk ? undefined : disk?.notInjected;
}

function diskOf({ name, disk }: SoakNode): SmallDisk {
  if (disk instanceof SmallDisk) return disk;
  throw new Error(`${name}: ${disk.notInjected}`);
}

/** @param isEnough - whether it need not be waited for any more */
async function untilDegraded(
  context: FaultContext,
  { name, url }: SoakNode,
  isWanted: boolean,
  isEnough = () => false,
): Promise<void> {
  const what = isWanted
    ? `${name} to say in /ready that its disk is full`
    : `${name} to say in /ready that its disk has room`;
  await within(context, what, async () => isEnough() || (await hasDegradedDisk(url)) === isWanted);
}

/** Undefined when it does not answer. */
async function hasDegradedDisk(url: string): Promise<boolean | undefined> {
  try {
    const response = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(POLL_MS * 10) });
    const { degraded } = (await response.json()) as { degraded?: readonly { readonly code: string }[] };
    return degraded?.some(({ code }) => DISK_CODES.includes(code)) ?? false;
  } catch {
    return undefined;
  }
}

/** What a node answers to whoever has this token. */
async function statusFor(url: string, token: string): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${url}/v1/agents?limit=1`, { headers, signal: AbortSignal.timeout(SAID_TIMEOUT_MS) });
  await response.body?.cancel();
  return response.status;
}

async function within({ clock, signal }: FaultContext, what: string, isMet: () => Promise<boolean>): Promise<void> {
  const deadlineMs = clock.now() + SAID_TIMEOUT_MS;
  while (!(await isMet())) {
    if (clock.now() > deadlineMs) throw new Error(`${SAID_TIMEOUT_MS} ms were not enough for ${what}`);
    await sleep(clock, POLL_MS, signal);
  }
}
