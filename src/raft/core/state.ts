/**
 * The state of one member, and the only ways its role changes.
 *
 * The core is deterministic: what happens depends on this state and the event alone. Time arrives inside events, random
 * numbers come from a generator that belongs to the state. It is changed in place rather than copied (docs/adr/0002), by
 * one event at a time, and no function here waits for anything (R58).
 */

import type { NodeId } from "../../types/ids.ts";
import type { Membership } from "../../types/membership.ts";
import type { HardState, LogEntry, RaftMessage, Role } from "../../types/raft.ts";
import { invariant } from "../../util/errors.ts";
import { type Random, randomInteger } from "../../util/random.ts";
import { Configurations } from "./configuration.ts";
import { RaftLog } from "./log.ts";
import { Progress, type Window } from "./progress.ts";
import { peersOf, votersOf } from "./quorum.ts";

export interface CoreOptions {
  readonly heartbeatMs: number;
  /** A follower that heard no leader for this long stands for election, the others in turn after it ... */
  readonly electionMsMin: number;
  /** ... by this at the latest; a campaign that came to nothing is repeated at a random time between the two. */
  readonly electionMsMax: number;
  /** Entries of one append, in bytes; at least one entry goes. */
  readonly appendBytesMax: number;
  readonly window: Window;
  /** Committed entries handed out at a time. */
  readonly committedPage: number;
}

/** A read that waits for proof of leadership; `from` asked, under a number of its own. */
export interface ReadRequest {
  readonly from: NodeId;
  readonly request: number;
}

/** Reads that one round of heartbeats confirms together (R54). */
export interface ReadRound {
  readonly round: number;
  readonly index: number;
  readonly requests: readonly ReadRequest[];
}

/** How this member ceased to have a leader, which may have been itself. */
export interface LeaderLoss {
  readonly leader: NodeId;
  /**
   *   silent      nothing came from it for an election timeout
   *   closed      its process ended, or the link to it was closed
   *   powerless   this member led, and no quorum answered for an election timeout
   *   stalled     this member led, and its disk hangs
   *   left        this member led, and does not belong to the group any more
   */
  readonly why: "silent" | "closed" | "powerless" | "stalled" | "left";
  /** How long since it was last heard; of oneself, since a quorum was. */
  readonly silentMs: number;
}

/** Stamps of two processes of one member must not be mistaken for each other, so each counts from elsewhere. */
const STAMP_ORIGIN_MAX = 2 ** 31;

export interface Outbox {
  entriesFrom: number | undefined;
  messages: RaftMessage[];
  promises: RaftMessage[];
  snapshotsFor: Set<NodeId>;
  readsReady: { readonly request: number; readonly index: number }[];
  readsFailed: number[];
  leaderLosses: LeaderLoss[];
}

interface TurnAfter {
  readonly term: number;
  readonly leader: NodeId | null;
  readonly membership: Membership | null;
  readonly place: number;
}

export interface RaftState {
  readonly self: NodeId;
  readonly options: CoreOptions;
  readonly random: Random;
  /** What this process' stamps count from (`freshness.ts`). */
  readonly stampOrigin: number;
  /** Monotonic milliseconds, as of the last event. */
  now: number;
  term: number;
  votedFor: NodeId | null;
  role: Role;
  leader: NodeId | null;
  readonly log: RaftLog;
  configurations: Configurations;
  /** The configuration in force, which is the current one of `configurations`. */
  membership: Membership;

  /** When this member stands for election unless it hears a leader first. */
  electionDeadline: number;
  /** This member's place after that leader in that term; asked for with each sign of a leader. */
  turn: TurnAfter;
  /** When a leader of the current term was last heard; stickiness is measured from here (R23). */
  leaderHeardAt: number;
  /** Until when a leader whose process is known to be gone justifies quick further attempts. */
  leaderGoneUntil: number;

  /** Votes of this campaign by voter; a repeated packet changes nothing (R19). */
  votes: Map<NodeId, boolean>;
  /** This campaign was asked for by the former leader, so stickiness does not hold it up (R23). */
  isTransferCampaign: boolean;

  /** As leader, by peer. */
  progress: Map<NodeId, Progress>;
  heartbeatDue: number;
  /** First index of this leader's own term: older entries commit only together with it (R27), reads wait for it (R53). */
  termStartIndex: number;
  /** Since when this leader's own disk is behind; 0 when it is not (R14). */
  unstableSince: number;
  /** Bytes of entries that this leader appended and that are not yet committed (R38). */
  uncommittedBytes: number;
  transfer: { readonly target: NodeId; readonly deadline: number } | null;

  readRound: number;
  activeRead: ReadRound | null;
  waitingReads: ReadRequest[];

  /** What was last handed out to be persisted. */
  persistedHardState: HardState;
  outbox: Outbox;
}

