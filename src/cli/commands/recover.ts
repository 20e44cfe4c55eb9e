/** `atoll recover`: makes one survivor the only voter of its region, when the majority is lost for good. */

import { recoverRegion, type Survivor } from "../../node/recovery.ts";
import { createLogger } from "../../util/logger.ts";
import { CommandError } from "../errors.ts";
import { type Output, printJson } from "../output.ts";

export interface RecoverOptions {
  readonly dataDir: string;
  readonly yes: boolean;
  readonly json: boolean;
}

/** @throws CommandError NOT_CONFIRMED; see `recoverRegion` for the rest */
export async function recover({ dataDir, yes, json }: RecoverOptions, output: Output): Promise<void> {
  let survivor: Survivor | undefined;
  const cluster = await recoverRegion(dataDir, createLogger("error", {}), (found) => {
    survivor = found;
    if (!json) output.print(describe(found));
    return yes;
  });
  if (json) printJson(output, { ...survivor, recovered: cluster });
  if (cluster === null) throw new CommandError("NOT_CONFIRMED", NOT_CONFIRMED);
  if (!json) output.print(DONE);
}

function describe({ self, region, role, membership, lastTerm, lastIndex, commitIndex }: Survivor): string {
  const names = (members: readonly { readonly name: string }[]) => members.map(({ name }) => name).join(", ") || "none";
  return [
    `${self.name} (${self.id}), a ${role} of region ${region}`,
    `voters ${names(membership.voters)}; learners ${names(membership.learners)}`,
    `the log ends at term ${lastTerm}, entry ${lastIndex}; known to be committed: ${commitIndex}`,
  ].join("\n");
}

const NOT_CONFIRMED = `nothing was changed. Before you repeat this with --yes:
  - A majority of the voters must be lost for good. If their disks are whole, start them instead.
  - Stop every other node of the region. None of them can come back with its data.
  - Recover one survivor only: the one whose log ends with the highest term, and of those with the highest entry.
  - What only the lost voters had acknowledged is lost.`;

const DONE = `recovered: this node is the only voter of its region now. Start it, and then start the others with empty data
folders; they ask to join, and are taken in with "atoll members add NAME".`;
