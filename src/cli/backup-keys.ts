/** The keys that may have sealed a backup, for commands that are told nothing else of a federation. */

import { splitSecrets } from "../config/secrets.ts";

/** Those of `ENCRYPTION_KEY`; none when it is not set. */
export function sharedKeysFromEnvironment(): readonly Uint8Array[] {
  return keysOf(process.env.ENCRYPTION_KEY);
}

/** @param text - the shared key, or several separated by commas */
export function keysOf(text: string | undefined): readonly Uint8Array[] {
  return splitSecrets(text).map((key) => Buffer.from(key, "utf8"));
}
