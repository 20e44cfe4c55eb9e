/** The region's consensus group as this node sees it. */

import type { Registry } from "prom-client";
import { just, lazyCounter, lazyGauge } from "./lazy.ts";
import type { RaftNumbers } from "./source.ts";

const ROLES: readonly RaftNumbers["role"][] = ["follower", "pre-candidate", "candidate", "leader"];

export function exposeRaft(register: Registry, read: () => RaftNumbers): void {
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
  gauge(
    "atoll_raft_staleness_seconds",
    "Upper bound of how far the applied state may lag.",
    (n) => n.stalenessMs / 1000,
  );
  gauge("atoll_raft_since_leader_seconds", "Time since the last sign of a leader.", (n) => n.sinceLeaderMs / 1000);
  counter("atoll_raft_elections_total", "Times this node stood for election.", (n) => n.electionsTotal);
  counter("atoll_raft_leader_changes_total", "Times this node saw the leader change.", (n) => n.leaderChangesTotal);
  counter("atoll_raft_refused_messages_total", "Messages of former members that were not heeded.", (n) => {
    return n.refusedMessagesTotal;
  });
}
