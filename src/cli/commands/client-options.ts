/** What every command that asks a running node takes. */

import { readFileSync } from "node:fs";
import { messageOf } from "../../util/errors.ts";
import { ApiClient } from "../api-client.ts";
import { CommandError } from "../errors.ts";

export interface ClientOptions {
  /** The node to ask. */
  readonly url: string;
  readonly json: boolean;
  /** What the command proves itself with; `tokenFile` holds one, so that it is on no command line. */
  readonly token?: string;
  readonly tokenFile?: string;
}

export const URL_DEFAULT = "http://127.0.0.1:8000";

/** @throws CommandError INVALID_URL, TOKEN_UNREADABLE */
export function connect(options: ClientOptions, more: { readonly timeoutMs?: number } = {}): ApiClient {
  const token = tokenOf(options);
  return new ApiClient(options.url, { ...more, ...(token !== undefined && { token }) });
}

/** @throws CommandError TOKEN_UNREADABLE */
export function tokenOf({ token, tokenFile }: Pick<ClientOptions, "token" | "tokenFile">): string | undefined {
  if (token !== undefined || tokenFile === undefined) return token;
  try {
    return readFileSync(tokenFile, "utf8").trim();
  } catch (error) {
    const message = `--token-file: ${tokenFile} can not be read: ${messageOf(error)}`;
    throw new CommandError("TOKEN_UNREADABLE", message, { cause: error });
  }
}
