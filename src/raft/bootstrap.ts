/**
 * Founding a region: how fresh nodes that know each other only by name become one Raft group.
 *
 * Every node is given the same list of names. Nodes exchange identities until all names are present; then each notes the
 * founding configuration on disk ("prepared"), and founds once everybody says to have prepared the same. Whoever hears
 * that a region was founded with it among the members joins that founding. So two configurations can not both be
 * founded: each needs all members, the same ones, prepared for it and not founded already.
 *
 * The digest of the configuration is the cluster id, carried in every handshake from then on (F17). A node whose disk was
 * wiped has a new identity, is in no founded configuration, and says so instead of voting (F7, R12, R13).
 */

import { createHash } from "node:crypto";
import { Packr } from "msgpackr";
import type { PeerDirectory, RequestResponse } from "../network/interface.ts";
import type { NodeFacts } from "../storage/interface.ts";
import { asClusterId, type ClusterId, type FederationId, type NodeName, type RegionId } from "../types/ids.ts";
import { foundingMembership, type Member, type Membership } from "../types/membership.ts";
import { type Clock, sleep } from "../util/clock.ts";
import { compareText } from "../util/compare.ts";
import { AtollError, messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";

const FACT = "founding";
const METHOD = "raft/found";
const POLL_MS = 100;
const ANSWER_TIMEOUT_MS = 2_000;
/** How often a reason to wait is repeated in the log. */
const REMIND_MS = 10_000;

export interface Founding {
  readonly cluster: ClusterId;
  readonly membership: Membership;
}

export interface FoundingParts {
  readonly self: Member;
  readonly federation: FederationId;
  readonly region: RegionId;
  /** All names of the region, this node's among them. */
  readonly names: readonly NodeName[];
  readonly facts: NodeFacts;
  readonly requests: RequestResponse;
  readonly directory: PeerDirectory;
  readonly clock: Clock;
  readonly logger: Logger;
}

export type BootstrapErrorDetail = {
  readonly code: "DATA_FOLDER_OTHER_NODE";
  readonly option: "node.federation" | "node.region" | "node.name";
  readonly configured: string;
  readonly onDisk: string;
};

export class BootstrapError extends AtollError<BootstrapErrorDetail> {}

type Stage = "fresh" | "prepared" | "founded";

/** What a node says about its founding, on disk and to others. */
interface Statement {
  readonly stage: Stage;
  readonly federation: string;
  readonly region: string;
  readonly names: readonly string[];
  readonly self: Member;
  /** Prepared or founded with these, in order of name. */
  readonly members: readonly Member[];
}

const packr = new Packr({ useRecords: false });

/**
 * Reads whether this data folder belongs to a founded region.
 *
 * @throws BootstrapError DATA_FOLDER_OTHER_NODE when it was founded under another federation, region or name
 */
export function readFounding(parts: Pick<FoundingParts, "facts" | "federation" | "region" | "self">): Founding | null {
  const statement = readStatement(parts.facts);
  if (statement?.stage !== "founded") return null;
  refuseOther("node.federation", parts.federation, statement.federation);
  refuseOther("node.region", parts.region, statement.region);
  refuseOther("node.name", parts.self.name, statement.self.name);
  return foundingOf(statement);
}

/**
 * Founds the region together with its other members, or takes part in a founding that happened without us noticing.
 * Keeps answering others afterwards, so that a member which missed the end still learns of it.
 *
 * @returns when this node's disk says that the region is founded; waits without end for missing members
 * @throws the signal's reason when aborted
 */
export async function foundRegion(parts: FoundingParts, signal: AbortSignal): Promise<Founding> {
  const founder = new Founder(parts);
  parts.requests.handle(METHOD, async () => founder.statement);
  return founder.run(signal);
}

/** Makes a founded node answer members that are still founding. */
export function answerFounders(parts: Pick<FoundingParts, "facts" | "requests">): void {
  parts.requests.handle(METHOD, async () => readStatement(parts.facts));
}

class Founder {
  readonly #parts: FoundingParts;
  #statement: Statement;
  /** When each reason to wait was said last, by its code. */
  readonly #remindedAt = new Map<string, number>();

  constructor(parts: FoundingParts) {
    this.#parts = parts;
    const { federation, region, self } = parts;
    const names = [...parts.names].sort();
    const onDisk = readStatement(parts.facts);
    this.#statement = { stage: "fresh", federation, region, names, self, members: [] };
    if (onDisk?.stage === "prepared") {
      this.#statement = { ...this.#statement, stage: "prepared", members: onDisk.members };
    }
  }

  get statement(): Statement {
    return this.#statement;
  }

  async run(signal: AbortSignal): Promise<Founding> {
    for (;;) {
      signal.throwIfAborted();
      await this.#decide(await this.#askOthers());
      if (this.#statement.stage === "founded") break;
      await sleep(this.#parts.clock, POLL_MS, signal);
    }
    const founding = foundingOf(this.#statement);
    this.#parts.logger.info(
      { code: "REGION_FOUNDED", cluster: founding.cluster, members: this.#statement.members.map(({ name }) => name) },
      "the region is founded",
    );
    return founding;
  }

  /** What the others that are here now say now; a statement of before may be of a disk that is gone. */
  async #askOthers(): Promise<Statement[]> {
    const { directory, requests, region, logger } = this.#parts;
    const members = directory.peers().filter((peer) => peer.region === region);
    const answers = members.map(async ({ nodeId, name }): Promise<Statement | null> => {
      try {
        const answer = await requests.request(nodeId, METHOD, null, { timeoutMs: ANSWER_TIMEOUT_MS });
        return isStatement(answer) && answer.self.id === nodeId && answer.self.name === name ? answer : null;
      } catch (error) {
        logger.debug({ code: "FOUNDING_NO_ANSWER", name, reason: messageOf(error) }, "a member did not answer");
        return null;
      }
    });
    return (await Promise.all(answers)).filter((answer) => answer !== null);
  }

  async #decide(heard: readonly Statement[]): Promise<void> {
    const founded = heard.find(({ stage }) => stage === "founded");
    if (founded !== undefined) return this.#joinFounding(founded);

    const { self, names } = this.#statement;
    const stranger = heard.find((other) => other.names.join() !== names.join());
    if (stranger !== undefined) {
      const facts = { ours: names.join(" "), theirs: stranger.names.join(" "), node: stranger.self.name };
      return this.#remind({ code: "FOUNDING_MEMBERS_DIFFER", ...facts }, "members must be the same list on each node");
    }
    const present: string[] = [self.name, ...heard.map((other) => other.self.name)];
    const twice = present.find((name, i) => present.indexOf(name) !== i);
    if (twice !== undefined) {
      return this.#remind({ code: "FOUNDING_NAME_TWICE", name: twice }, "two nodes have one name: give each its own");
    }
    const missing = names.filter((name) => !present.includes(name));
    if (missing.length > 0) {
      return this.#remind(
        { code: "FOUNDING_WAITS", missing: missing.join(" ") },
        "waiting for members to found the region",
      );
    }

    const members = [self, ...heard.map((other) => other.self)]
      .filter(({ name }) => names.includes(name))
      .sort((a, b) => compareText(a.name, b.name));
    const isPrepared = this.#statement.stage === "prepared" && isSame(this.#statement.members, members);
    if (!isPrepared) await this.#note("prepared", members);
    // Everybody must have said so, and those who did not are asked again.
    if (heard.every((other) => isSame(other.members, members))) await this.#note("founded", members);
  }

  async #joinFounding(founded: Statement): Promise<void> {
    const { self } = this.#statement;
    if (founded.members.some(({ id }) => id === self.id)) return this.#note("founded", founded.members);
    const facts = { code: "FOUNDING_NOT_A_MEMBER", node: self.name, id: self.id, foundedBy: founded.self.name };
    this.#remind(facts, "the region was founded without this identity; an operator must add it as a new member");
  }

  /** On disk before anybody hears of it. */
  async #note(stage: Stage, members: readonly Member[]): Promise<void> {
    const statement = { ...this.#statement, stage, members };
    await this.#parts.facts.put(FACT, packr.pack(statement));
    this.#statement = statement;
  }

  #remind(event: { code: string; [fact: string]: unknown }, message: string): void {
    const now = this.#parts.clock.now();
    if (now - (this.#remindedAt.get(event.code) ?? Number.NEGATIVE_INFINITY) < REMIND_MS) return;
    this.#remindedAt.set(event.code, now);
    this.#parts.logger.warn(event, message);
  }
}

function readStatement(facts: NodeFacts): Statement | null {
  const bytes = facts.get(FACT);
  return bytes === undefined ? null : (packr.unpack(bytes) as Statement);
}

function foundingOf(statement: Statement): Founding {
  const { federation, region, members } = statement;
  const digest = createHash("sha256").update(
    JSON.stringify([federation, region, members.map(({ id, name }) => [name, id])]),
  );
  return {
    cluster: asClusterId(digest.digest("hex").slice(0, 32)),
    membership: foundingMembership(members),
  };
}

function isSame(a: readonly Member[], b: readonly Member[]): boolean {
  return a.length === b.length && a.every(({ id, name }, i) => b[i]!.id === id && b[i]!.name === name);
}

/** Another member said it, so it is looked at before it is believed. */
function isStatement(value: unknown): value is Statement {
  if (typeof value !== "object" || value === null) return false;
  const { stage, names, self, members } = value as Partial<Statement>;
  const isMember = (member: unknown) =>
    typeof member === "object" && member !== null && "id" in member && "name" in member;
  return (
    (stage === "fresh" || stage === "prepared" || stage === "founded") &&
    Array.isArray(names) &&
    isMember(self) &&
    Array.isArray(members) &&
    members.every(isMember)
  );
}

function refuseOther(option: BootstrapErrorDetail["option"], configured: string, onDisk: string): void {
  if (configured === onDisk) return;
  throw new BootstrapError(
    `the data folder belongs to ${option} "${onDisk}", but "${configured}" is configured: use another data folder, or the former setting`,
    { code: "DATA_FOLDER_OTHER_NODE", option, configured, onDisk },
  );
}
