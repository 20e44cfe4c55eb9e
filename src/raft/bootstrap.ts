/**
 * How a node comes to its region: by founding it together with others, or by joining one that exists.
 *
 * Every node is given the same list of names. Nodes exchange identities until all names are present; then each notes the
 * founding configuration on disk ("prepared"), and founds once everybody says to have prepared the same. Whoever hears
 * that a region was founded with it among the members takes part in that founding. So two configurations can not both be
 * founded: each needs all members, the same ones, prepared for it and not founded already.
 *
 * A node that hears of a region founded without it asks to join (`joining.ts`, `admission.ts`), and founds nothing as long
 * as anybody of that region answers. It notes that it was taken in ("joined") before it takes part. Its disk was perhaps
 * wiped: it has a new identity then, is in no configuration until the region's log puts it there, and can neither vote nor
 * lead on what it has forgotten (F7, R12, R13).
 */

import type { PeerDirectory, RequestResponse } from "../network/interface.ts";
import type { NodeFacts } from "../storage/interface.ts";
import { epochOf, succeeds } from "../types/cluster-id.ts";
import type { ClusterId, FederationId, NodeName, RegionId } from "../types/ids.ts";
import { foundingMembership, type Member, type Membership, NO_MEMBERS } from "../types/membership.ts";
import { type Clock, sleep } from "../util/clock.ts";
import { compareText } from "../util/compare.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import { memberRemoved, otherNode } from "./bootstrap-error.ts";
import {
  areSameMembers,
  asStatement,
  clusterOf,
  isInRegion,
  readStatement,
  type Statement,
  writeStatement,
} from "./founding-statement.ts";
import { JOIN_AGAIN_MS, Joiner } from "./joining.ts";
import { Reminder } from "./reminder.ts";

const METHOD = "raft/found";
const POLL_MS = 100;
const ANSWER_TIMEOUT_MS = 2_000;

/** The region that a node belongs to. */
export interface Founding {
  readonly cluster: ClusterId;
  /** Begins the log of a founder; nobody for a node that joined, which the leader tells who belongs. */
  readonly membership: Membership;
}

export interface EntryParts {
  readonly self: Member;
  readonly federation: FederationId;
  readonly region: RegionId;
  /** All names of the region, this node's among them. */
  readonly names: readonly NodeName[];
  /** False on a node that lost a damaged store: its region exists, so it joins and never founds. */
  readonly mayFound: boolean;
  readonly facts: NodeFacts;
  readonly requests: RequestResponse;
  readonly directory: PeerDirectory;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Hears what keeps this node out of its region, in words for operators. */
  readonly onWaiting: (reason: string) => void;
}

/**
 * Reads whether this data folder belongs to a region.
 *
 * @throws BootstrapError
 *   DATA_FOLDER_OTHER_NODE  it belongs to another federation, region or name
 *   DATA_FOLDER_UNREADABLE  a newer version wrote it
 *   MEMBER_REMOVED          the node left its region for good
 */
export function readFounding(parts: Pick<EntryParts, "facts" | "federation" | "region" | "self">): Founding | null {
  const statement = readStatement(parts.facts);
  if (statement === null || statement.stage === "fresh" || statement.stage === "prepared") return null;
  if (parts.federation !== statement.federation) {
    throw otherNode("node.federation", parts.federation, statement.federation);
  }
  if (parts.region !== statement.region) throw otherNode("node.region", parts.region, statement.region);
  if (parts.self.name !== statement.self.name) throw otherNode("node.name", parts.self.name, statement.self.name);
  if (statement.stage === "removed") throw memberRemoved(parts.self.id);
  return foundingOf(statement);
}

/**
 * Founds the region together with its other members, takes part in a founding that happened without us noticing, or joins
 * a region that exists. Keeps answering others afterwards, so that they find their way through this node.
 *
 * @returns when this node's disk says that it belongs to the region; waits without end
 * @throws BootstrapError MEMBER_REMOVED; the signal's reason when aborted
 */
export async function enterRegion(parts: EntryParts, signal: AbortSignal): Promise<Founding> {
  const newcomer = new Newcomer(parts);
  parts.requests.handle(METHOD, async () => newcomer.statement);
  return newcomer.run(signal);
}

