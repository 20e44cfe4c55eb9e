/** `atoll tokens`: who may ask a region for what. */

import { writeFileSync } from "node:fs";
import { messageOf } from "../../util/errors.ts";
import type { TokenView } from "../api-client.ts";
import { CommandError } from "../errors.ts";
import { formatTable, type Output, printJson, style } from "../output.ts";
import { type ClientOptions, connect } from "./client-options.ts";

export interface CreateTokenOptions extends ClientOptions {
  readonly role: string;
  /** Separated by commas. */
  readonly namespaces?: string;
  readonly description?: string;
  /** From now, in milliseconds. */
  readonly expires?: number;
  /** A file that gets the token, in place of the terminal. */
  readonly output?: string;
}

const OWNER_ONLY = 0o600;

export async function listTokens(options: ClientOptions, output: Output): Promise<void> {
  const tokens = await connect(options).tokens();
  if (options.json) return printJson(output, { tokens });
  const now = Date.now();
  const rows = tokens.map((token) => [
    token.id,
    token.role,
    token.namespaces?.join(", ") ?? "all",
    stateOf(token, now),
    token.createdBy,
    token.description || "-",
  ]);
  output.print(formatTable(["TOKEN", "ROLE", "NAMESPACES", "STATE", "MADE BY", "DESCRIPTION"], rows));
}

export async function createToken(options: CreateTokenOptions, output: Output): Promise<void> {
  const { role, namespaces, description, expires, output: file, json } = options;
  const made = await connect(options).createToken({
    role,
    ...(namespaces !== undefined && { namespaces: namespaces.split(",").map((name) => name.trim()) }),
    ...(description !== undefined && { description }),
    ...(expires !== undefined && { expiresInMs: expires }),
  });
  if (file === undefined) {
    if (json) return printJson(output, made);
    output.print(made.token);
    output.note(
      `${made.id} is a token of the role ${made.role}. It is not shown again; "atoll tokens revoke ${made.id}" ends it.`,
    );
    return;
  }
  write(file, made.token, made.id);
  const { token: _, ...shown } = made;
  if (json) return printJson(output, { ...shown, file });
  output.print(`${made.id} is a token of the role ${made.role}, and lies in ${file}.`);
}

export async function revokeToken(id: string, options: ClientOptions, output: Output): Promise<void> {
  const revoked = await connect(options).revokeToken(id);
  if (options.json) return printJson(output, revoked);
  output.print(`${revoked.id} is revoked: every node of the region serves it no more from when it hears of it.`);
}

function write(file: string, token: string, id: string): void {
  try {
    writeFileSync(file, `${token}\n`, { mode: OWNER_ONLY, flag: "wx" });
  } catch (error) {
    const message = `--output: ${file} can not be written (${messageOf(error)}). The token was made: revoke it with "atoll tokens revoke ${id}"`;
    throw new CommandError("FILE_NOT_WRITTEN", message, { cause: error });
  }
}

function stateOf({ expiresAtMs, revokedAtMs }: TokenView, now: number): string {
  if (revokedAtMs !== null) return style.red("revoked");
  if (expiresAtMs === null) return style.green("valid");
  if (expiresAtMs <= now) return style.red("expired");
  return style.green(`valid until ${new Date(expiresAtMs).toISOString()}`);
}
