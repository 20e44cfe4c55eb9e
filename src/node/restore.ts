/**
 * Founds a new region with the records of a backup, offline, in the data folder of a node that is to be its first one.
 *
 * It is another cluster than the one that was backed up, whatever its name: no node of that one can talk to it (F17), and no
 * other region takes it for that one, until operators there say so (`federation/region-trust.ts`). What comes with the
 * records are the leases: an agent that goes on renewing is this region's from then on. All of them begin anew when
 * the node starts.
 *
 * The store is made beside its place and moved there when it is whole and proved, so that a node finds all of it or nothing.
 */

import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { nodeIdOf } from "../network/libp2p-host.ts";
import { clusterOf, type Statement, writeStatement } from "../raft/founding-statement.ts";
import { RegistryStateMachine } from "../registry/registry-state-machine.ts";
import { type BackupPart, identityOf, readBackup } from "../storage/backup-format.ts";
import { makeFolder, syncFolder } from "../storage/folder.ts";
import { type StateRecord, StorageError } from "../storage/interface.ts";
import { LevelStore } from "../storage/level-store.ts";
import { NodeFactsStore } from "../storage/node-facts.ts";
import { RaftStore } from "../storage/raft-store.ts";
import { stateSeed, unseal } from "../storage/records.ts";
import type { BackupHeader, BackupTotals } from "../types/backup.ts";
import { asNodeName, asRegionId, type ClusterId, type RegionId } from "../types/ids.ts";
import { foundingMembership, type Member } from "../types/membership.ts";
import { AtollError, invariant, messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import { type BackupProgress, backupBytes } from "./backup-file.ts";
import { isBackedUp } from "./backups.ts";
import { nodeKey } from "./node-key.ts";

/** Nothing was changed. */
export class RestoreError extends AtollError<
  | { readonly code: "FOLDER_NOT_EMPTY"; readonly dataDir: string; readonly found: string }
  | { readonly code: "BACKUP_OTHER_FEDERATION" | "BACKUP_OTHER_REGION"; readonly backup: string; readonly node: string }
  | { readonly code: "BACKUP_UNSEALED" }
  /** It is whole, and holds records that no version of ours wrote. */
  | { readonly code: "BACKUP_UNUSABLE"; readonly what: string }
> {}

export interface RestoreOptions {
  readonly file: string;
  /** Of the first node of the new region, as it will be started. */
  readonly node: {
    readonly dataDir: string;
    readonly federation: string;
    readonly region: string;
    readonly name: string;
  };
  /** The federation's; empty when there is none. */
  readonly sharedKeys: readonly Uint8Array[];
  /** The new region is to have another name than the one that was backed up. */
  readonly isRenamed: boolean;
  /** Taken although nobody can say who made it. */
  readonly mayBeUnsealed: boolean;
  readonly logger: Logger;
  readonly onProgress?: (progress: BackupProgress) => void;
}

export interface RestoredRegion {
  readonly header: BackupHeader;
  readonly totals: BackupTotals;
  /** The new cluster id. */
  readonly cluster: ClusterId;
  /** Where the new region's log begins. */
  readonly revision: number;
}

/**
 * Revisions that the new region skips. The old one may have gone on after the backup, and named leases with its revisions: with
 * these left out, no lease of the new region has the name of one that an agent got from the old one (P10, F21). A quarter
 * of a billion commands; the numbers last for some thirty restores of restores.
 */
export const REVISION_GAP = 2 ** 28;

const PLACE = "store";
const WORKPLACE = "store.restoring";

/**
 * @param confirm - shown what the backup says of itself; false ends it, and nothing is changed
 * @returns null when it was not confirmed
 * @throws RestoreError; BackupError, BackupFileError BACKUP_UNREADABLE: nothing is left; StorageError STORE_LOCKED: another restore
 *   is under way there; STORE_UNAVAILABLE, WRITE_FAILED
 */
export async function restoreRegion(
  options: RestoreOptions,
  confirm: (header: BackupHeader) => boolean,
): Promise<RestoredRegion | null> {
  const { file, node, sharedKeys, logger } = options;
  await refuseUnlessEmpty(node.dataDir);
  const parts = readBackup(backupBytes(file), sharedKeys);
  try {
    const first = await parts.next();
    invariant(!first.done && first.value.type === "header", "a backup begins with its header");
    const { header } = first.value;
    refuseUnlessMeant(header, options);
    if (!confirm(header)) return null;
    const workplace = join(node.dataDir, WORKPLACE);
    await makeFolder(node.dataDir);
    await removeLeftover(workplace, logger);
    try {
      const restored = await build(workplace, header, parts, options);
      await rename(workplace, join(node.dataDir, PLACE));
      await syncFolder(node.dataDir);
      return restored;
    } catch (error) {
      await rm(workplace, { recursive: true, force: true });
      throw error;
    }
  } finally {
    await parts.return();
  }
}

/** Makes the store of the new region's first node. */
async function build(
  path: string,
  header: BackupHeader,
  parts: AsyncIterable<BackupPart>,
  options: RestoreOptions,
): Promise<RestoredRegion> {
  const { federation, region, name } = options.node;
  const store = await LevelStore.open(path, options.logger);
  try {
    const facts = new NodeFactsStore(store);
    const self: Member = { id: nodeIdOf(await nodeKey(facts)), name: asNodeName(name) };
    const statement: Statement = {
      stage: "founded",
      federation,
      region,
      names: [name],
      self,
      members: [self],
      cluster: null,
    };
    const cluster = clusterOf(statement);
    const revision = header.revision + REVISION_GAP;
    const records = new RestoredRecords(header, parts, options);
    const origin = { cluster, membership: foundingMembership([self]), at: { index: revision, term: header.term } };
    await new RaftStore(store, options.logger).foundWith(origin, records.pages());
    await writeStatement(facts, statement);
    await rehearseStart(new RaftStore(store, options.logger), asRegionId(region));
    return { header, totals: records.totals, cluster, revision };
  } finally {
    await store.close();
  }
}

/**
 * Does what the node will do when it starts: proves the store, and reads every record.
 *
 * @throws StorageError CORRUPT; RestoreError BACKUP_UNUSABLE
 */
async function rehearseStart(storage: RaftStore, region: RegionId): Promise<void> {
  await storage.load();
  try {
    await new RegistryStateMachine(region).restore(storage.readState());
  } catch (error) {
    if (error instanceof StorageError) throw error;
    const what = messageOf(error);
    const message = `the backup is whole, and holds records that no version of atoll wrote (${what}): nothing was restored`;
    throw new RestoreError(message, { code: "BACKUP_UNUSABLE", what }, { cause: error });
  }
}

/** The records of a backup, taken out of the seals that bind them to the cluster they were in. */
class RestoredRecords {
  readonly #header: BackupHeader;
  readonly #parts: AsyncIterable<BackupPart>;
  readonly #options: RestoreOptions;
  #totals: BackupTotals | undefined;

  constructor(header: BackupHeader, parts: AsyncIterable<BackupPart>, options: RestoreOptions) {
    this.#header = header;
    this.#parts = parts;
    this.#options = options;
  }

  /** Known once all pages were read. */
  get totals(): BackupTotals {
    invariant(this.#totals !== undefined, "a backup is used once it was read to its end");
    return this.#totals;
  }

  async *pages(): AsyncGenerator<readonly StateRecord[], void, undefined> {
    const { cluster, revision, term } = this.#header;
    const seedOf = stateSeed(identityOf(cluster, revision, term).cluster);
    const { sharedKeys, mayBeUnsealed, onProgress } = this.#options;
    let count = 0;
    for await (const part of this.#parts) {
      if (part.type === "end") {
        if (part.totals.seal === "none" && sharedKeys.length > 0 && !mayBeUnsealed) throw unsealed();
        this.#totals = part.totals;
      } else if (part.type === "records") {
        count += part.records.length;
        onProgress?.({ header: this.#header, records: count, bytes: part.offset });
        yield part.records
          .filter(([key]) => isBackedUp(key))
          .map(([key, sealed]): StateRecord => [key, unseal(sealed, seedOf(key), `state record "${key}"`)]);
      }
    }
  }
}

async function refuseUnlessEmpty(dataDir: string): Promise<void> {
  const found = await readdir(dataDir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw new StorageError(`${dataDir} can not be read: ${error.message}`, {
      code: "STORE_UNAVAILABLE",
      path: dataDir,
      reason: error.message,
    });
  });
  const other = found.find((name) => name !== WORKPLACE);
  if (other === undefined) return;
  const message =
    `${dataDir} is not empty: it holds ${other}. A backup is restored into an empty folder only, never over a region, ` +
    "be it running or not. Name another folder (--data-dir), or move that one away";
  throw new RestoreError(message, { code: "FOLDER_NOT_EMPTY", dataDir, found: other });
}

function refuseUnlessMeant({ federation, region }: BackupHeader, { node, isRenamed }: RestoreOptions): void {
  if (federation !== node.federation) {
    const message =
      `the backup is of federation ${federation}, this node is configured for ${node.federation}. Records do not move ` +
      "between federations: correct node.federation, or take the right file";
    throw new RestoreError(message, { code: "BACKUP_OTHER_FEDERATION", backup: federation, node: node.federation });
  }
  if (region !== node.region && !isRenamed) {
    const message =
      `the backup is of region ${region}, this node is configured for ${node.region}. Correct node.region, or say ` +
      `--rename to found a region named ${node.region} with the records of ${region}`;
    throw new RestoreError(message, { code: "BACKUP_OTHER_REGION", backup: region, node: node.region });
  }
}

/** What a restore left behind that was killed, unless it is still under way. */
async function removeLeftover(path: string, logger: Logger): Promise<void> {
  try {
    const store = await LevelStore.open(path, logger);
    await store.close();
  } catch (error) {
    if (error instanceof StorageError && error.detail.code === "STORE_LOCKED") throw error;
  }
  await rm(path, { recursive: true, force: true });
}

function unsealed(): RestoreError {
  const message =
    "the backup has no seal: it is of a region without a shared key, or somebody took it off. If you know where it comes " +
    "from, say --unsealed";
  return new RestoreError(message, { code: "BACKUP_UNSEALED" });
}
