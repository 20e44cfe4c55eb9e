/** Secrets that may come as several, the old beside the new while they are replaced: text separated by commas. */

import { splitList } from "../util/split-list.ts";

/** The secrets in the text of an option, in order; empty when it is not set. */
export function splitSecrets(text: string | undefined): string[] {
  return splitList(text ?? "");
}

/** The same as keys: the bytes of each. */
export function splitKeys(text: string | undefined): Uint8Array[] {
  return splitSecrets(text).map((key) => Buffer.from(key, "utf8"));
}
