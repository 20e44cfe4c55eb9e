/** How entries spread, and when they count as committed. */

import { type Mutant, mutantsOf } from "./mutant.ts";

const simulators = ["core", "node"] as const;
const LOG_TEST = "test/unit/raft/core/log.test.ts";
const REPLICATION_TEST = "test/unit/raft/core/replication.test.ts";
const APPEND_TEST = "test/unit/raft/core/append-entries.test.ts";

export const REPLICATION: readonly Mutant[] = [
  ...mutantsOf({ file: "src/raft/core/state.ts", tests: [APPEND_TEST], simulators }, [
    {
      name: "append is acknowledged before it is on disk",
      rule: "R2",
      listed: 2,
      find: "state.outbox.promises.push({",
      replace: '(body.type === "appendResponse" ? state.outbox.messages : state.outbox.promises).push({',
    },
  ]),

  ...mutantsOf({ file: "src/raft/core/append-entries.ts", tests: [APPEND_TEST], simulators }, [
    {
      name: "previous entry is matched by index only",
      rule: "R29",
      listed: 10,
      find: "if (!log.has(prevIndex, prevTerm)) {",
      replace: "if (prevIndex > log.lastIndex) {",
    },
    {
      name: "what was compacted does not count as matched",
      rule: "R31",
      find: "if (prevIndex < log.commit) {",
      replace: "if (prevIndex < 0) {",
    },
    {
      name: "follower takes the leader's commit for its own",
      rule: "R30",
      listed: 11,
      find: "log.commitTo(Math.min(message.commit, proven));",
      replace: "log.commitTo(Math.min(message.commit, log.lastIndex));",
    },
    {
      name: "heartbeat answered before its term is on disk",
      rule: "R1",
      find: "const isTermDurable = log.termAt(log.stable) === term;",
      replace: "const isTermDurable = true;",
    },
    {
      name: "heartbeat answered after whatever the disk has to write",
      rule: "R14",
      find: "const isTermDurable = log.termAt(log.stable) === term;",
      replace: "const isTermDurable = false;",
    },
    {
      name: "follower acknowledges its tail unproven",
      rule: "R30",
      find: "const proven = prevIndex + message.entries.length;",
      replace: "const proven = log.lastIndex;",
    },
    {
      name: "of several appends only the last reaches the disk",
      rule: "R2, R37",
      find: "Math.min(state.outbox.entriesFrom ?? written, written);",
      replace: "written;",
    },
    {
      name: "heartbeat commits past the end of the log",
      rule: "R30",
      find: "log.commitTo(Math.min(message.commit, log.lastIndex));",
      replace: "log.commitTo(message.commit);",
    },
  ]),

  ...mutantsOf({ file: "src/raft/core/log.ts", tests: [LOG_TEST, APPEND_TEST], simulators }, [
    {
      name: "every append truncates the tail",
      rule: "R29",
      listed: 9,
      find: "const first = entries.findIndex(isNew);",
      replace: "const first = entries.length > 0 && isNew === isNew ? 0 : -1;",
    },
    {
      name: "a committed entry may be replaced",
      rule: "R29",
      find: "invariant(index > this.#commit, `a committed",
      replace: "invariant(index >= 0, `a committed",
    },
    {
      name: "truncated entries still count as on disk",
      rule: "R4",
      find: "this.#stable = Math.min(this.#stable, index - 1);",
      replace: "",
    },
    {
      name: "late word of the disk blesses replaced entries",
      rule: "R4",
      find: "if (index > this.#stable && this.has(index, term)) this.#stable = index;",
      replace: "if (index > this.#stable && term >= 0) this.#stable = Math.min(index, this.lastIndex);",
    },
    {
      name: "commit goes back",
      rule: "R30",
      find: "if (index <= this.#commit) return;",
      replace: "",
    },
    {
      name: "an entry over the limit never leaves",
      rule: "R36",
      find: "if (end > begin && bytes > bytesMax) break;",
      replace: "if (bytes > bytesMax) break;",
    },
    {
      name: "a backlog is handed out at once",
      rule: "R39",
      find: "begin + countMax);",
      replace: "begin + countMax + this.#entries.length);",
    },
    {
      name: "entries that were not applied are forgotten",
      rule: "R42",
      find: 'invariant(index <= this.#applied, "only applied entries are compacted");',
      replace: "",
    },
  ]),

  ...mutantsOf({ file: "src/raft/core/quorum.ts", tests: ["test/unit/raft/core/quorum.test.ts"], simulators }, [
    {
      name: "commit quorum is one short",
      rule: "R3",
      listed: "+",
      find: "return values[Math.floor(voters.length / 2)]!;",
      replace: "return values[Math.max(Math.floor(voters.length / 2) - 1, 0)]!;",
    },
    {
      name: "joint commit needs only the new voters",
      rule: "R47",
      listed: 19,
      find: "return Math.min(majorityReaches(membership.voters, reach), majorityReaches(membership.outgoing, reach));",
      replace: "return majorityReaches(membership.voters, reach);",
    },
  ]),

  ...mutantsOf({ file: "src/raft/core/replication.ts", tests: [REPLICATION_TEST], simulators }, [
    {
      name: "entries of older terms are committed by counting",
      rule: "R27",
      listed: 3,
      find: "if (index <= log.commit || log.termAt(index) !== state.term) return;",
      replace: "if (index <= log.commit) return;",
    },
    {
      name: "leader counts itself before its own write",
      rule: "R3",
      find: "(id === state.self ? log.stable :",
      replace: "(id === state.self ? log.lastIndex :",
    },
    {
      name: "heartbeat tells more commit than the peer holds",
      rule: "R30",
      listed: 12,
      find: "commit: Math.min(commit, progress.match), ...echoTo(state, progress) }, id);",
      replace: "commit, ...echoTo(state, progress) }, id);",
    },
    {
      name: "a new leader calls what it knows to be committed current",
      rule: "P9",
      find: "const isCurrent = commit >= state.termStartIndex;",
      replace: "const isCurrent = commit >= 0;",
      tests: ["test/unit/raft/core/freshness.test.ts"],
    },
    {
      name: "rejection counts as acknowledgement",
      rule: "R32",
      listed: 13,
      find: "if (response.accepted) {",
      replace: "if (response.accepted || response.index > 0) {",
    },
    {
      name: "acknowledgement of what was never sent counts",
      rule: "R32",
      find: "if (response.index > state.log.lastIndex) return;",
      replace: "",
    },
    {
      name: "hints of a refusal are not used",
      rule: "R33",
      find: "progress.rejected(response.index, hint.index);",
      replace: "progress.rejected(response.index, hint.index < 0 ? 0 : response.index - 2);",
    },
    {
      name: "inflight window never reopens",
      rule: "R35",
      listed: "+",
      find: "progress.reopen();",
      replace: "",
    },
    {
      name: "a lost last append is never found out",
      rule: "R35",
      find: "if (isAllSent && progress.match < lastIndex) sendAppend(state, from, progress);",
      replace: "",
    },
    {
      name: "no snapshot when the entries are gone",
      rule: "R34",
      listed: "+",
      find: "state.outbox.snapshotsFor.add(id);",
      replace: "",
      tests: ["test/unit/raft/core/snapshot.test.ts"],
    },
    {
      name: "uncommitted bytes are never given back",
      rule: "R38",
      find: "state.uncommittedBytes = Math.max(0, state.uncommittedBytes - log.bytesBetween(before, index));",
      replace: "log.bytesBetween(before, index);",
    },
    {
      name: "followers hear of a commit only with the next heartbeat",
      rule: "R37",
      find: "if (!hasEntries && !isCommitNews && !isProbe) return;",
      replace: "if (!hasEntries && !isProbe) return;",
    },
  ]),

  ...mutantsOf({ file: "src/raft/core/progress.ts", tests: [REPLICATION_TEST], simulators }, [
    {
      name: "match goes back",
      rule: "R32",
      find: "this.match = Math.max(this.match, index);",
      replace: "this.match = index;",
    },
    {
      name: "window is not bounded by count",
      rule: "R35",
      find: "this.#inflight.length >= this.#window.messagesMax || ",
      replace: "",
    },
    {
      name: "window is not bounded by bytes",
      rule: "R35",
      find: " || this.#inflightBytes >= this.#window.bytesMax;",
      replace: ";",
    },
    {
      name: "probe floods",
      rule: "R34",
      find: "this.#isProbeSent = true;\n      return;",
      replace: "this.#isProbeSent = false; this.next = lastIndex + 1;\n      return;",
    },
    {
      name: "probe goes below what was acknowledged",
      rule: "R32, R33",
      find: "this.next = Math.max(Math.min(refusedIndex, hint + 1), this.match + 1);",
      replace: "this.next = Math.max(Math.min(refusedIndex, hint + 1), 1);",
    },
    {
      name: "any refusal moves the probe",
      rule: "R34",
      find: 'if (this.#state === "snapshot" || this.next - 1 !== refusedIndex) return false;',
      replace: 'if (this.#state === "snapshot") return false;',
    },
    {
      name: "entries that connect do not end the wait for a snapshot",
      rule: "R46",
      find: 'else if (this.#state === "snapshot" && hasGrown) this.becomeProbe();',
      replace: "",
    },
  ]),
];
