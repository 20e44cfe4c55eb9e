/** What every command that asks a running node takes. */

import { readFileSync } from "node:fs";
import { messageOf } from "../../util/errors.ts";
import { ApiClient } from "../api-client.ts";
import { CommandError } from "../errors.ts";
import type { TlsClientOptions } from "../tls-fetch.ts";

export interface ClientOptions {
  /** The node to ask. */
  readonly url: string;
  readonly json: boolean;
  /** What the command proves itself with; `tokenFile` holds one, so that it is on no command line. */
  readonly token?: string;
  readonly tokenFile?: string;
  /** PEM files: the authorities to trust, and what to prove oneself with. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export const URL_DEFAULT = "http://127.0.0.1:8000";

/** Of a command that changes the region: longer than a node waits for a leader and then for the write. */
export const CHANGE_TIMEOUT_MS = 30_000;

/** @throws CommandError INVALID_URL, FILE_UNREADABLE */
export function connect(options: ClientOptions, more: { readonly timeoutMs?: number } = {}): ApiClient {
  const token = tokenOf(options);
  const tls = tlsOf(options);
  return new ApiClient(options.url, { ...more, ...(token !== undefined && { token }), ...(tls && { tls }) });
}

function tlsOf({ ca, cert, key }: ClientOptions): TlsClientOptions | undefined {
  if (ca === undefined && cert === undefined && key === undefined) return undefined;
  return {
    ...(ca !== undefined && { ca: read("--ca", ca) }),
    ...(cert !== undefined && { cert: read("--cert", cert) }),
    ...(key !== undefined && { key: read("--key", key) }),
  };
}

/** @throws CommandError FILE_UNREADABLE */
export function tokenOf({ token, tokenFile }: Pick<ClientOptions, "token" | "tokenFile">): string | undefined {
  return token !== undefined || tokenFile === undefined ? token : read("--token-file", tokenFile).trim();
}

function read(flag: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    const message = `${flag}: ${file} can not be read: ${messageOf(error)}`;
    throw new CommandError("FILE_UNREADABLE", message, { cause: error });
  }
}
