/** One pure core on the bench: made in a stated condition, fed message by message, read out by kind of message. */

import { type CoreOptions, createState, type MessageBody, type RaftState } from "../../src/raft/core/state.ts";
import { type Ready, step, takeReady } from "../../src/raft/core/step.ts";
import { asNodeId, type NodeId } from "../../src/types/ids.ts";
import {
  encodeMembership,
  foundingMembership,
  type Membership,
  type MembershipChange,
} from "../../src/types/membership.ts";
import type { LogEntry, RaftMessage } from "../../src/types/raft.ts";
import { seededRandom } from "../../src/util/random.ts";
import { members } from "./raft-sim-plan.ts";

export const CORE_OPTIONS: CoreOptions = {
  heartbeatMs: 50,
  electionMsMin: 300,
  electionMsMax: 600,
  appendBytesMax: 1_000,
  window: { messagesMax: 4, bytesMax: 10_000 },
  committedPage: 100,
};

export const n1 = asNodeId("n1");
export const n2 = asNodeId("n2");
export const n3 = asNodeId("n3");
export const n4 = asNodeId("n4");
export const n5 = asNodeId("n5");

export function votersUpTo(count: number): Membership {
  return foundingMembership(members(1, count));
}

/** Terms of consecutive entries, the first at `start + 1`. */
export function entriesOf(terms: readonly number[], start = 0): LogEntry[] {
  return terms.map((term, i) => {
    const index = start + i + 1;
    return { index, term, kind: "command", data: new TextEncoder().encode(`${index} of ${term}`) };
  });
}

export interface Condition {
  readonly self?: NodeId;
  readonly membership?: Membership;
  readonly term?: number;
  readonly votedFor?: NodeId | null;
  /** Terms of the entries behind `start`. */
  readonly terms?: readonly number[];
  /** Instead of `terms`: entries with a content that matters. */
  readonly entries?: readonly LogEntry[];
  readonly start?: { readonly index: number; readonly term: number };
  readonly commit?: number;
  readonly options?: Partial<CoreOptions>;
  readonly seed?: number;
}

/** As of a leader that this member has not answered yet. */
export const HEARTBEAT = {
  type: "heartbeat",
  commit: 0,
  leaderCommit: 0,
  sinceQuorumMs: 0,
  readRound: 0,
  sentAt: 1,
  echo: 0,
  echoHeldMs: 0,
} as const;

/** As of a member that was sent no heartbeat that it could name. */
export function heartbeatAnswer(readRound = 0) {
  return { type: "heartbeatResponse", readRound, sentAt: 1, echo: 0 } as const;
}

export class Bench {
  readonly state: RaftState;
  now = 1_000;

  constructor(condition: Condition = {}) {
    const { self = n1, terms = [], start = { index: 0, term: 0 }, votedFor = null, options, seed = 1 } = condition;
    const term = condition.term ?? terms.at(-1) ?? start.term;
    const commit = condition.commit ?? start.index;
    this.state = createState(
      self,
      {
        hardState: { term, votedFor, commit },
        start,
        entries: condition.entries ?? entriesOf(terms, start.index),
        appliedIndex: start.index,
        membership: condition.membership ?? votersUpTo(3),
      },
      { ...CORE_OPTIONS, ...options },
      seededRandom(seed),
      this.now,
    );
  }

  /** Takes a message and gives what is to be done. `term` is the state's unless stated. */
  receive(from: NodeId, body: MessageBody, term = this.state.term): Ready {
    this.hear(from, body, term);
    return takeReady(this.state);
  }

  /** Takes a message and leaves what is to be done for later. */
  hear(from: NodeId, body: MessageBody, term = this.state.term): void {
    const message = { ...body, from, to: this.state.self, term } as RaftMessage;
    step(this.state, { type: "message", now: this.now, message });
  }

  tick(afterMs: number, ownLagMs = 0): Ready {
    this.now += afterMs;
    step(this.state, { type: "tick", now: this.now, ownLagMs });
    return takeReady(this.state);
  }

  propose(count = 1): Ready {
    const commands = Array.from({ length: count }, (_, i) => new TextEncoder().encode(`command ${i}`));
    step(this.state, { type: "propose", now: this.now, commands });
    return takeReady(this.state);
  }

  /** The disk has everything handed to it so far. */
  persisted(): Ready {
    const { lastIndex: index, lastTerm: term } = this.state.log;
    step(this.state, { type: "persisted", now: this.now, index, term });
    return takeReady(this.state);
  }

  read(request: number): Ready {
    step(this.state, { type: "read", now: this.now, requests: [request] });
    return takeReady(this.state);
  }

