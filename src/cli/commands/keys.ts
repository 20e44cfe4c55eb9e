/**
 * `atoll keys`: everything that nodes, agents and operators prove themselves with, in one folder that its owner alone reads.
 *
 * Nothing is overwritten: what is there may be in use. What is printed holds no secret.
 */

import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { generateToken } from "../../security/token.ts";
import { ROLES } from "../../types/token.ts";
import { messageOf } from "../../util/errors.ts";
import { splitList } from "../../util/split-list.ts";
import { createAuthority, type IssuedCertificate, issueForClient, issueForNode } from "../certificates.ts";
import { CommandError } from "../errors.ts";
import { formatTable, type Output, printJson } from "../output.ts";

export interface KeysOptions {
  readonly dir: string;
  /** Names and addresses that clients reach nodes by, separated by commas. */
  readonly hosts: string;
  /** Entities that get a client certificate, separated by commas. */
  readonly clients: string;
  readonly days: number;
  readonly json: boolean;
}

interface MadeFile {
  readonly file: string;
  readonly purpose: string;
}

const KEY_BYTES = 32;
const OWNER_ONLY = { file: 0o600, folder: 0o700 };
const DAY_MS = 86_400_000;
const AUTHORITY_YEARS = 10;
const SKEW_MS = 60_000;
const ENTITY = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;

/** @throws CommandError FILE_NOT_WRITTEN, also when a file is there already; INVALID_ENTITY */
export async function keys(options: KeysOptions, output: Output): Promise<void> {
  const folder = new KeyFolder(options.dir);
  folder.write(
    "encryption.key",
    randomBytes(KEY_BYTES).toString("hex"),
    "ENCRYPTION_KEY of all nodes of the federation",
  );
  writeTokens(folder);
  await writeCertificates(folder, options);
  if (options.json) return printJson(output, { dir: options.dir, files: folder.files });
  output.print(
    formatTable(
      ["FILE", "FOR"],
      folder.files.map(({ file, purpose }) => [file, purpose]),
    ),
  );
  output.print(nextSteps(options.dir));
}

function writeTokens(folder: KeyFolder): void {
  const kept = [...ROLES].reverse().map((role) => {
    const { id, token, sha256 } = generateToken();
    folder.write(`${role}.token`, token, `a token of the role ${role} (${id}): --token-file, ATOLL_TOKEN`);
    return { id, sha256, role };
  });
  folder.write("tokens.yaml", stringify({ tokens: kept }), "ATOLL_TOKENS of the nodes: hashes of these, no secrets");
}

async function writeCertificates(folder: KeyFolder, { hosts, clients, days }: KeysOptions): Promise<void> {
  const notBefore = new Date(Date.now() - SKEW_MS);
  const until = (lastsMs: number) => ({ notBefore, notAfter: new Date(notBefore.getTime() + lastsMs) });
  const authority = await createAuthority("Atoll authority", until(AUTHORITY_YEARS * 365 * DAY_MS));
  folder.write(
    "ca.pem",
    authority.certificate,
    "MCP_MESH_TLS_CA of nodes, and what clients trust (--ca, NODE_EXTRA_CA_CERTS)",
  );
  folder.write("ca.key", authority.key, "the authority's key: keep it off the nodes");
  const node = await issueForNode(authority, splitList(hosts), until(days * DAY_MS));
  folder.writePair(
    "node",
    node,
    `MCP_MESH_TLS_CERT and MCP_MESH_TLS_KEY of nodes reached as ${splitList(hosts).join(", ")}`,
  );
  for (const name of splitList(clients)) {
    if (!ENTITY.test(name) || name === "node" || name === "ca") {
      throw new CommandError(
        "INVALID_ENTITY",
        `${name} can not be the name of an entity: take letters, digits, dots and hyphens`,
      );
    }
    folder.writePair(
      name,
      await issueForClient(authority, name, until(days * DAY_MS)),
      `proves to be the entity ${name}`,
    );
  }
}

/** A folder of files that are written once. */
class KeyFolder {
  readonly files: MadeFile[] = [];
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
    this.#try(dir, () => mkdirSync(dir, { recursive: true, mode: OWNER_ONLY.folder }));
  }

  write(name: string, content: string, purpose: string): void {
    const file = join(this.#dir, name);
    const text = content.endsWith("\n") ? content : `${content}\n`;
    this.#try(file, () => writeFileSync(file, text, { mode: OWNER_ONLY.file, flag: "wx" }));
    this.files.push({ file, purpose });
  }

  writePair(name: string, { certificate, key }: IssuedCertificate, purpose: string): void {
    this.write(`${name}.pem`, certificate, purpose);
    this.write(`${name}.key`, key, "the key of the one before");
  }

  #try(path: string, run: () => void): void {
    try {
      run();
    } catch (error) {
      const message =
        (error as { code?: string }).code === "EEXIST"
          ? `${path} is there already, and may be in use: name an empty folder with --dir`
          : `${path} can not be written: ${messageOf(error)}`;
      throw new CommandError("FILE_NOT_WRITTEN", message, { cause: error });
    }
  }
}

function nextSteps(dir: string): string {
  const at = (name: string) => join(dir, name);
  return `
Give every node of the federation:
  ENCRYPTION_KEY=$(cat ${at("encryption.key")})
and every node of the region, so that nobody is served without a token and all of it by https:
  ATOLL_TOKENS=${at("tokens.yaml")}
  MCP_MESH_TLS_MODE=auto MCP_MESH_TLS_CERT=${at("node.pem")} MCP_MESH_TLS_KEY=${at("node.key")} MCP_MESH_TLS_CA=${at("ca.pem")}
Then ask a node:
  atoll status --url https://HOST:8000 --ca ${at("ca.pem")} --token-file ${at("operator.token")}
Agents get agent.token, as a bearer token or in their address: https://any:TOKEN@HOST:8000.
Keep ca.key and operator.token elsewhere.`;
}
