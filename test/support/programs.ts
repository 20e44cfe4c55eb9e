/**
 * Programs of others that a test runs: a package of the system has them, and a machine without it skips the test and says so.
 */

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** Where system packages put daemons, which the search path of an ordinary user leaves out. */
const DAEMON_FOLDERS = ["/usr/sbin", "/usr/local/sbin", "/sbin"];

/** The path of a program, or undefined when this machine does not have it. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? "").split(delimiter), ...DAEMON_FOLDERS];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** For a test's options: skipped, with the reason, where the program is missing. */
export function needs(name: string, debianPackage: string): { readonly skip: string | false } {
  const isHere = findProgram(name) !== undefined;
  return { skip: isHere ? false : `there is no ${name} here; Debian has it in ${debianPackage}` };
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