/**
 * Keeps a node that joined asking until its configuration names it: a leader may have fallen before it had committed what
 * it promised.
 *
 * @throws BootstrapError MEMBER_REMOVED; the signal's reason when aborted
 */
export async function askUntilMember(
  parts: Omit<EntryParts, "facts" | "names" | "mayFound">,
  membership: () => Membership,
  signal: AbortSignal,
): Promise<void> {
  const { clock, logger, onWaiting } = parts;
  const joiner = new Joiner({ ...parts, reminder: new Reminder(clock, logger, onWaiting) });
  await joiner.askUntilMember(membership, signal);
}

/** Makes a node that belongs to its region answer those that do not yet. */
export function answerNewcomers({ facts, requests }: Pick<EntryParts, "facts" | "requests">): void {
  requests.handle(METHOD, async () => readStatement(facts));
}

/** Notes that this identity left its region. Resolves when it is on disk. */
export async function noteRemoval(parts: Identity): Promise<void> {
  await writeStatement(parts.facts, { ...(readStatement(parts.facts) ?? freshStatement(parts)), stage: "removed" });
}

type Identity = Pick<EntryParts, "facts" | "federation" | "region" | "names" | "self">;

function freshStatement({ federation, region, names, self }: Identity): Statement {
  return { stage: "fresh", federation, region, names: [...names].sort(), self, members: [], cluster: null };
}

class Newcomer {
  readonly #parts: EntryParts;
  readonly #reminder: Reminder;
  readonly #joiner: Joiner;
  #statement: Statement;

  constructor(parts: EntryParts) {
    const { clock, logger } = parts;
    this.#parts = parts;
    this.#reminder = new Reminder(clock, logger, parts.onWaiting);
    this.#joiner = new Joiner({ ...parts, reminder: this.#reminder });
    const onDisk = readStatement(parts.facts);
    this.#statement = freshStatement(parts);
    if (onDisk?.stage === "prepared") {
      this.#statement = { ...this.#statement, stage: "prepared", members: onDisk.members };
    }
  }

  get statement(): Statement {
    return this.#statement;
  }

  async run(signal: AbortSignal): Promise<Founding> {
    while (!isInRegion(this.#statement)) {
      signal.throwIfAborted();
      const heard = await this.#askOthers();
      const region = heard.filter(isInRegion);
      if (region.length > 0) await this.#enter(region);
      else await this.#prepare(heard);
      if (!isInRegion(this.#statement)) {
        await sleep(this.#parts.clock, region.length > 0 ? JOIN_AGAIN_MS : POLL_MS, signal);
      }
    }
    return foundingOf(this.#statement);
  }

  /** What the others that are here now say now; a statement of before may be of a disk that is gone. */
  async #askOthers(): Promise<Statement[]> {
    const { directory, requests, region, logger } = this.#parts;
    const members = directory.peers().filter((peer) => peer.region === region);
    const answers = members.map(async ({ nodeId, name }): Promise<Statement | null> => {
      try {
        const answer = asStatement(await requests.request(nodeId, METHOD, null, { timeoutMs: ANSWER_TIMEOUT_MS }));
        const isTheirs = answer?.self.id === nodeId && answer.self.name === name;
        return isTheirs && answer.stage !== "removed" ? answer : null;
      } catch (error) {
        logger.debug({ code: "FOUNDING_NO_ANSWER", name, reason: messageOf(error) }, "a member did not answer");
        return null;
      }
    });
    return (await Promise.all(answers)).filter((answer) => answer !== null);
  }

  // ------------------------------------------------------------------ a region that exists

  async #enter(heard: readonly Statement[]): Promise<void> {
    const { self } = this.#statement;
    // After a forced recovery, nodes of an earlier epoch may still be about.
    const clusters = [...new Set(heard.map(clusterOf))].sort((a, b) => epochOf(b) - epochOf(a));
    const newest = clusters[0]!;
    if (clusters.some((other) => other !== newest && !succeeds(newest, other))) {
      const facts = { code: "JOIN_CLUSTERS_DIFFER", clusters: clusters.join(" ") };
      return this.#reminder.remind(facts, "two regions of this name exist: have this node dial members of one only");
    }
    const current = heard.filter((other) => clusterOf(other) === newest);
    const founder = current.find(({ members }) => members.some(({ id }) => id === self.id));
    if (founder !== undefined) return this.#foundWith(founder);
    const accepted = await this.#joiner.ask(current.map((other) => other.self.id));
    if (accepted === newest) await this.#join(newest);
  }

  /**
   * What this node prepared binds it: that configuration may be founded by now, by somebody who is away, and then there would
   * be two. Unless who founded this one is part of it, for without him nobody can have founded the other.
   */
  async #foundWith(founder: Statement): Promise<void> {
    const { stage, members } = this.#statement;
    const isFree = stage !== "prepared" || areSameMembers(members, founder.members);
    if (isFree || members.some(({ id }) => id === founder.self.id)) return this.#found(founder.members);
    this.#reminder.remind(
      { code: "FOUNDING_PREPARED_OTHERWISE", foundedBy: founder.self.name },
      "the region was founded with other members than this node agreed to: " +
        "find out which founding holds, and move this node's data folder away to join it",
    );
  }

