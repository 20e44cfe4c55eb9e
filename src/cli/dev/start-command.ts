/** What starts one node as a child of a local federation. */

import { extname } from "node:path";
import { fileURLToPath } from "node:url";

/** This program again, from source or built, with the command of one node. */
export function startCommand(): [program: string, ...args: string[]] {
  const main = fileURLToPath(new URL(`../main${extname(import.meta.filename)}`, import.meta.url));
  return [process.execPath, main, "start"];
}
