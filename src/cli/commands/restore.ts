/** `atoll restore FILE --as-new-region`: founds a region with the records of a backup. */

import type { LoadedConfig } from "../../config/load.ts";
import { splitKeys } from "../../config/secrets.ts";
import { type RestoredRegion, restoreRegion } from "../../node/restore.ts";
import type { BackupHeader } from "../../types/backup.ts";
import { createLogger } from "../../util/logger.ts";
import { CommandError } from "../errors.ts";
import { type Output, printJson } from "../output.ts";
import { describeBackup, showBar } from "./backup-progress.ts";
import { type ClientOptions, connect } from "./client-options.ts";

export interface RestoreFlags extends Omit<ClientOptions, "url"> {
  readonly asNewRegion: boolean;
  readonly rename: boolean;
  readonly unsealed: boolean;
  /** A node of the federation. */
  readonly url?: string;
}

/** @throws CommandError NOT_CONFIRMED, REGION_ALIVE; see `restoreRegion` for the rest */
export async function restore(
  file: string,
  { config }: LoadedConfig,
  flags: RestoreFlags,
  output: Output,
): Promise<void> {
  const { asNewRegion, rename, unsealed, url, json } = flags;
  const { dataDir, federation, region, name } = config.node;
  if (url !== undefined) await refuseAlive({ ...flags, url }, region);
  let header: BackupHeader | undefined;
  const bar = showBar(output, `restoring ${file}`);
  try {
    const restored = await restoreRegion(
      {
        file,
        node: { dataDir, federation, region, name },
        sharedKeys: splitKeys(config.network.encryptionKey),
        isRenamed: rename,
        mayBeUnsealed: unsealed,
        logger: createLogger("error", {}),
        onProgress: (progress) => bar.update(progress),
      },
      (found) => {
        header = found;
        return asNewRegion;
      },
    );
    bar.end();
    if (restored === null) {
      if (json) printJson(output, { header, restored: null });
      else if (header !== undefined) output.print(describePlan(header, config.node));
      throw new CommandError("NOT_CONFIRMED", NOT_CONFIRMED);
    }
    if (json) return printJson(output, { header, totals: restored.totals, restored: placeOf(restored, config.node) });
    output.print(describeRestored(restored, config.node));
  } finally {
    bar.end();
  }
}

type Place = LoadedConfig["config"]["node"];

/** An operator who can reach the federation need not guess. */
async function refuseAlive(node: ClientOptions, region: string): Promise<void> {
  const known = (await connect(node).regions()).find((each) => each.region === region);
  if (known === undefined || known.link === "away") return;
  const message =
    `a region named ${region} lives: ${node.url} has a link to it. Nothing is restored over a live region. Found the new one under ` +
    "another name (--region NAME --rename), or stop and retire that one first";
  throw new CommandError("REGION_ALIVE", message);
}

function placeOf({ cluster, revision }: RestoredRegion, { region, name, dataDir }: Place) {
  return { region, cluster, node: name, dataDir, revision };
}

function describePlan(header: BackupHeader, { region, name, dataDir }: Place): string {
  return [
    `a backup of region ${header.region} of federation ${header.federation}, cluster ${header.cluster}, at revision ${header.revision},`,
    `taken ${new Date(header.takenAtMs).toISOString()}, would found a NEW region named ${region}, in ${dataDir},`,
    `with ${name} as its only node.`,
  ].join("\n");
}

function describeRestored(restored: RestoredRegion, place: Place): string {
  const { region, name, dataDir } = place;
  return [
    describeBackup(restored),
    "",
    `RESTORED AS A NEW REGION: ${region}, cluster ${restored.cluster}, in ${dataDir}, with ${name} as its only node.`,
    AFTERWARDS,
  ].join("\n");
}

const NOT_CONFIRMED = `nothing was changed. Before you repeat this with --as-new-region:
  - What was acknowledged after the backup is not in it, and what was removed since comes back.
  - The old region must be gone for good, or the new one have another name: both would serve the same agents.
  - If a majority of its voters still have their disks, start them instead. If one has, see "atoll recover".`;

const AFTERWARDS = `Start it, with these options. It leads alone; then:
  - Start the other nodes with empty data folders; they ask to join, and "atoll members add NAME" takes them in.
  - Point the agents at it. Those that are in the backup go on renewing; the others are told to register again.
  - Revoke again the tokens that were revoked after the backup.
  - Other regions do not believe it under the name of the old one until each was told "atoll regions retire NAME".`;
