/** Who belongs to the group: one change at a time, through both majorities, and for good. */

import { type Mutant, mutantsOf } from "./mutant.ts";

const simulators = ["core", "node"] as const;
const CORE = "test/unit/raft/core/membership.test.ts";
const GROUP = "test/unit/raft/membership-changes.test.ts";
const RECOVERY = "test/unit/raft/recovery.test.ts";
const BOOTSTRAP = "test/unit/raft/bootstrap.test.ts";

export const MEMBERSHIP: readonly Mutant[] = [
  ...mutantsOf({ file: "src/raft/core/membership.ts", tests: [CORE, GROUP], simulators }, [
    {
      name: "second change while one is pending",
      rule: "R48",
      listed: 20,
      find: "if (isChanging(state) || state.log.commit < state.termStartIndex) return",
      replace: "if (state.log.commit < state.termStartIndex) return",
    },
    {
      name: "change before an entry of the own term is committed",
      rule: "R47",
      find: "if (isChanging(state) || state.log.commit < state.termStartIndex) return",
      replace: "if (isChanging(state)) return",
    },
    {
      name: "change during a transfer",
      rule: "R57",
      find: 'if (state.role !== "leader" || state.transfer !== null) return',
      replace: 'if (state.role !== "leader") return',
    },
    {
      name: "any change takes one step",
      rule: "R47",
      find: "without(membership.voters, voters).length === 1;",
      replace: "without(membership.voters, voters).length >= 1;",
    },
    {
      name: "joint configuration is never left",
      rule: "R51",
      find: "if (log.commit >= termStartIndex) appendMembership(state, withoutOutgoing(membership));",
      replace: "",
    },
    {
      name: "joint configuration is left before it is committed",
      rule: "R47",
      find: 'if (state.role !== "leader" || !isConfigurationCommitted(state)) return;',
      replace: 'if (state.role !== "leader") return;',
    },
    {
      name: "removed leader does not hand over",
      rule: "R51",
      find: "transferLeadership(state, null);",
      replace: "",
    },
    {
      name: "learner is promoted before it caught up",
      rule: "R50",
      find: "if (!progress.get(id)!.keepsPace(state.now, state.options.electionMsMin) || !answers(state, id))",
      replace: "if (!answers(state, id))",
    },
    {
      name: "learner is never promoted by itself",
      rule: "R50",
      find: 'if ("next" in plan) return appendMembership(state, plan.next);',
      replace: 'if ("next" in plan) return;',
    },
    {
      name: "learner that is to stay one is promoted",
      rule: "R50",
      find: 'if (becomes !== "voter") continue;',
      replace: "",
    },
    {
      name: "removed id returns",
      rule: "R13",
      find: 'if (removed.includes(member.id)) return { refused: "removed-for-good" };',
      replace: "",
    },
    {
      name: "who left through a joint configuration is not remembered",
      rule: "R13",
      find: "const removed = withRemoved(joint.removed, without(joint.outgoing, joint.voters));",
      replace: "const { removed } = joint;",
    },
    {
      name: "the name of a member that answers is taken over",
      rule: "R12",
      find: "holder !== undefined && mayReturn(state, holder.id)",
      replace: "holder !== undefined && holder.id === member.id",
    },
    {
      name: "successor is promoted although the one it replaces answers",
      rule: "R12",
      find: "if (replaces !== null && mayReturn(state, replaces)) return",
      replace: "if (replaces === state.self) return",
    },
    {
      name: "removal that leaves no quorum is begun",
      rule: "R52",
      find: "if (2 * answering <= voters.length) return",
      replace: "if (answering === 0) return",
    },
    {
      name: "last voter is removed",
      rule: "R52",
      find: 'if (voters.length === 0) return { refused: "last-voter" };',
      replace: "",
    },
  ]),

  ...mutantsOf({ file: "src/raft/core/configuration.ts", tests: [CORE, GROUP], simulators }, [
    {
      name: "configuration takes effect only when it is committed",
      rule: "R49",
      find: "return this.#kept.at(-1)!.membership;",
      replace: "return this.#kept[0]!.membership;",
    },
    {
      name: "replaced configuration stays in force",
      rule: "R49",
      find: "if (this.index >= index) this.#kept",
      replace: "if (this.index < index) this.#kept",
    },
    {
      name: "all configurations go with the last one",
      rule: "R49",
      find: "this.#kept = [...this.#from(commit), {",
      replace: "this.#kept = [this.#kept[0]!, {",
    },
  ]),

  ...mutantsOf({ file: "src/raft/core/append-entries.ts", tests: [CORE], simulators }, [
    {
      name: "configuration is not rolled back with the log",
      rule: "R49",
      listed: "+",
      find: "dropConfigurationsFrom(state, written);",
      replace: "",
    },
  ]),

  ...mutantsOf({ file: "src/raft/core/state.ts", tests: [CORE, GROUP], simulators }, [
    {
      name: "restart forgets the configurations of the log",
      rule: "R49",
      listed: "+",
      find: "entries.filter(({ index }) => index > appliedIndex),",
      replace: "entries.filter(({ index }) => index < 0),",
    },
    {
      name: "removed leader that failed never stands again",
      rule: "R51",
      find: "return configurations.possible(log.commit).some(",
      replace: "return configurations.possible(log.commit).slice(-1).some(",
    },
    {
      name: "change of members forgets what the peers hold",
      rule: "R32",
      find: "progress.get(id) ?? new Progress(",
      replace: "progress.get(log.startIndex < 0 ? id : self) ?? new Progress(",
    },
  ]),

  ...mutantsOf({ file: "src/raft/core/replication.ts", tests: [CORE, GROUP], simulators }, [
    {
      name: "removed leader counts itself",
      rule: "R51",
      listed: "+",
      find: "const index = quorumReaches(state.membership, matchOf);",
      replace:
        "const own = isVoter(state) ? [] : [{ ...state.membership.voters[0]!, id: state.self }]; const index = quorumReaches({ ...state.membership, voters: [...state.membership.voters, ...own] }, matchOf);",
    },
    {
      name: "learner counts",
      rule: "R50",
      listed: "+",
      find: "const index = quorumReaches(state.membership, matchOf);",
      replace:
        "const { voters, learners } = state.membership; const index = quorumReaches({ ...state.membership, voters: [...voters, ...learners] }, matchOf);",
    },
    {
      name: "removed leader stays",
      rule: "R51",
      listed: "+",
      find: "const hasLeft = !isVoter(state) && isConfigurationCommitted(state) && state.transfer === null;",
      replace: "const hasLeft = !isVoter(state) && isConfigurationCommitted(state) && state.now < 0;",
    },
    {
      name: "removed leader leaves before its removal is committed",
      rule: "R51",
      find: "const hasLeft = !isVoter(state) && isConfigurationCommitted(state) && state.transfer === null;",
      replace: "const hasLeft = !isVoter(state);",
    },
  ]),

  ...mutantsOf({ file: "src/raft/core/snapshot.ts", tests: [CORE, GROUP], simulators }, [
    {
      name: "installed snapshot leaves the old configuration",
      rule: "R44, R49",
      find: "resetConfiguration(state, snapshot.lastIndex, snapshot.membership);",
      replace: "",
    },
  ]),

  ...mutantsOf({ file: "src/raft/raft-group.ts", tests: [GROUP], simulators: ["node"] }, [
    {
      name: "snapshot states a configuration that is not of its index",
      rule: "R45, R49",
      listed: "+",
      find: "this.#persister.applied(entry.index, this.#appliedMembership);",
      replace: "this.#persister.applied(entry.index, this.#state.membership);",
    },
    {
      name: "configuration of an installed snapshot is not passed on",
      rule: "R45",
      find: "this.#appliedMembership = snapshot.membership;",
      replace: "",
    },
    {
      name: "those who left are listened to",
      rule: "R51",
      find: "&& this.#tellIfRemoved(from)) {",
      replace: "&& this.#tellIfRemoved(from) && message.term < 0) {",
    },
    {
      name: "those who left are not told",
      rule: "R51",
      find: "if (mayTell) this.#parts.transport.send({",
      replace: "if (mayTell && now < 0) this.#parts.transport.send({",
    },
    {
      name: "removed member takes part on",
      rule: "R51",
      find: "const isKnown = peersOf(this.#state.membership).includes(from);",
      replace: "const isKnown = from === this.self;",
    },
    {
      name: "anybody can tell a member that it left",
      rule: "P11",
      find: "const isKnown = peersOf(this.#state.membership).includes(from);",
      replace: "const isKnown = from !== this.self;",
    },
  ]),

  ...mutantsOf({ file: "src/raft/membership-waits.ts", tests: [GROUP], simulators: ["node"] }, [
    {
      name: "another leader's entry passes for the change that was asked for",
      rule: "R41",
      find: "if (wait.term === term) wait.resolve({ index });",
      replace: "if (wait.term >= 0) wait.resolve({ index });",
    },
  ]),

  ...mutantsOf({ file: "src/raft/bootstrap.ts", tests: [BOOTSTRAP], simulators: ["node"] }, [
    {
      name: "wiped node takes its former self's place in the founding",
      rule: "R12, F7",
      find: "members.some(({ id }) => id === self.id)",
      replace: "members.some(({ name }) => name === self.name)",
    },
    {
      name: "founds with whoever is there",
      rule: "R13",
      find: "if (missing.length > 0) {",
      replace: "if (missing.length === names.length) {",
    },
    {
      name: "founds before the others have prepared the same",
      rule: "R13",
      find: "if (heard.every((other) => areSameMembers(other.members, members))) await",
      replace: "if (heard.every((other) => other.members.length >= 0)) await",
    },
    {
      name: "says that it has prepared before it is on disk",
      rule: "R13",
      find: "await writeStatement(this.#parts.facts, statement);",
      replace: "this.#statement = statement; await writeStatement(this.#parts.facts, statement);",
    },
    {
      name: "founds anew while its region is only out of reach",
      rule: "R13, F7",
      find: "if (this.#isLinkedToRegion()) {",
      replace: "if (this.#isLinkedToRegion() && names.length === 0) {",
    },
    {
      name: "founds anew after it lost a damaged store",
      rule: "F5, F7",
      find: "if (!this.#parts.mayFound) {",
      replace: "if (!this.#parts.mayFound && names.length === 0) {",
    },
    {
      name: "joins whichever cluster takes it in",
      rule: "F17",
      find: "if (accepted === newest) await",
      replace: "if (accepted !== null) await",
    },
    {
      name: "identity that was removed opens its folder again",
      rule: "R13, R51",
      find: 'if (statement.stage === "removed") throw memberRemoved(parts.self.id);',
      replace: "",
    },
  ]),

  ...mutantsOf({ file: "src/raft/recovery.ts", tests: [RECOVERY], simulators: [] }, [
    {
      name: "recovered survivor goes on in the term of the lost",
      rule: "R52",
      find: "const term = this.#recovered.hardState.term + 1;",
      replace: "const { term } = this.#recovered.hardState;",
    },
    {
      name: "recovered survivor goes on in the epoch of the lost",
      rule: "R52, F17",
      find: "const cluster = nextEpoch(this.survivor.cluster, salt);",
      replace: "const cluster = salt.length > 0 ? this.survivor.cluster : nextEpoch(this.survivor.cluster, salt);",
    },
    {
      name: "the lost may come back after a recovery",
      rule: "R13, R52",
      find: "removed: [...membership.removed, ...others].slice(-REMOVED_MAX),",
      replace: "removed: membership.removed.slice(-REMOVED_MAX),",
    },
    {
      name: "recovery overlooks members that only the log knows",
      rule: "R49, R52",
      find: "entries.filter(({ index }) => index > appliedIndex),",
      replace: "entries.filter(({ index }) => index < 0 && appliedIndex < 0),",
    },
  ]),

  ...mutantsOf({ file: "src/raft/founding-statement.ts", tests: [BOOTSTRAP], simulators: ["node"] }, [
    {
      name: "regions of other members share a cluster id",
      rule: "F17",
      find: "members.map(({ id, name }) => [name, id])",
      replace: "members.map(({ name }) => name)",
    },
  ]),

  ...mutantsOf({ file: "src/raft/admission.ts", tests: [BOOTSTRAP], simulators: ["node"] }, [
    {
      name: "takes in upon a change that is not committed",
      rule: "R48, R49",
      find: 'if (isChanging) return later("another change of the members is under way");',
      replace: "",
    },
    {
      name: "takes in an identity that left",
      rule: "R13",
      find: 'if (membership.removed.includes(nodeId)) return { type: "refused", reason: "removed" };',
      replace: "",
    },
    {
      name: "takes in a node of another region",
      rule: "F17",
      find: 'if (region !== this.#parts.region) return later("it is configured for another region");',
      replace: "",
    },
    {
      name: "remembers any number of nodes that wait",
      rule: "P11",
      find: "if (this.waiting().length < WAITING_MAX) this.#waiting.add(nodeId);",
      replace: "if (this.waiting().length >= 0) this.#waiting.add(nodeId);",
    },
  ]),
];
