/**
 * The data folder of a local federation: what it was made as, the shared key, one folder and one log per node.
 *
 * A folder is only ever emptied when a file of ours says that it is such a folder.
 */

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { messageOf } from "../../util/errors.ts";
import { CommandError } from "../errors.ts";
import type { DevOptions } from "./options.ts";

const MARKER = "federation.json";
const KEY_BYTES = 32;

interface Marker {
  readonly regions: string;
  readonly httpBase: number;
  readonly encryptionKey: string;
}

/**
 * Makes the folder, or opens one made before with the same regions and ports: its nodes know each other by them.
 *
 * @returns the key that the federation's nodes share; kept in a file that only its owner can read
 * @throws CommandError DATA_FOLDER_UNUSABLE saying what to do
 */
export function openDataFolder({ dataDir, isFresh, regions, httpBase }: DevOptions): { encryptionKey: string } {
  const wanted = { regions: regions.map(({ region, nodes }) => `${region}:${nodes}`).join(","), httpBase };
  try {
    const existing = readMarker(dataDir);
    if (isFresh) emptyFolder(dataDir, existing !== undefined);
    else if (existing !== undefined) return reuse(existing, wanted, dataDir);
    mkdirSync(dataDir, { recursive: true });
    const marker: Marker = { ...wanted, encryptionKey: randomBytes(KEY_BYTES).toString("hex") };
    writeFileSync(join(dataDir, MARKER), `${JSON.stringify(marker, null, 2)}\n`, { mode: 0o600 });
    return marker;
  } catch (error) {
    if (error instanceof CommandError) throw error;
    throw unusable(`${dataDir} can not be used: ${messageOf(error)}. Choose another folder with --data`, error);
  }
}

function reuse(existing: Marker, wanted: Omit<Marker, "encryptionKey">, dataDir: string): Marker {
  if (existing.regions === wanted.regions && existing.httpBase === wanted.httpBase) return existing;
  throw unusable(
    `${dataDir} holds a federation of --regions ${existing.regions} --http-base ${existing.httpBase}. ` +
      "Start it with these, choose another folder with --data, or begin anew with --fresh",
  );
}

function readMarker(dataDir: string): Marker | undefined {
  const path = join(dataDir, MARKER);
  if (!existsSync(path)) return undefined;
  const marker: Partial<Marker> = JSON.parse(readFileSync(path, "utf8"));
  if (typeof marker.encryptionKey !== "string") throw new Error(`${path} has no encryptionKey`);
  return { regions: "", httpBase: 0, ...marker, encryptionKey: marker.encryptionKey };
}

function emptyFolder(dataDir: string, isOurs: boolean): void {
  if (!existsSync(dataDir)) return;
  if (!isOurs && readdirSync(dataDir).length > 0) {
    throw unusable(
      `${dataDir} is not empty and was not made by atoll dev. Empty it yourself, or choose another with --data`,
    );
  }
  rmSync(dataDir, { recursive: true, force: true });
}

function unusable(message: string, cause?: unknown): CommandError {
  return new CommandError("DATA_FOLDER_UNUSABLE", message, cause === undefined ? {} : { cause });
}
