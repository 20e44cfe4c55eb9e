/**
 * What must hold in a Raft group after every event, whatever happened before (Ongaro 2014, figure 3.2, and the checklist of
 * CCF and etcd). Knows all members at once, counts majorities with its own arithmetic, and throws at the first breach.
 */

import type { RaftState } from "../../src/raft/core/state.ts";
import type { RaftEvent } from "../../src/raft/core/step.ts";
import type { NodeId } from "../../src/types/ids.ts";
import { decodeMembership, type Member, type Membership } from "../../src/types/membership.ts";
import type { HardState, LogEntry, RaftMessage } from "../../src/types/raft.ts";

export class InvariantBroken extends Error {
  override readonly name = "InvariantBroken";
}

/** @throws InvariantBroken when `condition` is false */
export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new InvariantBroken(what);
}

/** What of a member's log is on its disk, synced. */
export interface DurableLog {
  readonly hardState: HardState;
  readonly start: { readonly index: number; readonly term: number };
  readonly entries: readonly LogEntry[];
}

/** A member as the invariants see it, whoever drives its core. */
export interface ObservedMember {
  readonly id: NodeId;
  /** Null while it is down. */
  readonly core: RaftState | null;
  readonly image: DurableLog;
}

/** How things stood before an event. */
export interface Before {
  readonly role: RaftState["role"];
  readonly term: number;
  readonly commit: number;
  readonly lastIndex: number;
  readonly membership: Membership;
}

type WithoutNow<Event> = Event extends unknown ? Omit<Event, "now"> : never;
/** An event, whenever it happens. */
export type EventBody = WithoutNow<RaftEvent>;

type StateHash = number | string;

/** What stands before the first entry. */
const NOTHING: LogEntry = { index: 0, term: 0, kind: "empty", data: new Uint8Array(0) };

interface Seen {
  readonly prevTerm: number;
  readonly entry: LogEntry;
}

interface Committed {
  readonly entry: LogEntry;
  /** The term of the leader that committed it. */
  readonly inTerm: number;
}

interface Promised {
  /** The highest term anything binding was sent in. */
  term: number;
  /** Whom this member voted for, by term. */
  readonly votes: Map<number, NodeId>;
  /** Terms of its log by index, as of the last event. */
  readonly terms: number[];
}

export class RaftInvariants {
  readonly #nodes: readonly ObservedMember[];
  readonly #count: (what: string) => void;
  readonly #leaders = new Map<number, NodeId>();
  /** Every entry that ever was in a log, by term and index. */
  readonly #seen = new Map<number, Seen>();
  /** By index. */
  readonly #committed: Committed[] = [{ entry: NOTHING, inTerm: 0 }];
  /** Hash of the state after each index. */
  readonly #hashes: (StateHash | undefined)[] = [];
  /** Committed configurations, the newest last, and where each came into force. */
  readonly #configurations: { readonly index: number; readonly members: string }[] = [];
  readonly #promised = new Map<NodeId, Promised>();
  /** For each read under way, the highest index committed anywhere when it began. */
  readonly #reads = new Map<string, number>();
  #checks = 0;

  /** @param nodes - all that ever were members; may grow */
  constructor(nodes: readonly ObservedMember[], count: (what: string) => void) {
    this.#nodes = nodes;
    this.#count = count;
  }

  /** How often a member was looked at. */
  get checks(): number {
    return this.#checks;
  }

