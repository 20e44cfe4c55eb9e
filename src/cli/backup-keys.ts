/** The keys that may have sealed a backup, for commands that are told nothing else of a federation. */

import { splitKeys } from "../config/secrets.ts";

/** Those of `ENCRYPTION_KEY`; none when it is not set. */
export function sharedKeysFromEnvironment(): readonly Uint8Array[] {
  return splitKeys(process.env.ENCRYPTION_KEY);
}
