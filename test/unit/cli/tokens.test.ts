import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { TokenView } from "../../../src/cli/api-client.ts";
import { type Ran, runCommand } from "../../support/run-command.ts";

const TOKEN: TokenView = {
  id: "0a1b2c",
  role: "agent",
  namespaces: ["payments"],
  description: "of payments",
  createdBy: "auth-token",
  createdAtMs: 1,
  expiresAtMs: null,
  revokedAtMs: null,
};

let server: Server;
let url: string;
let dir: string;
let asked: string[];
let answer: { status: number; body: unknown };
beforeEach(async () => {
  asked = [];
  dir = mkdtempSync(join(tmpdir(), "atoll-cli-tokens-"));
  server = createServer(async (request, response) => {
    const body = (await request.toArray()).map(String).join("");
    asked.push([request.method, request.url, request.headers.authorization ?? "no token", body].join(" ").trim());
    response.writeHead(answer.status).end(JSON.stringify(answer.body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
});
afterEach(() => {
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

const tokens = (...argv: string[]): Promise<Ran> => runCommand("tokens", ...argv, "--url", url);

describe("atoll tokens", () => {
  it("makes one, with what it is limited to, and shows it once", async () => {
    answer = { status: 201, body: { ...TOKEN, token: "atoll_0a1b2c_secret" } };
    const ran = await tokens(
      "create",
      "--role",
      "agent",
      "--namespaces",
      "payments, refunds",
      "--expires",
      "90d",
      "--token",
      "mine",
    );
    assert.deepEqual(asked, [
      'POST /v1/tokens Bearer mine {"role":"agent","namespaces":["payments","refunds"],"expiresInMs":7776000000}',
    ]);
    assert.deepEqual([ran.code, ran.printed], [0, "atoll_0a1b2c_secret"]);
  });

  it("writes one to a file that its owner alone reads, and overwrites none", async () => {
    answer = { status: 201, body: { ...TOKEN, token: "atoll_0a1b2c_secret" } };
    const file = join(dir, "token");
    const ran = await tokens("create", "--role", "agent", "--output", file);
    assert.doesNotMatch(ran.printed + ran.noted, /secret/);
    assert.deepEqual([readFileSync(file, "utf8"), statSync(file).mode & 0o777], ["atoll_0a1b2c_secret\n", 0o600]);
    const again = await tokens("create", "--role", "agent", "--output", file);
    assert.equal(again.code, 1);
    assert.match(again.noted, /FILE_NOT_WRITTEN.*atoll tokens revoke 0a1b2c/);
  });

  it("lists them with their state, and revokes one", async () => {
    const ended = [
      { ...TOKEN, id: "gone", revokedAtMs: 5 },
      { ...TOKEN, id: "late", expiresAtMs: 5, namespaces: null },
    ];
    answer = { status: 200, body: { tokens: [TOKEN, ...ended] } };
    const listed = await tokens("list");
    assert.match(listed.printed, /^0a1b2c +agent +payments +valid +auth-token +of payments$/m);
    assert.match(listed.printed, /^gone +agent +payments +revoked/m);
    assert.match(listed.printed, /^late +agent +all +expired/m);
    answer = { status: 200, body: { ...TOKEN, revokedAtMs: 5 } };
    assert.equal((await tokens("revoke", "0a1b2c")).code, 0);
    assert.equal(asked.at(-1), "DELETE /v1/tokens/0a1b2c no token");
  });

  it("proves itself with a token from a file, and says when that can not be read or holds none", async () => {
    answer = { status: 200, body: { tokens: [] } };
    const file = join(dir, "mine");
    writeFileSync(file, "from-a-file\n");
    await tokens("list", "--token-file", file);
    assert.deepEqual(asked, ["GET /v1/tokens Bearer from-a-file"]);
    assert.match((await tokens("list", "--token-file", join(dir, "none"))).noted, /FILE_UNREADABLE: --token-file/);
    writeFileSync(file, "two\nlines");
    const bad = await tokens("list", "--token-file", file);
    assert.match(bad.noted, /INVALID_TOKEN/);
    assert.doesNotMatch(bad.noted, /lines/);
  });

  it("says what a node refused it for", async () => {
    const error = { code: "ROLE_MISSING", message: "Token fleet has the role agent, and this needs operator" };
    answer = { status: 403, body: { error } };
    const refused = await tokens("list");
    assert.deepEqual([refused.code, /ROLE_MISSING.*needs operator/.test(refused.noted)], [1, true]);
    assert.equal((await tokens("create", "--role", "root")).code, 64);
    assert.equal((await tokens("create", "--role", "agent", "--expires", "soon")).code, 64);
  });
});