export interface InitialState {
  readonly hardState: HardState;
  readonly start: { readonly index: number; readonly term: number };
  readonly entries: readonly LogEntry[];
  readonly appliedIndex: number;
  /** As of `appliedIndex`; entries after it may bring others. */
  readonly membership: Membership;
}

export function createState(
  self: NodeId,
  initial: InitialState,
  options: CoreOptions,
  random: Random,
  now: number,
): RaftState {
  const { appliedIndex, entries, hardState, membership } = initial;
  const configurations = new Configurations(appliedIndex, membership);
  configurations.append(
    entries.filter(({ index }) => index > appliedIndex),
    hardState.commit,
  );
  const state: RaftState = {
    self,
    options,
    random,
    stampOrigin: randomInteger(random, 1, STAMP_ORIGIN_MAX),
    now,
    term: initial.hardState.term,
    votedFor: initial.hardState.votedFor,
    role: "follower",
    leader: null,
    log: new RaftLog({
      start: initial.start,
      entries: initial.entries,
      commit: Math.max(initial.hardState.commit, initial.appliedIndex),
      applied: initial.appliedIndex,
    }),
    configurations,
    membership: configurations.current,
    electionDeadline: 0,
    turn: { term: -1, leader: null, membership: null, place: 0 },
    leaderHeardAt: Number.NEGATIVE_INFINITY,
    leaderGoneUntil: Number.NEGATIVE_INFINITY,
    votes: new Map(),
    isTransferCampaign: false,
    progress: new Map(),
    heartbeatDue: Number.POSITIVE_INFINITY,
    termStartIndex: Number.POSITIVE_INFINITY,
    unstableSince: 0,
    uncommittedBytes: 0,
    transfer: null,
    readRound: 0,
    activeRead: null,
    waitingReads: [],
    persistedHardState: initial.hardState,
    outbox: emptyOutbox(),
  };
  redrawElectionDeadline(state);
  return state;
}

export function emptyOutbox(): Outbox {
  return {
    entriesFrom: undefined,
    messages: [],
    promises: [],
    snapshotsFor: new Set(),
    readsReady: [],
    readsFailed: [],
    leaderLosses: [],
  };
}

/**
 * A leader was heard. Should it fall silent, the members stand in turn, a little apart: the first of them as soon as the
 * others, too, have heard nothing for the shortest timeout, and the next one only if that election came to nothing. Drawing
 * lots in place of turns would keep a region of three without a leader for a third of the spread longer.
 */
export function awaitLeader(state: RaftState): void {
  const { electionMsMin, electionMsMax } = state.options;
  // The others heard it a moment later than this member did, and would still refuse to vote.
  const turn = turnAfter(state, state.leader) + 0.5 + 0.25 * state.random.next();
  state.electionDeadline = state.now + Math.min(electionMsMin + turn * turnMs(state), electionMsMax);
}

/**
 * How far turns are apart: messages of a network that the timeouts suit take less than a tenth of the shortest (§5.6). Of a
 * narrow range, less, so that the first turns lie within it.
 */
export function turnMs({ options }: RaftState): number {
  const { electionMsMin, electionMsMax } = options;
  return Math.min(electionMsMin, 2 * (electionMsMax - electionMsMin)) / 10;
}

/**
 * This member's place among the voters that could follow a leader: 0 is first. All members draw the same lots, and others in
 * each term: with one order for ever two members that crash in turn could hand leadership to each other, and both forget
 * what only the third has heard (F3).
 */
export function turnAfter(state: RaftState, leader: NodeId | null): number {
  const { self, term, membership, turn } = state;
  const isKnown = turn.term === term && turn.leader === leader && turn.membership === membership;
  if (isKnown) return turn.place;
  const own = lotOf(self, term);
  const isBefore = (id: NodeId) => id !== leader && id !== self && lotOf(id, term) < own;
  const place = votersOf(membership).filter(isBefore).length;
  state.turn = { term, leader, membership, place };
  return place;
}

/** FNV-1a of the id, begun with the term, and mixed once more because ids differ in their last letters only. */
function lotOf(id: NodeId, term: number): number {
  let hash = 0x811c9dc5 ^ term;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}

/** Redrawn at each role change and each campaign, so that two members do not stay in step (§3.4, R25). */
export function redrawElectionDeadline(state: RaftState): void {
  const { electionMsMin, electionMsMax } = state.options;
  state.electionDeadline = state.now + electionMsMin + state.random.next() * (electionMsMax - electionMsMin);
}

export function isVoter(state: RaftState, id: NodeId = state.self): boolean {
  return votersOf(state.membership).includes(id);
}

/**
 * Whether this member may stand for election: it votes, or the change that takes its vote is not committed. A leader that
 * removed itself and failed may be the only one whose log the others accept (Ongaro 2014, §4.2.2).
 */
export function mayStand({ self, configurations, log }: RaftState): boolean {
  return configurations.possible(log.commit).some((membership) => votersOf(membership).includes(self));
}

