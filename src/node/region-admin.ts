/**
 * Operators' changes of the region, asked of any node: the leader makes them, wherever it is, and whoever it then is.
 *
 * An operation is attempted on the leader, again after a leader change or while another change is under way, until it is
 * done, refused for good, or `timeoutMs` have passed. An attempt whose end nobody heard of is not repeated blindly: the
 * next one first looks whether the members are already as they should be.
 */

import { ClusterError, type ClusterErrorDetail } from "../api/cluster-error.ts";
import type { ClusterAdmin, MemberStatus, MembersStatus } from "../api/ports.ts";
import { NetworkError, type PeerDirectory, type PeerInfo, type RequestResponse } from "../network/interface.ts";
import type { ConsensusGroup, GroupMembership, GroupStatus } from "../raft/index.ts";
import type { NodeId, RegionId } from "../types/ids.ts";
import type { Learner, Member, Membership } from "../types/membership.ts";
import type { SummaryNode } from "../types/summary.ts";
import { type Clock, sleep } from "../util/clock.ts";
import { attemptOperation } from "./leader-operations.ts";
import {
  type Attempt,
  asAttempt,
  asMembersStatus,
  asOperationRequest,
  CHANGE_METHOD,
  MEMBERS_METHOD,
  type MemberOperation,
  type OperationRequest,
} from "./member-operation.ts";

/** Between two attempts. */
const AGAIN_MS = 50;
/** One that is given less time ends before anybody can know how. */
const ATTEMPT_MS_MIN = 200;
/** Whoever asks how the members are is not kept waiting for a leader that hangs. */
const VIEW_TIMEOUT_MS = 1_000;

export interface RegionAdminParts {
  readonly region: RegionId;
  readonly self: NodeId;
  /** Unfounded until the node has its place in the region. */
  readonly status: () => GroupStatus;
  readonly group: () => (ConsensusGroup & GroupMembership) | undefined;
  /** Undefined until the network is up. */
  readonly network: () => { readonly requests: RequestResponse; readonly directory: PeerDirectory } | undefined;
  /** All members, with what is known of where they are. */
  readonly nodes: () => readonly SummaryNode[];
  /** Nodes that asked this one, while it leads, to join. */
  readonly waiting: () => readonly PeerInfo[];
  readonly clock: Clock;
  /** An operation waits this long in all. */
  readonly timeoutMs: number;
  /** A member that answered the leader within this time is taken for alive. */
  readonly answeringMs: number;
}

export class RegionAdmin implements ClusterAdmin {
  readonly #parts: RegionAdminParts;

  constructor(parts: RegionAdminParts) {
    this.#parts = parts;
  }

