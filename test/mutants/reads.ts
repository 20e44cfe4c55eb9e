/** Reads that must not show the past, and leadership handed over on purpose. */

import { type Mutant, mutantsOf } from "./mutant.ts";

const simulators = ["core", "node"] as const;

export const READS_AND_TRANSFERS: readonly Mutant[] = [
  ...mutantsOf({ file: "src/raft/core/freshness.ts", tests: ["test/unit/raft/core/freshness.test.ts"], simulators }, [
    {
      name: "follower calls itself fresher than its leader",
      rule: "P9",
      find: "return isKnown ? leftAt - sinceQuorumMs :",
      replace: "return isKnown ? leftAt :",
    },
    {
      name: "heartbeat's way is left out of a follower's staleness",
      rule: "P9",
      find: "return isKnown ? leftAt - sinceQuorumMs :",
      replace: "return isKnown ? state.now - sinceQuorumMs :",
    },
    {
      name: "stamp of another process is believed",
      rule: "P9",
      find: "return at < 0 || at > state.now ? Number.NEGATIVE_INFINITY : at;",
      replace: "return at;",
    },
    {
      name: "answer's arrival confirms a leader",
      rule: "P9",
      find: "progress.answered({ stamp: sentAt, heardAt: state.now }, timeOf(state, echo));",
      replace: "progress.answered({ stamp: sentAt, heardAt: state.now }, state.now);",
    },
  ]),

  ...mutantsOf({ file: "src/raft/core/read-index.ts", tests: ["test/unit/raft/core/read-index.test.ts"], simulators }, [
    {
      name: "read before a commit in the term",
      rule: "R53",
      listed: 17,
      find: "if (state.log.commit < state.termStartIndex) return;",
      replace: "",
    },
    {
      name: "read without a round of a quorum",
      rule: "R54",
      listed: 18,
      find: "if (!isQuorum(state.membership, confirms)) return false;",
      replace: "if (isQuorum(state.membership, confirms) && read.round < 0) return false;",
    },
    {
      name: "answer to an earlier heartbeat confirms a read",
      rule: "R54",
      find: "progress.readRound = Math.max(progress.readRound, readRound);",
      replace: "progress.readRound = Math.max(state.readRound, readRound);",
    },
    {
      name: "read joins the round that is under way",
      rule: "R54",
      listed: "+",
      find: "state.waitingReads.push(...requests);",
      replace: "((state.activeRead?.requests as ReadRequest[] | undefined) ?? state.waitingReads).push(...requests);",
    },
    {
      name: "reads that waited for a round are never confirmed",
      rule: "R54",
      find: "if (finishReadRound(state)) startReadRound(state);",
      replace: "finishReadRound(state);",
    },
  ]),

  ...mutantsOf({ file: "src/raft/core/state.ts", tests: ["test/unit/raft/core/read-index.test.ts"], simulators }, [
    {
      name: "reads that wait are not refused at step-down",
      rule: "R54",
      find: "for (const read of [...(state.activeRead?.requests ?? []), ...state.waitingReads]) refuseRead(state, read);",
      replace: "",
    },
    {
      name: "read round outlives the office",
      rule: "R54",
      find: "state.activeRead = null;",
      replace: "",
    },
  ]),

  ...mutantsOf({ file: "src/raft/reads.ts", tests: ["test/unit/raft/reads.test.ts"], simulators: ["node"] }, [
    {
      name: "read does not wait until its index is applied",
      rule: "R56",
      find: "if (appliedIndex >= index) this.#finish(barriers);",
      replace: "if (appliedIndex >= 0) this.#finish(barriers);",
    },
    {
      name: "read asks again under its old number",
      rule: "R54",
      find: "const request = this.#nextRequest++;",
      replace: "const request = this.#nextRequest;",
    },
    {
      name: "reads count from one in each life of the node",
      rule: "R54",
      find: "this.#nextRequest = parts.firstRequest;",
      replace: "this.#nextRequest = Math.min(parts.firstRequest, 1);",
    },
    {
      name: "lost read is never asked again",
      rule: "R54",
      find: "if (this.#cancelRetry !== null) return;",
      replace: "if (this.#nextRequest > 0) return;",
    },
  ]),

  ...mutantsOf({ file: "src/raft/core/transfer.ts", tests: ["test/unit/raft/core/transfer.test.ts"], simulators }, [
    {
      name: "successor is told to stand before it caught up",
      rule: "R57",
      find: "if (state.progress.get(peer)!.match === lastIndex) send",
      replace: "if (state.progress.has(peer)) send",
    },
    {
      name: "leadership is handed to a silent member",
      rule: "R57",
      find: "const candidates = otherVoters(state).filter(isRecent);",
      replace: "const candidates = otherVoters(state).filter((id) => isRecent(id) || state.progress.has(id));",
    },
  ]),

  ...mutantsOf({ file: "src/raft/core/step.ts", tests: ["test/unit/raft/core/transfer.test.ts"], simulators }, [
    {
      name: "proposals go on during a transfer",
      rule: "R57",
      find: 'return state.role === "leader" && state.transfer === null;',
      replace: 'return state.role === "leader";',
    },
    {
      name: "transfer is never given up",
      rule: "R57",
      find: "if (state.transfer !== null && state.now >= state.transfer.deadline) state.transfer = null;",
      replace: "",
    },
  ]),
];
