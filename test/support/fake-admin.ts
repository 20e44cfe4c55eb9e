/** A region's members as the HTTP faces ask for them: answers what it is told to, and keeps what it was asked. */

import { ClusterError, type ClusterErrorDetail } from "../../src/api/cluster-error.ts";
import type { ClusterAdmin, MemberStatus, MembersStatus } from "../../src/api/ports.ts";

export function aMember(name: string, fields: Partial<MemberStatus> = {}): MemberStatus {
  return {
    name,
    nodeId: `12D3KooW${name.replaceAll("-", "")}`,
    role: "voter",
    becomes: "voter",
    replaces: null,
    link: "connected",
    http: `http://${name}:8000`,
    lagEntries: 0,
    silentMs: 20,
    ...fields,
  };
}

export function aRegion(members: readonly MemberStatus[], fields: Partial<MembersStatus> = {}): MembersStatus {
  const leader = members.find(({ role }) => role === "leader")?.name ?? null;
  return { region: "us-east", leader, term: 3, isChanging: false, members, waiting: [], ...fields };
}

export class FakeClusterAdmin implements ClusterAdmin {
  status: MembersStatus = aRegion([aMember("us-east-1", { role: "leader", link: "self", silentMs: 0 })]);
  /** Why every change is refused from now on. */
  refusal: ClusterErrorDetail | undefined;
  readonly asked: (readonly unknown[])[] = [];

  async members(): Promise<MembersStatus> {
    return this.status;
  }

  addMember(name: string, becomes: "voter" | "learner"): Promise<MembersStatus> {
    return this.#change("add", name, becomes);
  }

  removeMember(member: string): Promise<MembersStatus> {
    return this.#change("remove", member);
  }

  promoteMember(member: string): Promise<MembersStatus> {
    return this.#change("promote", member);
  }

  transferLeadership(to: string | null): Promise<MembersStatus> {
    return this.#change("transfer", to);
  }

  async #change(...asked: readonly unknown[]): Promise<MembersStatus> {
    this.asked.push(asked);
    if (this.refusal !== undefined) throw new ClusterError("the members stay as they are", this.refusal);
    return this.status;
  }
}
