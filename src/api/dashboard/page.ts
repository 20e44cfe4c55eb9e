/**
 * The dashboard: one page, its scripts and its styles, as they lie in `page/`. Nothing is built, and nothing is fetched
 * from elsewhere.
 *
 * `GET /` is also the MCP Mesh registry's (contract B): who asks for HTML, as browsers do, gets the page; everybody else
 * what the contract says.
 */

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import type { FastifyReply } from "fastify";
import type { Face } from "../modules.ts";
import type { ClusterView } from "../ports.ts";
import { nodeOrigins } from "./origins.ts";

const FOLDER = join(import.meta.dirname, "page");
const PAGE = "index.html";
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};

interface Asset {
  readonly type: string;
  readonly bytes: Buffer;
  readonly etag: string;
}

/** Read once, by file name: a request names one of them or nothing. */
const assets = new Map<string, Asset>(
  readdirSync(FOLDER).flatMap((name) => {
    const type = TYPES[extname(name)];
    if (type === undefined) return [];
    const bytes = readFileSync(join(FOLDER, name));
    const digest = createHash("sha256").update(bytes).digest("base64url");
    return [[name, { type, bytes, etag: `"${digest}"` }]];
  }),
);

/** Serves what the page is made of; the page itself is sent by the route of `/`. */
export const dashboardFiles: Face = async (app) => {
  for (const [name, asset] of assets) {
    if (name === PAGE) continue;
    app.get(`/dashboard/${name}`, { schema: { hide: true } }, async (request, reply) => {
      hardened(reply).header("cache-control", "no-cache").header("etag", asset.etag);
      if (request.headers["if-none-match"] === asset.etag) return reply.code(304).send();
      return reply.type(asset.type).send(asset.bytes);
    });
  }
};

/** Whether whoever asks wants to look at it, and not to read it by program: a browser that navigates names HTML. */
export function asksForPage(accept: string | undefined): boolean {
  return accept?.split(",").some((range) => range.trim().startsWith("text/html")) ?? false;
}

export function sendPage(reply: FastifyReply, view: ClusterView): FastifyReply {
  const { type, bytes } = assets.get(PAGE)!;
  return hardened(reply)
    .header("content-security-policy", contentSecurityPolicy(nodeOrigins(view)))
    .header("cross-origin-opener-policy", "same-origin")
    .header("cache-control", "no-store")
    .header("vary", "Accept")
    .type(type)
    .send(bytes);
}

/**
 * What the page may do. Scripts and styles are files of this node; text of agents can not become markup, even by a mistake
 * of ours, since no part of the page may make any (`trusted-types`).
 *
 * @param origins - nodes that it may read beside this one
 */
function contentSecurityPolicy(origins: readonly string[]): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    `connect-src ${["'self'", ...origins].join(" ")}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join("; ");
}

function hardened(reply: FastifyReply): FastifyReply {
  return reply
    .header("x-content-type-options", "nosniff")
    .header("referrer-policy", "no-referrer")
    .header("cross-origin-resource-policy", "same-origin");
}
