/** `atoll audit`: who changed what through a node, or was refused by it. */

import { formatTable, type Output, printJson } from "../output.ts";
import { type ClientOptions, connect } from "./client-options.ts";

export interface AuditOptions extends ClientOptions {
  readonly refusals: boolean;
  readonly limit: number;
  readonly before?: number;
}

export async function audit(options: AuditOptions, output: Output): Promise<void> {
  const { refusals, limit, before, json } = options;
  const found = await connect(options).audit({ kind: refusals ? "refusal" : "change", limit, before });
  if (json) return printJson(output, found);
  const rows = found.entries.map(({ sequence, at, caller, address, method, path, status, code, what, revision }) => [
    String(sequence),
    at,
    caller,
    address,
    `${method} ${path}`,
    [status, code, what].filter((part) => part !== undefined).join(" "),
    String(revision),
  ]);
  output.print(formatTable(["#", "AT", "WHO", "FROM", "ASKED", "ANSWER", "REVISION"], rows));
  output.note(`Of ${found.node} alone: each node keeps what was asked of it.`);
}