  #promisedBy(id: NodeId): Promised {
    const known = this.#promised.get(id);
    if (known !== undefined) return known;
    const promised: Promised = { term: 0, votes: new Map(), terms: [] };
    this.#promised.set(id, promised);
    return promised;
  }

  /** The highest index known committed by anybody. */
  get quorumReaches(): number {
    return this.#committed.length - 1;
  }

  started(node: ObservedMember): void {
    const core = node.core!;
    const promised = this.#promisedBy(node.id);
    this.#checks++;
    check(core.term >= promised.term, `${node.id} restarts in term ${core.term} after it spoke in ${promised.term}`);
    const vote = promised.votes.get(core.term);
    check(vote === undefined || vote === core.votedFor, `${node.id} forgot its vote for ${vote} in term ${core.term}`);
    promised.terms.length = 0;
    this.#noteEntries(node, core, core.log.startIndex + 1, false);
    this.#noteCommit(node, core, core.log.startIndex);
  }

  /** @param event - what the member took, when things stood as `before` says */
  stepped(node: ObservedMember, before: Before, event: EventBody): void {
    const core = node.core!;
    const { log } = core;
    this.#checks++;
    check(core.term >= before.term, `${node.id}: the term went back from ${before.term} to ${core.term}`);
    check(log.commit >= before.commit, `${node.id}: commit went back from ${before.commit} to ${log.commit}`);
    const led = before.role === "leader" && before.term === core.term;
    const from = core.outbox.entriesFrom;
    if (from !== undefined) this.#noteEntries(node, core, from, led && core.role === "leader");
    if (core.role === "leader") this.#checkLeader(node, core, before, led);
    // Nothing but an answer may tell a leader what its peers hold.
    const isAnswer = event.type === "message" && event.message.type === "appendResponse";
    if (led && core.role === "leader" && isAnswer) this.#checkMatch(node, core);
    if (log.commit > before.commit) this.#noteCommit(node, core, before.commit);
    if (core.role === "leader" && log.commit > before.commit) this.#checkDurable(node, core, before.membership);
    const isReplaced = from !== undefined && from <= core.configurations.index;
    if (core.membership !== before.membership || isReplaced) this.#checkConfiguration(node, core);
  }

  /** The configuration in force is the newest in the log (R49), and a leader never has two on their way (R48). */
  #checkConfiguration(node: ObservedMember, { configurations, membership, log, role }: RaftState): void {
    const { index } = configurations;
    check(index <= log.lastIndex, `${node.id}: the configuration of entry ${index} outlives the log`);
    if (index <= log.startIndex) return;
    // One that is not committed can only have come with its entry; the oldest known is that of an applied index.
    const isBrought = index <= log.commit || log.slice(index, 0)[0]!.kind === "membership";
    check(isBrought, `${node.id}: entry ${index} has taken the place of the configuration in force`);
    const newest = log
      .slice(log.startIndex + 1, Number.POSITIVE_INFINITY)
      .findLast(({ kind }) => kind === "membership");
    if (newest === undefined) return;
    const isNewest = textOf(decodeMembership(newest.data)) === textOf(membership);
    check(isNewest, `${node.id}: entry ${newest.index} brings another configuration than the one in force`);
    if (role !== "leader") return;
    const uncommitted = log.slice(log.commit + 1, Number.POSITIVE_INFINITY).filter(({ kind }) => kind === "membership");
    check(uncommitted.length <= 1, `${node.id} leads with ${uncommitted.length} changes that are not committed`);
  }

  #checkLeader(node: ObservedMember, core: RaftState, before: Before, led: boolean): void {
    const { log, term } = core;
    if (!led) {
      const other = this.#leaders.get(term);
      check(other === undefined, `election safety: ${other} and ${node.id} both lead term ${term}`);
      this.#leaders.set(term, node.id);
      this.#count("leader elected");
      // A leader elected late, in a term that others have left, owes nothing to what they committed since.
      let last = this.quorumReaches;
      while (this.#committed[last]!.inTerm >= term) last--;
      const has = log.startIndex >= last || log.termAt(last) === this.#committed[last]!.entry.term;
      check(has, `leader completeness: ${node.id} leads term ${term} without committed entry ${last}`);
      return;
    }
    check(log.lastIndex >= before.lastIndex, `leader append-only: ${node.id} shortened its log`);
    if (log.commit > before.commit) {
      const committed = log.termAt(log.commit);
      check(committed === term, `${node.id} committed an entry of term ${committed} by counting in term ${term}`);
    }
  }

  /** What a leader believes a peer to hold is on that peer's disk, unless the peer has left this term (R32). */
  #checkMatch(node: ObservedMember, core: RaftState): void {
    for (const { id, image } of this.#nodes) {
      const match = core.progress.get(id)?.match ?? 0;
      if (match <= image.start.index || image.hardState.term > core.term) continue;
      const term = image.entries[match - image.start.index - 1]?.term;
      const isHeld = term !== undefined && (core.log.termAt(match) ?? term) === term;
      check(
        isHeld,
        `${node.id} believes that ${id} holds entry ${match} of term ${core.log.termAt(match)}, its disk has ${term}`,
      );
    }
  }

  #noteEntries(node: ObservedMember, core: RaftState, from: number, leads: boolean): void {
    const { log } = core;
    const { terms } = this.#promisedBy(node.id);
    let hasConflict = false;
    for (let index = Math.max(from, log.startIndex + 1); index <= log.lastIndex; index++) {
      const term = log.termAt(index)!;
      const before = terms[index];
      if (before !== undefined && before !== term) {
        check(!leads, `leader append-only: ${node.id} replaced entry ${index}`);
        check(
          index > this.quorumReaches || this.#committed[index]!.entry.term !== before,
          `committed entry ${index} replaced on ${node.id}`,
        );
        if (!hasConflict) this.#noteConflict(core.membership, index, before);
        hasConflict = true;
      }
      this.#checkMatching(node, log.termAt(index - 1), log.slice(index, 0)[0]!);
      terms[index] = term;
    }
    terms.length = log.lastIndex + 1;
  }

  #noteConflict(membership: Membership, index: number, term: number): void {
    this.#count("conflict truncated");
    // Figure 3.7: a majority held it, yet it was not committed, because it was of an older term.
    const holds = (node: ObservedMember) => this.#promisedBy(node.id).terms[index] === term;
    if (this.#isMajority(membership, holds)) this.#count("entry on a majority replaced (figure 8)");
  }

  #checkMatching(node: ObservedMember, prevTerm: number | undefined, entry: LogEntry): void {
    const key = entry.term * 2 ** 26 + entry.index;
    const seen = this.#seen.get(key);
    if (seen === undefined) {
      if (prevTerm !== undefined) this.#seen.set(key, { prevTerm, entry });
      return;
    }
    const isSame = isSameEntry(seen.entry, entry) && (prevTerm === undefined || seen.prevTerm === prevTerm);
    check(isSame, `log matching: ${node.id} holds another entry ${entry.index} of term ${entry.term}`);
  }

  #noteCommit(node: ObservedMember, core: RaftState, after: number): void {
    const { log } = core;
    for (let index = Math.max(after, log.startIndex) + 1; index <= log.commit; index++) {
      const entry = log.slice(index, 0)[0]!;
      const known = this.#committed[index];
      if (known === undefined) {
        check(index === this.#committed.length, `${node.id} committed ${index} before what precedes it`);
        this.#committed.push({ entry, inTerm: core.term });
        if (entry.kind === "membership")
          this.#configurations.push({ index, members: textOf(decodeMembership(entry.data)) });
      } else {
        check(isSameEntry(known.entry, entry), `${node.id} committed another entry at ${index}`);
      }
    }
  }

  /** What a leader commits is on the disks of a majority of the members as they were when it did (R2, R3). */
  #checkDurable(node: ObservedMember, core: RaftState, membership: Membership): void {
    const { commit } = core.log;
    const { term } = this.#committed[commit]!.entry;
    const holds = ({ image }: ObservedMember) =>
      image.start.index >= commit || image.entries[commit - image.start.index - 1]?.term === term;
    check(
      this.#isMajority(membership, holds),
      `${node.id} committed ${commit}, which is not on a majority of the disks`,
    );
  }

  #isMajority({ voters, outgoing }: Membership, holds: (node: ObservedMember) => boolean): boolean {
    const agrees = (half: readonly Member[]) => {
      let count = 0;
      for (const node of this.#nodes) if (half.some(({ id }) => id === node.id) && holds(node)) count++;
      return half.length === 0 || 2 * count > half.length;
    };
    return agrees(voters) && agrees(outgoing);
  }

  /** Nothing leaves that the disk does not back (R1, R2). */
  sending(node: ObservedMember, message: RaftMessage): void {
    if (!isBinding(message)) return;
    this.#checks++;
    const { hardState, start, entries } = node.image;
    const promised = this.#promisedBy(node.id);
    const what = `${node.id} sends ${message.type} of term ${message.term}`;
    check(hardState.term >= message.term, `${what}, but ${hardState.term} is on its disk`);
    promised.term = Math.max(promised.term, message.term);
    if (message.type === "vote" || message.type === "voteResponse") {
      const candidate = message.type === "vote" ? node.id : message.to;
      const isOnDisk = hardState.term > message.term || hardState.votedFor === candidate;
      check(isOnDisk, `${what} for ${candidate}, but its disk says ${hardState.votedFor}`);
      const earlier = promised.votes.get(message.term) ?? candidate;
      check(earlier === candidate, `${node.id} votes for ${earlier} and for ${candidate} in term ${message.term}`);
      promised.votes.set(message.term, candidate);
    }
    if (message.type === "appendResponse") {
      const last = start.index + entries.length;
      // An answer of a term that was left meanwhile only says what was held then; who leads since was elected without it.
      const isPast = hardState.term > message.term;
      check(isPast || last >= message.index, `${what} up to ${message.index}, but its disk ends at ${last}`);
    }
  }

  /** @param hash - of all the state; also what a member restored from its disk is checked like what it applied */
  applied(node: ObservedMember, index: number, hash: StateHash): void {
    this.#checks++;
    const known = this.#hashes[index];
    this.#hashes[index] = hash;
    check(
      known === undefined || known === hash,
      `state-machine safety: ${node.id} has another state after entry ${index}`,
    );
    check(index <= this.quorumReaches, `${node.id} applied ${index}, which nobody committed`);
  }

  /** The state of an index states the configuration that was in force there (R45, R49). */
  stating(node: ObservedMember, index: number, membership: Membership): void {
    const inForce = this.#configurations.findLast((configuration) => configuration.index <= index);
    if (inForce === undefined) return;
    const isSo = textOf(membership) === inForce.members;
    check(isSo, `${node.id}: the state of ${index} states other members than entry ${inForce.index} brought`);
  }

  readBegan(node: ObservedMember, request: number): void {
    this.#reads.set(`${node.id}/${request}`, this.quorumReaches);
  }

  readEnded(node: ObservedMember, request: number, index: number | null): void {
    const key = `${node.id}/${request}`;
    const floor = this.#reads.get(key);
    if (index === null || floor === undefined) return;
    check(index >= floor, `linearizable reads: ${node.id} reads at ${index} what began after ${floor} was committed`);
  }
}

const texts = new WeakMap<Membership, string>();

/** The same for equal configurations. */
function textOf(membership: Membership): string {
  const known = texts.get(membership);
  if (known !== undefined) return known;
  const { voters, outgoing, learners, removed } = membership;
  const idsOf = (members: readonly Member[]) => members.map(({ id, name }) => [id, name]);
  const text = JSON.stringify([
    idsOf(voters),
    idsOf(outgoing),
    learners.map(({ id, becomes, replaces }) => [id, becomes, replaces]),
    removed,
  ]);
  texts.set(membership, text);
  return text;
}

function isSameEntry(a: LogEntry, b: LogEntry): boolean {
  if (a === b) return true;
  return a.term === b.term && a.kind === b.kind && (a.data === b.data || Buffer.compare(a.data, b.data) === 0);
}

/** Other messages promise nothing that a restart could break. */
function isBinding(message: RaftMessage): boolean {
  switch (message.type) {
    case "vote":
    case "append":
    case "heartbeat":
    case "heartbeatResponse":
    case "timeoutNow":
      return true;
    case "voteResponse":
      return message.granted;
    case "appendResponse":
      return message.accepted;
    default:
      return false;
  }
}
