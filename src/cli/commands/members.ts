/** `atoll members`: who belongs to a region, and changes of it. */

import type { MembersView, MemberView } from "../api-client.ts";
import { formatAge, formatLink, formatTable, type Output, printJson, showProgress, style } from "../output.ts";
import { type ClientOptions, connect, URL_DEFAULT } from "./client-options.ts";
import { askForChange } from "./member-change.ts";
import { waitUntilVoter } from "./member-promotion.ts";

export interface AddMemberOptions extends ClientOptions {
  readonly learner: boolean;
  readonly wait: boolean;
  /** How long to wait until it votes, in seconds. */
  readonly timeout: number;
}

export async function listMembers(options: ClientOptions, output: Output): Promise<void> {
  const { url, json } = options;
  const found = await connect(options).members();
  if (json) return printJson(output, found);
  output.print(formatMembers(found));
  const node = url === URL_DEFAULT ? "" : ` --url ${url}`;
  for (const { name, http, nodeId } of found.waiting) {
    output.print(`${style.yellow(name)} asks to join (${http || nodeId}): atoll members add ${name}${node}`);
  }
  if (found.leader === null) {
    output.note(
      style.red("No leader: these are the members as this node knows them, and they can not be changed now."),
    );
  }
  if (found.isChanging) output.note(style.yellow("A change is under way."));
}

export async function addMember(name: string, options: AddMemberOptions, output: Output): Promise<void> {
  const as = options.learner ? "learner" : "voter";
  const added = await askForChange(options, output, (client) => client.addMember(name, as));
  if (options.learner || !options.wait) {
    const next = options.learner ? `atoll members promote ${name} gives it a vote` : "it votes once it has caught up";
    return report(options, output, added, `${name} is a learner of ${added.region}: ${next}.`);
  }
  const promotion = { name, added, timeoutMs: options.timeout * 1_000 };
  const progress = showProgress(output, `${name} is a learner of ${added.region}, and votes once it has caught up`);
  const promoted = await waitUntilVoter(connect(options), promotion, progress.update).finally(progress.end);
  report(options, output, promoted, `${name} votes in ${promoted.region}.`);
}

export async function removeMember(member: string, options: ClientOptions, output: Output): Promise<void> {
  const left = await askForChange(options, output, (client) => client.removeMember(member));
  report(options, output, left, `${member} is removed from ${left.region} for good.`);
}

export async function promoteMember(member: string, options: ClientOptions, output: Output): Promise<void> {
  const promoted = await askForChange(options, output, (client) => client.promoteMember(member));
  report(options, output, promoted, `${member} votes in ${promoted.region}.`);
}

export async function transferLeadership(
  to: string | undefined,
  options: ClientOptions,
  output: Output,
): Promise<void> {
  const members = await askForChange(options, output, (client) => client.transferLeadership(to));
  const leader = members.leader ?? "Another member";
  report(options, output, members, `${leader} leads ${members.region}, term ${members.term}.`);
}

function report({ json }: ClientOptions, output: Output, members: MembersView, said: string): void {
  if (json) return printJson(output, members);
  output.print(said);
  output.print(formatMembers(members));
}

function formatMembers({ members }: MembersView): string {
  const rows = members.map((member) => [
    member.name,
    formatRole(member),
    formatLink(member.link),
    member.lagEntries === null ? "-" : String(member.lagEntries),
    member.silentMs === null ? "-" : formatAge(member.silentMs),
    member.nodeId,
    member.replaces ?? "-",
  ]);
  return formatTable(["MEMBER", "ROLE", "LINK", "LAG", "SILENT", "IDENTITY", "REPLACES"], rows);
}

function formatRole({ role, becomes }: MemberView): string {
  if (role === "leader") return style.green(role);
  return role === "learner" && becomes === "voter" ? `${role} -> ${becomes}` : role;
}
