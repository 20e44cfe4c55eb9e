/** Watches a new member catch up, until it votes. */

import { setTimeout as sleep } from "node:timers/promises";
import type { ApiClient, MembersView, MemberView } from "../api-client.ts";
import { CommandError } from "../errors.ts";
import { formatAge } from "../output.ts";

const POLL_MS = 250;
/** A member that is well answers many times in this time. */
const SILENT_MS_MAX = 3_000;

export interface Promotion {
  readonly name: string;
  /** The members when it was added. */
  readonly added: MembersView;
  readonly timeoutMs: number;
}

/**
 * Asks again and again. A question that is not answered is no failure: the node that is asked may be restarted, or have no
 * leader, while the member catches up all the same.
 *
 * @param onProgress - told how far it is, after each question
 * @returns the members once it votes
 * @throws CommandError
 *   MEMBER_GONE  it was removed meanwhile
 *   NOT_VOTING   it does not vote after `timeoutMs`; it will as soon as it has caught up
 */
export async function waitUntilVoter(
  client: ApiClient,
  { name, added, timeoutMs }: Promotion,
  onProgress: (text: string) => void,
): Promise<MembersView> {
  const deadline = performance.now() + timeoutMs;
  const nodeId = newest(added, name)?.nodeId;
  for (let known = added, trouble: string | undefined; ; ) {
    const member = known.members.find((each) => each.nodeId === nodeId);
    if (member?.role === "voter" || member?.role === "leader") return known;
    // Without a leader a node may be asked that does not know it yet.
    if (member === undefined && known.leader !== null) throw memberGone(name);
    const state = trouble ?? describe(member);
    if (performance.now() >= deadline) throw notVoting(name, state, timeoutMs);
    onProgress(`${name} catches up: ${state}`);
    await sleep(POLL_MS);
    try {
      known = await client.members();
      trouble = undefined;
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      trouble = error.message;
    }
  }
}

/** A name may be held by a member and by the learner that is to take its place. */
function newest({ members }: MembersView, name: string): MemberView | undefined {
  const named = members.filter((member) => member.name === name);
  return named.find(({ role }) => role === "learner") ?? named[0];
}

function describe(member: MemberView | undefined): string {
  if (member?.lagEntries == null || member.silentMs === null) return "no leader says how far it is";
  const silent = member.silentMs > SILENT_MS_MAX ? `, silent for ${formatAge(member.silentMs)}` : "";
  return `${member.lagEntries} entries behind${silent}`;
}

function memberGone(name: string): CommandError {
  return new CommandError("MEMBER_GONE", `${name} was removed meanwhile: "atoll members ls" shows who is left`);
}

function notVoting(name: string, state: string, timeoutMs: number): CommandError {
  const message =
    `${name} does not vote after ${Math.round(timeoutMs / 1_000)} s (${state}). It will as soon as it has caught up: watch it ` +
    `with "atoll members ls". If it gets no further, its log says why; "atoll members remove ${name}" gives it up`;
  return new CommandError("NOT_VOTING", message);
}