  async #join(cluster: ClusterId): Promise<void> {
    await this.#note({ stage: "joined", members: [], cluster });
    this.#parts.logger.info({ code: "REGION_JOINED", cluster }, "the region took this node in");
  }

  // ------------------------------------------------------------------ a region to be founded

  async #prepare(heard: readonly Statement[]): Promise<void> {
    const { self, names } = this.#statement;
    if (this.#isLinkedToRegion()) {
      return this.#reminder.remind(
        { code: "JOIN_NO_MEMBER" },
        "waits for a member of its region to answer, to join it",
      );
    }
    if (!this.#parts.mayFound) {
      return this.#reminder.remind(
        { code: "JOIN_NO_MEMBER" },
        "waits for a member of its region, to join it again: its own store was damaged and lies aside",
      );
    }
    const stranger = heard.find((other) => other.names.join() !== names.join());
    if (stranger !== undefined) {
      const facts = { ours: names.join(" "), theirs: stranger.names.join(" "), node: stranger.self.name };
      return this.#reminder.remind(
        { code: "FOUNDING_MEMBERS_DIFFER", ...facts },
        `members must be the same list on each node: ${stranger.self.name} was given another one`,
      );
    }
    const present: string[] = [self.name, ...heard.map((other) => other.self.name)];
    const twice = present.find((name, i) => present.indexOf(name) !== i);
    if (twice !== undefined) {
      return this.#reminder.remind(
        { code: "FOUNDING_NAME_TWICE", name: twice },
        `two nodes have the name ${twice}: give each its own`,
      );
    }
    const missing = names.filter((name) => !present.includes(name));
    if (missing.length > 0) {
      return this.#reminder.remind(
        { code: "FOUNDING_WAITS", missing: missing.join(" ") },
        `waiting for members to found the region: ${missing.join(", ")}`,
      );
    }

    const members = [self, ...heard.map((other) => other.self)]
      .filter(({ name }) => names.includes(name))
      .sort((a, b) => compareText(a.name, b.name));
    const isPrepared = this.#statement.stage === "prepared" && areSameMembers(this.#statement.members, members);
    if (!isPrepared) await this.#note({ stage: "prepared", members });
    // Everybody must have said so, and those who did not are asked again.
    if (heard.every((other) => areSameMembers(other.members, members))) await this.#found(members);
  }

  /** Whether somebody here belongs to the region, although it does not answer now. */
  #isLinkedToRegion(): boolean {
    const { directory, region } = this.#parts;
    return directory.peers().some((peer) => peer.region === region && peer.cluster !== null);
  }

  async #found(members: readonly Member[]): Promise<void> {
    await this.#note({ stage: "founded", members });
    this.#parts.logger.info(
      { code: "REGION_FOUNDED", cluster: clusterOf(this.#statement), members: members.map(({ name }) => name) },
      "the region is founded",
    );
  }

  /** On disk before anybody hears of it. */
  async #note(change: Partial<Statement>): Promise<void> {
    const statement = { ...this.#statement, ...change };
    await writeStatement(this.#parts.facts, statement);
    this.#statement = statement;
  }
}

function foundingOf(statement: Statement): Founding {
  const membership = statement.stage === "joined" ? NO_MEMBERS : foundingMembership(statement.members);
  return { cluster: clusterOf(statement), membership };
}
