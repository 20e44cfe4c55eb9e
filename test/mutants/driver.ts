/** What is done around the pure core: the order of writing and sending, sessions, proposals. */

import { type Mutant, mutantsOf } from "./mutant.ts";

const simulators = ["node"] as const;
const GROUP = "test/unit/raft/raft-group.test.ts";

export const DRIVER: readonly Mutant[] = [
  ...mutantsOf({ file: "src/raft/persister.ts", tests: ["test/unit/raft/persister.test.ts", GROUP], simulators }, [
    {
      name: "promises leave with the write, not after it",
      rule: "R1, R2",
      find: "const last = batch.entries?.at(-1);",
      replace:
        "const last = batch.entries?.at(-1); this.#parts.onWritten({ promises: promises.splice(0), last: undefined });",
    },
    {
      name: "promise made during a write does not wait for it",
      rule: "R1, R2",
      find: "for (const message of ready.promises) {",
      replace: "this.#parts.onWritten({ promises: ready.promises, last: undefined });\n    for (const message of []) {",
    },
    {
      name: "replaced entries are written with those that replace them",
      rule: "R5",
      find: "while (this.#entries.length > 0 && this.#entries.at(-1)!.index >= first.index) this.#entries.pop();",
      replace: "",
    },
    {
      name: "applied index is written without what was applied",
      rule: "R7, F6",
      find: "const writes = [...this.#effects].map(([key, value]): StateWrite => ({ key, value }));",
      replace: "const writes: StateWrite[] = [];",
    },
    {
      name: "sessions are not written with the state",
      rule: "R7, R40",
      listed: "+",
      find: "writes.push(...this.#parts.takeSessionWrites());",
      replace: "",
    },
    {
      name: "failed write is passed over",
      rule: "R8",
      find: "this.#parts.onFailed(error);",
      replace: "this.#parts.onWritten({ promises: [], last: error === undefined ? last : undefined });",
    },
    {
      name: "writing goes on after a failed write",
      rule: "R8",
      find: 'if (this.#isStopped) throw new Error("nothing more is written");',
      replace: "",
    },
    {
      name: "two writes at a time",
      rule: "R37",
      find: "if (this.#writing !== null || this.#isStopped) return;",
      replace: "if (this.#isStopped) return;",
    },
    {
      name: "effects of the former state go over an installed snapshot",
      rule: "R6",
      find: "this.#effects.clear();",
      replace: "",
    },
  ]),

  ...mutantsOf({ file: "src/raft/raft-group.ts", tests: [GROUP], simulators }, [
    {
      name: "timers are believed before the sockets are read",
      rule: "R59",
      find: "clock.afterIo(() => this.#tick(lateMs));",
      replace: "this.#tick(lateMs);",
    },
    {
      name: "own stall is not noticed",
      rule: "R59",
      find: "if (lateMs <= this.#options.heartbeatMs / 2) return this.#tick(0);",
      replace: "if (lateMs < Infinity) return this.#tick(0);",
    },
    {
      name: "leader takes proposals without bound",
      rule: "R38",
      find: 'if (this.#isOverloaded) return "overloaded";',
      replace: "",
    },
    {
      name: "leader takes forwarded proposals without bound",
      rule: "R38",
      find: "const isOverloaded = this.#isOverloaded;",
      replace: "const isOverloaded = false;",
    },
    {
      name: "leadership is proved by belief",
      rule: "R54, F1",
      find: 'if (this.#state.role !== "leader" || this.#state.term !== term) throw notLeader(options.timeoutMs);',
      replace: "",
    },
    {
      name: "broken rule ends nothing",
      rule: "R8",
      find: "this.#parts.onFatal(error);",
      replace: "",
    },
    {
      name: "what a broken rule left behind is written",
      rule: "R8",
      find: "this.#persister.abandon();",
      replace: "",
    },
    {
      name: "leader calls itself fresher than what a quorum confirmed",
      rule: "P9",
      find: "return this.#isCurrent() ? sinceConfirmedMs(state, now) : now - this.#freshness.at;",
      replace: "return this.#isCurrent() ? sinceQuorumMs(state, now) : now - this.#freshness.at;",
    },
    {
      name: "page of a backlog is the last",
      rule: "R39",
      find: "if (ready.committed.length === this.#options.committedPage) clock.afterIo(() => this.#schedulePump());",
      replace: "",
    },
  ]),

  ...mutantsOf({ file: "src/raft/sessions.ts", tests: ["test/unit/raft/sessions.test.ts", GROUP], simulators }, [
    {
      name: "repeated command is applied again",
      rule: "R40",
      listed: "+",
      find: 'if (earlier !== undefined) return { type: "outcome", outcome: earlier };',
      replace: "",
    },
    {
      name: "command is applied again once its outcome was forgotten",
      rule: "R40",
      find: "if (session === undefined || envelope.sequence < session.answeredBelow)",
      replace: "if (session === undefined)",
    },
    {
      name: "outcome is forgotten that may still be asked for",
      rule: "R40",
      find: "if (sequence < answeredBelow) session.outcomes.delete(sequence);",
      replace: "if (sequence <= answeredBelow) session.outcomes.delete(sequence);",
    },
    {
      name: "outcomes are never forgotten",
      rule: "R40",
      find: "if (sequence < answeredBelow) session.outcomes.delete(sequence);",
      replace: "",
    },
    {
      name: "used session is not written",
      rule: "R7, R40",
      find: "this.#touch(envelope.session, session, index);",
      replace: "",
    },
    {
      name: "sessions without bound",
      rule: "R40",
      find: "if (this.#sessions.size > SESSIONS_MAX) this.#forget(this.#sessions.keys().next().value!);",
      replace: "",
    },
    {
      name: "restored replica lets other sessions go",
      rule: "R40, R58",
      find: "sessions.sort(([, a], [, b]) => a.lastUsed - b.lastUsed)",
      replace: "sessions.sort(([, a], [, b]) => b.lastUsed - a.lastUsed)",
    },
  ]),

  ...mutantsOf({ file: "src/raft/proposer.ts", tests: ["test/unit/raft/proposer.test.ts", GROUP], simulators }, [
    {
      name: "unknown outcome is called not proposed",
      rule: "R41",
      find: "if (waiting.sends > 0) this.#reject(waiting, this.#unknown(waiting));",
      replace: "if (waiting.sends < 0) this.#reject(waiting, this.#unknown(waiting));",
    },
    {
      name: "turned away although an earlier leader may have taken it",
      rule: "R41",
      find: "if (waiting.sends > 0) return;",
      replace: "",
    },
    {
      name: "says it has answers that it waits for",
      rule: "R40",
      find: "this.#waiting.keys().next().value ?? sequence;",
      replace: "sequence;",
    },
    {
      name: "takes another session's outcome for its own",
      rule: "R40",
      find: "if (envelope.session !== this.#session) return;",
      replace: "",
    },
    {
      name: "lost proposal is never sent again",
      rule: "R40",
      find: "if (waiting.sends > 0 && waiting.sentAt <= before)",
      replace: "if (waiting.sends > 0 && waiting.sentAt < 0)",
    },
    {
      name: "proposals wait without bound",
      rule: "R38",
      find: "if (this.#waitingBytes + command.length > waitingBytesMax) {",
      replace: "if (this.#waitingBytes < 0) {",
    },
    {
      name: "command of any size is proposed",
      rule: "R36",
      find: "if (command.length > commandBytesMax) {",
      replace: "if (command.length < 0) {",
    },
  ]),
];
