/** Who leads: votes, pre-votes, stickiness, check-quorum. */

import { type Mutant, mutantsOf } from "./mutant.ts";

const simulators = ["core", "node"] as const;
const tests = ["test/unit/raft/core/election.test.ts"];

export const ELECTIONS: readonly Mutant[] = [
  ...mutantsOf({ file: "src/raft/core/election.ts", tests, simulators }, [
    {
      name: "vote leaves before it is on disk",
      rule: "R1",
      listed: 1,
      find: 'promise(state, { type: "voteResponse", granted }, request.from);',
      replace: 'send(state, { type: "voteResponse", granted }, request.from);',
    },
    {
      name: "candidate asks before its own vote is on disk",
      rule: "R1",
      find: "promise(state, body, id);",
      replace: "send(state, body, id);",
    },
    {
      name: "candidate counts its own vote before it is on disk",
      rule: "R1",
      find: 'promise(state, { type: "voteResponse", granted: true }, state.self);',
      replace: "state.votes.set(state.self, true); if (hasWon(state)) lead(state);",
    },
    {
      name: "votes for whoever asks",
      rule: "R17",
      find: "const isFree = state.votedFor === request.from ||",
      replace: "const isFree = true || state.votedFor === request.from ||",
    },
    {
      name: "votes against the leader it follows",
      rule: "R17",
      find: "(state.votedFor === null && state.leader === null)",
      replace: "state.votedFor === null",
    },
    {
      name: "a refused vote restarts the timer",
      rule: "R18",
      find: "const granted = isFree &&",
      replace: "redrawElectionDeadline(state); const granted = isFree &&",
    },
    {
      name: "votes are counted per message",
      rule: "R19",
      listed: 7,
      find: "if (!state.votes.has(response.from)) state.votes.set(response.from, response.granted);",
      replace:
        "state.votes.set(votersOf(state.membership).find((id) => !state.votes.has(id)) ?? state.self, response.granted);",
    },
    {
      name: "pre-vote ignores the log",
      rule: "R20",
      find: "const couldWin = request.term > state.term && state.log",
      replace: "const couldWin = request.term > state.term || state.log",
    },
    {
      name: "pre-vote ignores a live leader",
      rule: "R23",
      find: "const granted = couldWin && !isSticky(state);",
      replace: "const granted = couldWin;",
    },
    {
      name: "stale pre-vote is refused without our term",
      rule: "R21",
      listed: "+",
      find: "request.from, granted ? request.term : state.term);",
      replace: "request.from, request.term);",
    },
    {
      name: "campaigns without asking first",
      rule: "R20",
      find: "if (hasWon(state)) return campaign(state, false);",
      replace: "if (state.now > 0) return campaign(state, false);",
    },
    {
      name: "every campaign claims to be a transfer",
      rule: "R23",
      find: 'if (state.role === "pre-candidate") campaign(state, false);',
      replace: 'if (state.role === "pre-candidate") campaign(state, true);',
    },
    {
      name: "learner campaigns",
      rule: "R13, R28",
      find: "if (!mayStand(state) || state.log.stable < state.log.lastIndex)",
      replace: "if (state.log.stable < state.log.lastIndex)",
    },
    {
      name: "campaigns although its disk is behind",
      rule: "R14",
      find: "if (!mayStand(state) || state.log.stable < state.log.lastIndex)",
      replace: "if (!mayStand(state))",
    },
    {
      name: "no empty entry opens the term",
      rule: "R26",
      listed: "+",
      find: 'appendAsLeader(state, [{ kind: "empty", data: new Uint8Array(0) }]);',
      replace: "appendAsLeader(state, []);",
    },
    {
      name: "a closed connection of the leader starts nothing",
      rule: "P6",
      find: "if (turn === 0) return onElectionTimeout(state);",
      replace: "if (turn >= 0) return;",
    },
    {
      name: "late call to take over is heeded although the log moved on",
      rule: "R57",
      find: " || state.log.lastIndex !== message.lastIndex) return;",
      replace: ") return;",
      tests: ["test/unit/raft/core/transfer.test.ts"],
    },
  ]),

  ...mutantsOf({ file: "src/raft/core/state.ts", tests, simulators }, [
    {
      name: "all members stand at once when the leader falls silent",
      rule: "R25",
      find: "const turn = turnAfter(state, state.leader) + 0.5",
      replace: "const turn = 0.5",
    },
    {
      name: "first to stand does so while the others would still refuse",
      rule: "R23",
      find: "turnAfter(state, state.leader) + 0.5 + 0.25 * state.random.next()",
      replace: "turnAfter(state, state.leader)",
    },
    {
      name: "step-down within the term clears the vote",
      rule: "R17",
      listed: 6,
      find: 'state.role = "follower";',
      replace: 'state.role = "follower"; state.votedFor = null;',
    },
    {
      name: "restart forgets the vote",
      rule: "R1, R17",
      listed: 15,
      find: "votedFor: initial.hardState.votedFor,",
      replace: "votedFor: null,",
    },
    {
      name: "election timeout is not random",
      rule: "R25",
      listed: "+",
      find: "state.random.next() * (electionMsMax - electionMsMin)",
      replace: "(electionMsMax - electionMsMin)",
    },
  ]),

  ...mutantsOf({ file: "src/raft/core/step.ts", tests, simulators }, [
    {
      name: "pre-votes are counted as votes",
      rule: "R20",
      listed: 8,
      find: "if (message.granted && message.term !== state.term + 1) return;",
      replace: 'if (state.role === "candidate") return onVoteResponse(state, { ...message, type: "voteResponse" });',
    },
    {
      name: "pre-vote of an earlier campaign counts",
      rule: "R20",
      find: "if (message.granted && message.term !== state.term + 1) return;",
      replace: "",
    },
    {
      name: "answers of an older term count",
      rule: "R19, R32",
      listed: 14,
      find: "} else if (message.term < state.term) {",
      replace: '} else if (message.term < state.term && !message.type.endsWith("Response")) {',
      tests: ["test/unit/raft/core/replication.test.ts"],
    },
    {
      name: "stale leader is left without an answer",
      rule: "R21",
      listed: "+",
      find: 'send(state, { type: "appendResponse", accepted: false, index: 0, hintIndex: 0, hintTerm: 0 }, message.from);',
      replace: "",
    },
    {
      name: "a vote deposes a live leader",
      rule: "R23, F9",
      find: "&& !message.isTransfer && isSticky(state)) return;",
      replace: "&& !message.isTransfer && state.now < 0) return;",
    },
    {
      name: "stickiness holds up a transfer",
      rule: "R23, R57",
      find: "&& !message.isTransfer && isSticky(state)) return;",
      replace: "&& isSticky(state)) return;",
    },
    {
      name: "a granted pre-vote raises the term",
      rule: "R20",
      find: "if (!isPreVoteGrant) becomeFollower",
      replace: "becomeFollower",
    },
    {
      name: "vote alone is not handed to the disk",
      rule: "R1",
      find: " || hardState.votedFor !== before.votedFor;",
      replace: ";",
    },
    {
      name: "own stall starts an election",
      rule: "R59",
      find: "state.electionDeadline += forgiven;",
      replace: "",
    },
    {
      name: "own stall is charged to the peers",
      rule: "R59",
      find: "for (const progress of state.progress.values()) progress.forgive(state.now, forgiven);",
      replace: "",
    },
    {
      name: "own stall excuses any silence",
      rule: "R60",
      find: "const forgiven = Math.min(ownLagMs, state.options.electionMsMax);",
      replace: "const forgiven = ownLagMs;",
    },
  ]),

  ...mutantsOf({ file: "src/raft/core/log.ts", tests, simulators }, [
    {
      name: "up-to-date test ignores the term",
      rule: "R16",
      listed: 4,
      find: "return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);",
      replace: "return lastIndex >= this.lastIndex;",
    },
    {
      name: "up-to-date test ignores the index",
      rule: "R16",
      listed: 5,
      find: "(lastTerm === this.lastTerm && lastIndex >= this.lastIndex)",
      replace: "lastTerm === this.lastTerm",
    },
  ]),

  ...mutantsOf({ file: "src/raft/core/quorum.ts", tests: ["test/unit/raft/core/quorum.test.ts"], simulators }, [
    {
      name: "quorum is one short",
      rule: "R19, R22",
      listed: "+",
      find: "return count > voters.length / 2;",
      replace: "return count + 1 > voters.length / 2;",
    },
    {
      name: "half of an even number is a quorum",
      rule: "R19",
      find: "return count > voters.length / 2;",
      replace: "return count >= voters.length / 2;",
    },
    {
      name: "joint decision needs only the new voters",
      rule: "R47",
      listed: 19,
      find: "return isMajority(membership.voters, agrees) && isMajority(membership.outgoing, agrees);",
      replace: "return isMajority(membership.voters, agrees);",
    },
  ]),

  ...mutantsOf({ file: "src/raft/core/replication.ts", tests, simulators }, [
    {
      name: "leader without a quorum leads on",
      rule: "R22",
      find: "const isPowerless = !isQuorum(state.membership, isHeard);",
      replace: "const isPowerless = false;",
    },
    {
      name: "leader takes its own heartbeats for a quorum's answers",
      rule: "R24",
      listed: "+",
      find: "send(state, { ...body, commit: Math.min(commit, progress.match), ...echoTo(state, progress) }, id);",
      replace:
        "progress.heard(state.now); send(state, { ...body, commit: Math.min(commit, progress.match), ...echoTo(state, progress) }, id);",
    },
    {
      name: "leader whose disk hangs leads on",
      rule: "R14",
      find: "const hasStalledDisk = isStalled && isBehind;",
      replace: "const hasStalledDisk = false;",
    },
    {
      name: "leader gives up because every disk hangs",
      rule: "R14",
      find: "const hasStalledDisk = isStalled && isBehind;",
      replace: "const hasStalledDisk = isStalled;",
    },
    {
      name: "leader gives up because a learner's disk is faster",
      rule: "R14",
      find: "otherVoters(state).some((id) =>",
      replace: "[...state.progress.keys()].some((id) =>",
    },
  ]),
];
