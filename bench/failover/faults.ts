/** The faults that a run injects: what each does to a cluster, and what mends it. */

import type { PeerCluster, PeerNode } from "../peers/peer.ts";

export const FAULT_NAMES = [
  "kill-leader",
  "pause-leader",
  "stop-leader",
  "kill-follower",
  "stall-disk",
  "cut-region",
  "restart-all",
] as const;

export type FaultName = (typeof FAULT_NAMES)[number];

/** A fault that is aimed at somebody. */
export interface AimedFault {
  /** The node that is to be broken; undefined when it is no single one. */
  readonly victim: string | undefined;
  /** Breaks it at once. Resolves when that is done: an orderly stop may take a while. */
  inject(): Promise<void>;
  /** Mends it. Resolves when that was begun: the cluster says itself when it is whole. */
  release(): Promise<void>;
}

export interface Fault {
  readonly description: string;
  /** Why it can not be injected here; undefined when it can. */
  readonly unavailable: (cluster: PeerCluster) => string | undefined;
  /** Finds whom to break. @throws Error when there is nobody, such as no leader */
  readonly aim: (cluster: PeerCluster) => Promise<AimedFault>;
}

export const FAULTS: Readonly<Record<FaultName, Fault>> = {
  "kill-leader": {
    description: "SIGKILL to the leader, which is started again after the hold",
    unavailable: notOurs,
    aim: async (cluster) => killed(await leaderOf(cluster)),
  },
  "pause-leader": {
    description: "SIGSTOP to the leader, SIGCONT after the hold",
    unavailable: notOurs,
    aim: async (cluster) => {
      const leader = await leaderOf(cluster);
      return { victim: leader.name, inject: () => leader.pause(), release: () => leader.resume() };
    },
  },
  "stop-leader": {
    description: "SIGTERM to the leader, which ends in order and is started again after the hold",
    unavailable: notOurs,
    aim: async (cluster) => {
      const leader = await leaderOf(cluster);
      return { victim: leader.name, inject: () => leader.stop(), release: () => leader.start() };
    },
  },
  "kill-follower": {
    description: "SIGKILL to a node that does not lead, which is started again after the hold",
    unavailable: (cluster) => notOurs(cluster) ?? (cluster.nodes.length < 2 ? "there is one node only" : undefined),
    aim: async (cluster) => {
      const leader = await leaderOf(cluster);
      return killed(cluster.nodes.find((node) => node !== leader) ?? leader);
    },
  },
  "stall-disk": {
    description: "every sync to the leader's disk waits until the hold is over",
    unavailable: ({ faults: { disk } }) => ("notInjected" in disk ? disk.notInjected : undefined),
    aim: async (cluster) => {
      const { disk } = cluster.faults;
      if ("notInjected" in disk) throw new Error(disk.notInjected);
      const leader = await leaderOf(cluster);
      const index = cluster.nodes.indexOf(leader);
      return { victim: leader.name, inject: () => disk.inject(index), release: () => disk.release(index) };
    },
  },
  "cut-region": {
    description: "nothing passes between the region of the clients and the others until the hold is over",
    unavailable: ({ faults: { region } }) => ("notInjected" in region ? region.notInjected : undefined),
    aim: async ({ faults: { region } }) => {
      if ("notInjected" in region) throw new Error(region.notInjected);
      return { victim: undefined, inject: () => region.inject(), release: () => region.release() };
    },
  },
  "restart-all": {
    description: "SIGKILL to all nodes of the region at once, and all are started again at once",
    unavailable: notOurs,
    aim: async ({ nodes }) => ({
      victim: undefined,
      inject: async () => {
        await Promise.all(nodes.map((node) => node.kill()));
        await Promise.all(nodes.map((node) => node.start()));
      },
      release: async () => {},
    }),
  },
};

function notOurs({ nodes }: PeerCluster): string | undefined {
  return nodes.some(({ pid }) => pid === null) ? "the nodes were not started here" : undefined;
}

async function leaderOf(cluster: PeerCluster): Promise<PeerNode> {
  const index = await cluster.leader();
  const leader = index === undefined ? undefined : cluster.nodes[index];
  if (leader === undefined) throw new Error("the cluster has no leader to break");
  return leader;
}

function killed(node: PeerNode): AimedFault {
  return { victim: node.name, inject: () => node.kill(), release: () => node.start() };
}
