/** The region's consensus group as this node sees it: where it stands, what writes and reads take, and what holds them up. */

import { Histogram, type Registry } from "prom-client";
import { increment } from "../util/counts.ts";
import { byKey, just, lazyCounter, lazyGauge, type Reading } from "./lazy.ts";
import type { FollowerNumbers, RaftNumbers } from "./source.ts";

/** What the group tells as it happens; everything else it is asked for. Durations are milliseconds. */
export interface RaftMetrics {
  written(durationMs: number): void;
  proposed(outcome: string, durationMs: number): void;
  read(outcome: string): void;
  stalled(durationMs: number): void;
  snapshot(direction: "sent" | "installed", isDone: boolean): void;
}

const ROLES: readonly RaftNumbers["role"][] = ["follower", "pre-candidate", "candidate", "leader"];

/** From a fast disk's sync to the longest wait that a write is given. */
const BUCKETS_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export function createRaftMetrics(register: Registry, read: () => RaftNumbers): RaftMetrics {
  exposeNumbers(register, read);
  const writes = new Histogram({
    name: "atoll_raft_write_duration_seconds",
    help: "Time from the begin of a batch's write to its sync on disk.",
    buckets: BUCKETS_SECONDS,
    registers: [register],
  });
  const proposals = new Histogram({
    name: "atoll_raft_propose_duration_seconds",
    help: "Time from a write's arrival at the group to its being applied on this node; those that failed are not in it.",
    buckets: BUCKETS_SECONDS,
    registers: [register],
  });
  const proposalsByOutcome = new Map<string, number>();
  const readsByOutcome = new Map<string, number>();
  const snapshots = new Map<string, number>();
  let stalls = 0;
  let stalledMs = 0;
  const byOutcome = (name: string, help: string, counts: ReadonlyMap<string, number>) =>
    lazyCounter<"outcome">(register, { name, help, labelNames: ["outcome"] }, () => byKey("outcome", counts));

  byOutcome(
    "atoll_raft_proposals_total",
    "Writes proposed by this node, by how they ended: done, or why not.",
    proposalsByOutcome,
  );
  byOutcome(
    "atoll_raft_reads_total",
    "Reads that asked a quorum, by how they ended: done, or why not.",
    readsByOutcome,
  );
  lazyCounter(
    register,
    {
      name: "atoll_raft_stalls_total",
      help: "Times this process stood still for so long that it may be taken for gone.",
    },
    () => just(stalls),
  );
  lazyCounter(register, { name: "atoll_raft_stalled_seconds_total", help: "How long these took together." }, () =>
    just(stalledMs / 1000),
  );
  lazyCounter<"outcome">(
    register,
    {
      name: "atoll_raft_snapshots_total",
      help: "Snapshots of the state between members: sent, installed, or either of them failed.",
      labelNames: ["outcome"],
    },
    () => byKey("outcome", snapshots),
  );
  return {
    written: (durationMs) => writes.observe(durationMs / 1000),
    proposed(outcome, durationMs) {
      increment(proposalsByOutcome, outcome);
      if (outcome === "done") proposals.observe(durationMs / 1000);
    },
    read: (outcome) => increment(readsByOutcome, outcome),
    stalled(durationMs) {
      stalls += 1;
      stalledMs += durationMs;
    },
    snapshot: (direction, isDone) => increment(snapshots, isDone ? direction : `not-${direction}`),
  };
}

function exposeNumbers(register: Registry, read: () => RaftNumbers): void {
  const gauge = (name: string, help: string, value: (numbers: RaftNumbers) => number) =>
    lazyGauge(register, { name, help }, () => just(value(read())));
  const counter = (name: string, help: string, value: (numbers: RaftNumbers) => number) =>
    lazyCounter(register, { name, help }, () => just(value(read())));

  lazyGauge<"role">(
    register,
    { name: "atoll_raft_role", help: "1 for the role this node has, 0 for the others.", labelNames: ["role"] },
    () => {
      const current = read().role;
      return ROLES.map((role) => [{ role }, role === current ? 1 : 0]);
    },
  );
  gauge("atoll_raft_has_leader", "1 while this node knows a leader of the current term.", (n) => (n.hasLeader ? 1 : 0));
  gauge("atoll_raft_term", "Current term.", (n) => n.term);
  gauge("atoll_raft_commit_index", "Newest log index known to be committed.", (n) => n.commitIndex);
  gauge("atoll_raft_applied_index", "Newest log index applied to the state: the region's revision here.", (n) => {
    return n.appliedIndex;
  });
  gauge("atoll_raft_log_entries", "Entries in the log that no snapshot has replaced.", (n) => n.logEntries);
  gauge("atoll_raft_voters", "Members that vote.", (n) => n.voters);
  gauge("atoll_raft_voters_connected", "Voters that this node is linked with, itself included.", (n) => {
    return n.votersConnected;
  });
  const ofFollowers = (name: string, help: string, value: (follower: FollowerNumbers) => number) =>
    lazyGauge<"member">(register, { name, help, labelNames: ["member"] }, () =>
      read().followers.map((follower): Reading<"member"> => [{ member: follower.name }, value(follower)]),
    );
  ofFollowers(
    "atoll_raft_follower_lag_entries",
    "Log entries that a member is not proven to hold; shown by the leader.",
    (f) => f.lagEntries,
  );
  ofFollowers("atoll_raft_follower_silent_seconds", "Time since a member answered; shown by the leader.", (f) => {
    return f.silentMs / 1000;
  });
  gauge("atoll_raft_waiting_bytes", "Bytes of writes that wait for a majority.", (n) => n.waitingBytes);
  gauge(
    "atoll_raft_staleness_seconds",
    "Upper bound of how far the applied state may lag.",
    (n) => n.stalenessMs / 1000,
  );
  gauge("atoll_raft_since_leader_seconds", "Time since the last sign of a leader.", (n) => n.sinceLeaderMs / 1000);
  counter("atoll_raft_leaderless_seconds_total", "Time in which this node knew no leader of its region.", (n) => {
    return n.leaderlessMs / 1000;
  });
  counter("atoll_raft_elections_total", "Times this node stood for election.", (n) => n.electionsTotal);
  counter("atoll_raft_leader_changes_total", "Times this node saw the leader change.", (n) => n.leaderChangesTotal);
  counter("atoll_raft_refused_messages_total", "Messages of former members that were not heeded.", (n) => {
    return n.refusedMessagesTotal;
  });
}