  /** Does what members of the region pass on to this node when it leads. */
  serve(requests: RequestResponse): void {
    // To see the members one need not be one: a node that was just removed shows who is left.
    requests.handle(MEMBERS_METHOD, async ({ region }) =>
      this.#isLedBySelf() && region === this.#parts.region ? this.#view() : null,
    );
    requests.handle(CHANGE_METHOD, async (from, payload): Promise<Attempt> => {
      const request = asOperationRequest(payload);
      if (request === null || !this.#isMember(from)) return notHere();
      return this.#attemptHere(request);
    });
  }

  async members(): Promise<MembersStatus> {
    const network = this.#parts.network();
    const { leader } = this.#parts.status();
    if (this.#isLedBySelf() || leader === null || network === undefined) return this.#view();
    const timeoutMs = VIEW_TIMEOUT_MS;
    const answer = await network.requests.request(leader, MEMBERS_METHOD, null, { timeoutMs }).catch(onlyNetworkErrors);
    const seen = asMembersStatus(answer);
    if (seen === null) return this.#view();
    // The leader's own link is none to itself here.
    return { ...seen, members: seen.members.map((member) => ({ ...member, link: this.#linkTo(member.nodeId) })) };
  }

  addMember(name: string, becomes: "voter" | "learner"): Promise<MembersStatus> {
    return this.#perform(async () => ({ type: "add", name, becomes }));
  }

  removeMember(member: string): Promise<MembersStatus> {
    return this.#perform(async () => ({ type: "remove", member: await this.#idOf(member, ["voter", "leader"]) }));
  }

  promoteMember(member: string): Promise<MembersStatus> {
    return this.#perform(async () => ({ type: "promote", member: await this.#idOf(member, ["learner"]) }));
  }

  transferLeadership(to: string | null): Promise<MembersStatus> {
    return this.#perform(async () => ({ type: "transfer", to }));
  }

  /**
   * Who is meant, once and for all: were the operation repeated after it was done, the name might by then be another's.
   *
   * @param roles - of a voter and the learner that is to take its place, one of these is meant
   */
  async #idOf(nameOrId: string, roles: readonly MemberStatus["role"][]): Promise<string> {
    const { members } = await this.members();
    const bearers = members.filter(({ name, nodeId }) => nodeId === nameOrId || name === nameOrId);
    const meant = bearers.find(({ role }) => roles.includes(role)) ?? bearers[0];
    // The leader may know one that this node has not heard of.
    return meant?.nodeId ?? nameOrId;
  }

  async #perform(decide: () => Promise<MemberOperation>): Promise<MembersStatus> {
    const { clock, timeoutMs } = this.#parts;
    const beganAt = clock.now();
    const operation = await decide();
    let mayBeDone = false;
    for (;;) {
      const leftMs = timeoutMs - (clock.now() - beganAt);
      const attempt = await this.#attempt({ operation, mayBeDone, timeoutMs: Math.max(1, Math.round(leftMs)) });
      if (attempt.type === "done") return this.members();
      if (attempt.type === "refused") throw refusal(attempt.error);
      mayBeDone ||= attempt.error.code === "OUTCOME_UNKNOWN";
      const waitedMs = Math.round(clock.now() - beganAt);
      if (waitedMs + AGAIN_MS + ATTEMPT_MS_MIN > timeoutMs) throw timedOut(attempt.error, mayBeDone, waitedMs);
      await sleep(clock, AGAIN_MS);
    }
  }

  /** One attempt on the leader, here or elsewhere. */
  async #attempt(request: OperationRequest): Promise<Attempt> {
    const network = this.#parts.network();
    const { leader } = this.#parts.status();
    if (this.#isLedBySelf()) return this.#attemptHere(request);
    if (leader === null || network === undefined) return notHere();
    try {
      const { timeoutMs } = request;
      return asAttempt(await network.requests.request(leader, CHANGE_METHOD, request, { timeoutMs })) ?? notHere();
    } catch (error) {
      if (!(error instanceof NetworkError)) throw error;
      const { code } = error.detail;
      const wasSent = code !== "NOT_CONNECTED" && code !== "OVERLOADED";
      return wasSent ? { type: "again", error: { code: "OUTCOME_UNKNOWN", waitedMs: 0 } } : notHere();
    }
  }

  async #attemptHere(request: OperationRequest): Promise<Attempt> {
    const { answeringMs, waiting } = this.#parts;
    const group = this.#parts.group();
    return group === undefined ? notHere() : attemptOperation({ group, waiting, answeringMs }, request);
  }

  #isLedBySelf(): boolean {
    return this.#parts.status().role === "leader";
  }

  /** Only members speak for the region (P11). */
  #isMember({ nodeId, region }: PeerInfo): boolean {
    const { voters, outgoing, learners } = this.#parts.status().membership;
    return region === this.#parts.region && [...voters, ...outgoing, ...learners].some(({ id }) => id === nodeId);
  }

  // ------------------------------------------------------------------ how the members are

  /** As this node sees it. */
  #view(): MembersStatus {
    const { region, status, waiting } = this.#parts;
    const { leader, term, isChanging, membership } = status();
    const members = rolesOf(membership, leader);
    return {
      region,
      leader: members.find(({ id }) => id === leader)?.name ?? null,
      term,
      isChanging,
      members: members.map((member) => this.#show(member)),
      waiting: waiting().map(({ name, nodeId, http }) => ({ name, nodeId, http })),
    };
  }

  #show({ id, name, role, becomes, replaces }: MemberInRole): MemberStatus {
    const { group, status, nodes, self } = this.#parts;
    const isLeader = this.#isLedBySelf();
    const progress = isLeader
      ? group()
          ?.progress()
          .find((peer) => peer.id === id)
      : undefined;
    const lag = progress === undefined ? null : Math.max(0, status().lastIndex - progress.matchIndex);
    return {
      name,
      nodeId: id,
      role,
      becomes,
      replaces,
      link: this.#linkTo(id),
      http: nodes().find(({ nodeId }) => nodeId === id)?.http ?? "",
      lagEntries: isLeader && id === self ? 0 : lag,
      silentMs: isLeader && id === self ? 0 : progress === undefined ? null : Math.round(progress.silentMs),
    };
  }

  #linkTo(id: string): MemberStatus["link"] {
    if (id === this.#parts.self) return "self";
    return this.#parts.network()?.directory.get(id as NodeId) === undefined ? "away" : "connected";
  }
}

interface MemberInRole extends Member, Pick<Learner, "becomes" | "replaces"> {
  readonly role: MemberStatus["role"];
}

function rolesOf({ voters, outgoing, learners }: Membership, leader: NodeId | null): MemberInRole[] {
  const leaving = outgoing.filter(({ id }) => !voters.some((voter) => voter.id === id));
  const voter = (role: "voter" | "leaving") => (member: Member) => ({
    ...member,
    role: member.id === leader ? ("leader" as const) : role,
    becomes: "voter" as const,
    replaces: null,
  });
  return [
    ...voters.map(voter("voter")),
    ...leaving.map(voter("leaving")),
    ...learners.map((learner) => ({ ...learner, role: "learner" as const })),
  ];
}

function notHere(): Attempt {
  return { type: "again", error: { code: "NO_LEADER", waitedMs: 0 } };
}

function onlyNetworkErrors(error: unknown): null {
  if (error instanceof NetworkError) return null;
  throw error;
}

function timedOut(error: ClusterErrorDetail, mayBeDone: boolean, waitedMs: number): ClusterError {
  if (mayBeDone) return refusal({ code: "OUTCOME_UNKNOWN", waitedMs });
  return refusal(error.code === "NO_LEADER" ? { ...error, waitedMs } : error);
}

/** The faces explain each code in their own words. */
function refusal(error: ClusterErrorDetail): ClusterError {
  return new ClusterError("the region's members, or its leader, were not changed as asked", error);
}
