/** Catching up by snapshot: what is sent, what is taken, and what a snapshot replaces. */

import { type Mutant, mutantsOf } from "./mutant.ts";

const SNAPSHOT = "test/unit/raft/core/snapshot.test.ts";
const EXCHANGE = "test/unit/raft/snapshot-exchange.test.ts";
const GROUP = "test/unit/raft/raft-group.test.ts";

export const SNAPSHOTS: readonly Mutant[] = [
  ...mutantsOf({ file: "src/raft/core/snapshot.ts", tests: [SNAPSHOT], simulators: ["core", "node"] }, [
    {
      name: "snapshot at or below commit is installed",
      rule: "R44",
      listed: 16,
      find: "if (lastIndex <= state.log.commit) return false;",
      replace: "",
    },
    {
      name: "snapshot drops a tail that agrees with it",
      rule: "R44",
      find: "if (!state.log.has(lastIndex, lastTerm)) return true;",
      replace: "if (lastTerm >= 0) return true;",
    },
    {
      name: "installed snapshot leaves the old log",
      rule: "R44",
      find: "state.log.reset({ index: snapshot.lastIndex, term: snapshot.lastTerm });",
      replace: "",
    },
    {
      name: "failed snapshot leaves the peer paused",
      rule: "R46",
      listed: "+",
      find: "else progress.becomeSilent();",
      replace: "",
    },
    {
      name: "arrived snapshot counts as acknowledgement",
      rule: "R32",
      find: "if (installed) progress.becomeProbe(",
      replace: "if (installed) progress.accepted(lastIndex), progress.becomeProbe(",
    },
  ]),

  ...mutantsOf({ file: "src/raft/snapshot-exchange.ts", tests: [EXCHANGE, GROUP], simulators: ["node"] }, [
    {
      name: "snapshot is taken from one that does not lead",
      rule: "R43",
      find: "if (state.leader !== from) throw",
      replace: "if (state.self === from) throw",
    },
    {
      name: "snapshot is sent that leaves its receiver out",
      rule: "R45",
      find: "if (!peersOf(membership).includes(peer)) throw",
      replace: "if (peersOf(membership).length === 0) throw",
    },
    {
      name: "snapshot of another region is taken",
      rule: "F17",
      find: "if (header.cluster !== this.#parts.cluster) throw",
      replace: "if (header.cluster.length === 0) throw",
    },
    {
      name: "snapshot of an earlier leader is taken",
      rule: "R43",
      find: "if (header.term !== state.term) throw",
      replace: "if (header.term < 0) throw",
    },
    {
      name: "broken transfer is never reported",
      rule: "R46",
      find: "this.#later(() => done(0, false));",
      replace: "",
    },
    {
      name: "two snapshots are received at once",
      rule: "R43",
      find: 'if (this.#isReceiving) throw new Error("another snapshot is being received");',
      replace: "",
    },
  ]),

  ...mutantsOf({ file: "src/raft/raft-group.ts", tests: [GROUP], simulators: ["node"] }, [
    {
      name: "votes go on while a snapshot replaces the log",
      rule: "R1, R6",
      find: "this.#held = [];",
      replace: "",
    },
    {
      name: "snapshot comes without the sessions",
      rule: "R40, R44",
      listed: "+",
      find: "this.#sessions.restore(sessions);",
      replace: "",
    },
    {
      name: "applied index is not restored with the state",
      rule: "R7, F6",
      listed: "+",
      find: "this.#appliedIndex = index;",
      replace: "",
    },
    {
      name: "compaction forgets what the disk does not show",
      rule: "R42",
      find: "const index = Math.min(this.#persister.durableApplied, log.lastIndex - tail, needed);",
      replace: "const index = Math.min(log.applied, log.lastIndex - tail, needed);",
    },
    {
      name: "log is never compacted",
      rule: "R42",
      find: "if (!isLong && log.bytes <= logBytesMax) return;",
      replace: "if (log.bytes <= logBytesMax) return;",
    },
    {
      name: "outcomes that a snapshot brought are not looked up",
      rule: "R40",
      find: "this.#proposer.reviewAll((id) => this.#sessions.outcomeOf(id));",
      replace: "",
    },
    {
      name: "reads that a snapshot answers go on waiting",
      rule: "R56",
      find: "this.#reads.applied(snapshot.lastIndex);",
      replace: "",
    },
  ]),
];