  transfer(target: NodeId | null): Ready {
    step(this.state, { type: "transfer", now: this.now, target });
    return takeReady(this.state);
  }

  change(change: MembershipChange): Ready {
    step(this.state, { type: "changeMembership", now: this.now, change });
    return takeReady(this.state);
  }

  /** Gives the log a configuration as its leader `from` would: not committed yet. */
  appendMembership(from: NodeId, membership: Membership, term = this.state.term): Ready {
    const { lastIndex, lastTerm, commit } = this.state.log;
    const entry: LogEntry = { index: lastIndex + 1, term, kind: "membership", data: encodeMembership(membership) };
    const body = { type: "append", prevIndex: lastIndex, prevTerm: lastTerm, commit, entries: [entry] } as const;
    return this.receive(from, body, term);
  }

  peerGone(peer: NodeId): Ready {
    step(this.state, { type: "peerGone", now: this.now, peer });
    return takeReady(this.state);
  }

  snapshotSent(peer: NodeId, lastIndex: number, installed: boolean): Ready {
    step(this.state, { type: "snapshotSent", now: this.now, peer, lastIndex, installed });
    return takeReady(this.state);
  }

  snapshotInstalled(lastIndex: number, lastTerm: number, membership: Membership = this.state.membership): Ready {
    step(this.state, { type: "snapshotInstalled", now: this.now, lastIndex, lastTerm, membership });
    return takeReady(this.state);
  }

  /** Wins an election of the next term with the vote of these. @returns what it does as a leader */
  elect(...voters: NodeId[]): Ready {
    this.tick(this.state.options.electionMsMax + 1);
    for (const voter of voters) {
      if (this.state.role !== "pre-candidate") break;
      this.receive(voter, { type: "preVoteResponse", granted: true }, this.state.term + 1);
    }
    let ready = this.receive(this.state.self, { type: "voteResponse", granted: true });
    for (const voter of voters) {
      if (this.state.role !== "candidate") break;
      ready = this.receive(voter, { type: "voteResponse", granted: true });
    }
    return ready;
  }

  /** Elects and lets every peer acknowledge the whole log. */
  leadWithAllCaughtUp(...peers: NodeId[]): void {
    this.elect(...peers);
    this.persisted();
    for (const peer of peers) this.acknowledge(peer);
  }

  acknowledge(peer: NodeId, index = this.state.log.lastIndex): Ready {
    return this.receive(peer, { type: "appendResponse", accepted: true, index, hintIndex: 0, hintTerm: 0 });
  }

  refuse(peer: NodeId, index: number, hintIndex: number, hintTerm: number): Ready {
    return this.receive(peer, { type: "appendResponse", accepted: false, index, hintIndex, hintTerm });
  }

  append(
    from: NodeId,
    body: { prev: readonly [number, number]; terms?: readonly number[]; commit?: number },
    term?: number,
  ): Ready {
    const [prevIndex, prevTerm] = body.prev;
    const entries = entriesOf(body.terms ?? [], prevIndex);
    return this.receive(from, { type: "append", prevIndex, prevTerm, commit: body.commit ?? 0, entries }, term);
  }

  heartbeat(from: NodeId, fields: { commit?: number; readRound?: number } = {}, term?: number): Ready {
    const { commit = 0, readRound = 0 } = fields;
    return this.receive(from, { ...HEARTBEAT, commit, leaderCommit: commit, readRound }, term);
  }

  /** Terms of the whole log. */
  get terms(): number[] {
    const { log } = this.state;
    return Array.from({ length: log.lastIndex - log.startIndex }, (_, i) => log.termAt(log.startIndex + 1 + i)!);
  }
}

type Narrowed<Message, Type> = Message extends { type: infer Types }
  ? Type extends Types
    ? Message & { type: Type }
    : never
  : never;
type OfType<Type extends RaftMessage["type"]> = Narrowed<RaftMessage, Type>;

/** The messages of one kind, whether they leave at once or wait for the disk. */
export function sent<Type extends RaftMessage["type"]>(ready: Ready, type: Type, to?: NodeId): OfType<Type>[] {
  return [...ready.messages, ...ready.promises].filter(
    (message): message is OfType<Type> => message.type === type && (to === undefined || message.to === to),
  );
}

/** The only message of its kind. */
export function theOne<Type extends RaftMessage["type"]>(ready: Ready, type: Type, to?: NodeId): OfType<Type> {
  const found = sent(ready, type, to);
  if (found.length !== 1) throw new Error(`${found.length} messages of type ${type}, not one`);
  return found[0]!;
}