/** The other voters, in order of id. */
export function otherVoters(state: RaftState): NodeId[] {
  return votersOf(state.membership).filter((id) => id !== state.self);
}

/** Follows `leader`, or nobody yet. A vote given in the same term stays given (R17). */
export function becomeFollower(state: RaftState, term: number, leader: NodeId | null): void {
  invariant(term >= state.term, "terms never go back");
  if (term > state.term) {
    state.term = term;
    state.votedFor = null;
  }
  leaveLeadership(state);
  state.role = "follower";
  state.leader = leader;
  state.votes = new Map();
  redrawElectionDeadline(state);
}

/** Asks whether an election could be won, and changes nothing that others or a restart would see (§9.6). */
export function becomePreCandidate(state: RaftState): void {
  state.role = "pre-candidate";
  state.leader = null;
  state.votes = new Map([[state.self, true]]);
  state.isTransferCampaign = false;
  redrawElectionDeadline(state);
}

export function becomeCandidate(state: RaftState, isTransfer: boolean): void {
  state.role = "candidate";
  state.leader = null;
  state.term += 1;
  state.votedFor = state.self;
  state.votes = new Map();
  state.isTransferCampaign = isTransfer;
  redrawElectionDeadline(state);
}

export function becomeLeader(state: RaftState): void {
  state.role = "leader";
  state.leader = state.self;
  state.votes = new Map();
  state.progress = new Map();
  trackPeers(state);
  state.heartbeatDue = state.now;
  state.termStartIndex = state.log.lastIndex + 1;
  state.unstableSince = 0;
  state.uncommittedBytes = 0;
  state.leaderGoneUntil = Number.NEGATIVE_INFINITY;
}

/** Puts in force what entries, just appended, bring. */
export function adoptConfigurations(state: RaftState, entries: readonly LogEntry[]): void {
  state.configurations.append(entries, state.log.commit);
  enforceConfiguration(state);
}

/** The log lost its entries from `index` on, and the configurations that they brought. */
export function dropConfigurationsFrom(state: RaftState, index: number): void {
  state.configurations.truncateFrom(index);
  enforceConfiguration(state);
}

/** A snapshot says what is in force at `index`, and nothing follows it. */
export function resetConfiguration(state: RaftState, index: number, membership: Membership): void {
  state.configurations = new Configurations(index, membership);
  enforceConfiguration(state);
}

/** Whether the configuration in force can not be taken back any more. */
export function isConfigurationCommitted({ configurations, log }: RaftState): boolean {
  return configurations.index <= log.commit;
}

/** Whether a change is under way: not committed, or joint and not left yet. */
export function isChanging(state: RaftState): boolean {
  return state.membership.outgoing.length > 0 || !isConfigurationCommitted(state);
}

function enforceConfiguration(state: RaftState): void {
  if (state.membership === state.configurations.current) return;
  state.membership = state.configurations.current;
  if (state.role === "leader") trackPeers(state);
}

/** Follows exactly the peers of the configuration in force, in order of id. */
function trackPeers(state: RaftState): void {
  const { progress, log, now, options, self } = state;
  const others = peersOf(state.membership).filter((id) => id !== self);
  state.progress = new Map(
    others.map((id) => [id, progress.get(id) ?? new Progress(log.lastIndex + 1, now, options.window)]),
  );
  if (state.transfer !== null && !state.progress.has(state.transfer.target)) state.transfer = null;
}

function leaveLeadership(state: RaftState): void {
  state.progress = new Map();
  state.heartbeatDue = Number.POSITIVE_INFINITY;
  state.termStartIndex = Number.POSITIVE_INFINITY;
  state.unstableSince = 0;
  state.uncommittedBytes = 0;
  state.transfer = null;
  for (const read of [...(state.activeRead?.requests ?? []), ...state.waitingReads]) refuseRead(state, read);
  state.activeRead = null;
  state.waitingReads = [];
}

/** A read that was not confirmed is answered so, never left to time out (R54). */
export function refuseRead(state: RaftState, read: ReadRequest): void {
  if (read.from === state.self) {
    state.outbox.readsFailed.push(read.request);
    return;
  }
  send(state, { type: "readIndexResponse", requests: [read.request], index: 0, refused: true }, read.from);
}

type Body<Message> = Message extends RaftMessage ? Omit<Message, "from" | "to" | "term"> : never;
export type MessageBody = Body<RaftMessage>;

/** Leaves at once: true whatever this member's disk still has to write. */
export function send(state: RaftState, body: MessageBody, to: NodeId, term: number = state.term): void {
  state.outbox.messages.push({ ...body, from: state.self, to, term } as RaftMessage);
}

/** Leaves only once everything decided before it is on disk (R1, R2). May be to oneself: the driver brings it back. */
export function promise(state: RaftState, body: MessageBody, to: NodeId, term: number = state.term): void {
  state.outbox.promises.push({ ...body, from: state.self, to, term } as RaftMessage);
}
