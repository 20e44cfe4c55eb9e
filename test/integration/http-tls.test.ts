/** HTTPS as a node serves it, over real sockets, with certificates that `atoll keys` makes. */

import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { connect, type TLSSocket, type Server as TlsServer } from "node:tls";
import { agentCaller } from "../../src/api/mesh/call-agent.ts";
import { PROXY_DEFAULTS } from "../../src/api/modules.ts";
import { ApiClient } from "../../src/cli/api-client.ts";
import { createAuthority, issueForNode } from "../../src/cli/certificates.ts";
import { tlsFetch } from "../../src/cli/tls-fetch.ts";
import { loadConfig } from "../../src/config/load.ts";
import { HttpTls } from "../../src/node/http-tls.ts";
import type { AuditNote, AuditTrail } from "../../src/security/audit.ts";
import { Authenticator, ConfiguredTokens } from "../../src/security/authenticator.ts";
import { type LogEvent, silentLogger } from "../../src/util/logger.ts";
import { createTestApp, type TestApp } from "../support/api-app.ts";
import { runCommand } from "../support/run-command.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const parent = mkdtempSync(join(tmpdir(), "atoll-tls-"));
const made = (folder: string, name: string) => join(parent, folder, name);
const pem = (folder: string, name: string) => readFileSync(made(folder, name), "utf8");

before(async () => {
  for (const [folder, clients] of [
    ["corp", "alice"],
    ["other", "bob"],
    ["strangers", "mallory"],
  ] as const) {
    const ran = await runCommand("keys", "--dir", join(parent, folder), "--clients", clients, "--hosts", "127.0.0.1");
    assert.equal(ran.code, 0, ran.noted);
  }
  mkdirSync(join(parent, "trust"));
  for (const entity of ["corp", "other"]) cpSync(made(entity, "ca.pem"), join(parent, "trust", `${entity}.pem`));
});
after(() => rmSync(parent, { recursive: true, force: true }));

interface Served {
  readonly app: TestApp;
  readonly url: string;
  readonly tls: HttpTls;
  /** The audit trail. */
  readonly notes: readonly AuditNote[];
}

let served: Served | undefined;
afterEach(async () => {
  await served?.app.app.close();
  served = undefined;
});

async function serve(mode: "auto" | "strict", more: Record<string, string> = {}): Promise<Served> {
  const env = {
    MCP_MESH_TLS_MODE: mode,
    MCP_MESH_TLS_CERT: made("corp", "node.pem"),
    MCP_MESH_TLS_KEY: made("corp", "node.key"),
    MCP_MESH_TRUST_DIR: join(parent, "trust"),
    ...more,
  };
  const { config } = loadConfig({ env, flags: {}, hostname: "here" });
  const clock = new VirtualClock();
  const tls = new HttpTls(config.http, clock, silentLogger);
  const none = new ConfiguredTokens([]);
  const authenticator = new Authenticator({
    configured: () => none,
    kept: () => new Map(),
    anonymousRole: null,
    clock,
  });
  const notes: AuditNote[] = [];
  const audit: AuditTrail = { note: (note) => void notes.push(note), list: async () => [] };
  const app = await createTestApp({
    tls: tls.serverOptions(),
    security: { authenticator, certificates: tls, audit },
    proxy: { ...PROXY_DEFAULTS, callAgent: agentCaller(() => tls.clientOptions()) },
  });
  await app.app.listen({ host: "127.0.0.1", port: 0 });
  tls.follow(app.app.server as unknown as TlsServer);
  served = { app, url: `https://127.0.0.1:${(app.app.server.address() as AddressInfo).port}`, tls, notes };
  return served;
}

/** One who trusts the node, and shows a certificate or none. */
function client(folder?: string, name = "") {
  const own = folder === undefined ? {} : { cert: pem(folder, `${name}.pem`), key: pem(folder, `${name}.key`) };
  return tlsFetch({ ca: pem("corp", "ca.pem"), ...own });
}

const register = (as: ReturnType<typeof client>, { url }: Served, id = "a") =>
  as(`${url}/v1/agents/${id}`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ endpoint: "http://127.0.0.1:1", capabilities: ["a"] }),
  });

describe("HTTPS", () => {
  it("contract C: an agent stays the entity's whose certificate registered it first, in DELETE too", async () => {
    const node = await serve("auto");
    const [alice, bob, nobody] = [client("corp", "alice"), client("other", "bob"), client()];
    assert.equal((await register(alice, node)).status, 201);
    for (const other of [bob, nobody]) {
      const refused = await register(other, node);
      const { error } = (await refused.json()) as { error: { code: string; entity: string } };
      assert.deepEqual([refused.status, error.code, error.entity], [403, "ENTITY_MISMATCH", "corp"]);
      assert.equal((await other(`${node.url}/agents/a`, { method: "DELETE" })).status, 403);
      assert.equal((await other(`${node.url}/v1/agents/a/renew`, { method: "POST" })).status, 403);
      assert.equal((await other(`${node.url}/heartbeat/a`, { method: "HEAD" })).status, 403);
    }
    const refused = node.notes.filter(({ kind }) => kind === "refusal");
    assert.equal(refused.length, 8);
    for (const { status, code } of refused) assert.deepEqual([status, code], [403, "ENTITY_MISMATCH"]);
    const { agents } = (await (await nobody(`${node.url}/agents`, {})).json()) as { agents: { entity_id: string }[] };
    assert.equal(agents[0]?.entity_id, "corp");
    assert.equal((await alice(`${node.url}/agents/a`, { method: "DELETE" })).status, 204);
  });

  it("contract A2: an agent with an entity is reached by https", async () => {
    const node = await serve("auto");
    const body = JSON.stringify({ agent_id: "a", http_host: "127.0.0.1", http_port: 9 });
    await client("corp", "alice")(`${node.url}/heartbeat`, { method: "POST", body });
    assert.equal(node.app.node.service.list({}, { limit: 1 }).agents[0]?.record.endpoint, "https://127.0.0.1:9");
  });

  it("P11: refuses a certificate that nobody it trusts has signed, and says why", async () => {
    const node = await serve("auto");
    const refused = await register(client("strangers", "mallory"), node);
    const { error } = (await refused.json()) as { error: { code: string; message: string } };
    assert.deepEqual([refused.status, error.code], [401, "CERTIFICATE_REQUIRED"]);
    assert.match(error.message, /it is not trusted/);
  });

  it("P11: strict serves nobody without a certificate, but tells probes that it lives", async () => {
    const node = await serve("strict");
    const refused = await register(client(), node);
    assert.equal(refused.status, 401);
    assert.match(await refused.text(), /none was shown/);
    assert.equal((await client()(`${node.url}/health`, {})).status, 200);
    assert.equal((await register(client("other", "bob"), node)).status, 201);
  });

  it("lists the entities, as meshctl asks for them", async () => {
    const node = await serve("auto");
    const answer = await client()(`${node.url}/admin/entities`, {});
    const { entities } = (await answer.json()) as { entities: { name: string; expires: string }[] };
    assert.deepEqual(
      entities.map(({ name }) => name),
      ["corp", "other"],
    );
    assert.match(entities[0]?.expires ?? "", /^\d{4}-\d\d-\d\d$/);
  });

  it("takes the name in a certificate for the entity where there is no folder of entities", async () => {
    const node = await serve("auto", { MCP_MESH_TRUST_DIR: "", MCP_MESH_TLS_CA: made("corp", "ca.pem") });
    assert.equal((await register(client("corp", "alice"), node)).status, 201);
    assert.equal(node.app.node.service.list({}, { limit: 1 }).agents[0]?.entity, "alice");
  });

  it("serves replaced certificates without a restart, and keeps the former ones while the new can not be used", async () => {
    const folder = join(parent, "replaced");
    cpSync(join(parent, "corp"), folder, { recursive: true });
    const files = { MCP_MESH_TLS_CERT: join(folder, "node.pem"), MCP_MESH_TLS_KEY: join(folder, "node.key") };
    const { tls, url } = await serve("auto", files);
    const look = () => tls.look();
    const before = await fingerprintAt(url);
    cpSync(made("other", "node.pem"), files.MCP_MESH_TLS_CERT);
    assert.throws(look, /the key is not the certificate's/);
    assert.equal(await fingerprintAt(url), before);
    cpSync(made("other", "node.key"), files.MCP_MESH_TLS_KEY);
    look();
    assert.notEqual(await fingerprintAt(url), before);
  });

  it("calls agents that want a certificate, with the node's own", async () => {
    const agent = createServer({
      cert: pem("corp", "node.pem"),
      key: pem("corp", "node.key"),
      ca: pem("corp", "ca.pem"),
      requestCert: true,
    });
    agent.on("request", (request, response) => {
      const { subject } = (request.socket as TLSSocket).getPeerCertificate();
      response.end(String(subject.CN));
    });
    await new Promise<void>((resolve) => agent.listen(0, "127.0.0.1", resolve));
    try {
      const { port } = agent.address() as AddressInfo;
      const node = await serve("auto");
      const body = JSON.stringify({ agent_id: "a", http_host: "127.0.0.1", http_port: port });
      await client("corp", "alice")(`${node.url}/heartbeat`, { method: "POST", body });
      const answer = await client()(`${node.url}/proxy/127.0.0.1:${port}/mcp`, {});
      assert.deepEqual([answer.status, await answer.text()], [200, "127.0.0.1"]);
    } finally {
      agent.close();
    }
  });
});

describe("the end of certificates", () => {
  const DAY_MS = 24 * 60 * 60 * 1_000;
  const folder = join(parent, "ending");
  const file = (name: string) => join(folder, name);

  /** Files of a node and two entities, of which each lasts that many days from the clock's now. */
  async function lasting(clock: VirtualClock, days: Record<"node" | "acme" | "corp", number>) {
    const until = (count: number) => {
      const notBefore = new Date(clock.wallTime() - 400 * DAY_MS);
      return { notBefore, notAfter: new Date(clock.wallTime() + count * DAY_MS) };
    };
    const authority = await createAuthority("an authority", until(300));
    const node = await issueForNode(authority, ["127.0.0.1"], until(days.node));
    mkdirSync(file("entities"), { recursive: true });
    for (const entity of ["acme", "corp"] as const) {
      const { certificate } = await createAuthority(entity, until(days[entity]));
      // As while an authority is replaced: the one that ends first counts.
      writeFileSync(file(`entities/${entity}.pem`), certificate + authority.certificate);
    }
    writeFileSync(file("node.key"), node.key);
    writeFileSync(file("node.pem"), node.certificate);
    writeFileSync(file("ca.pem"), authority.certificate);
  }

  function open(clock: VirtualClock) {
    const env = {
      MCP_MESH_TLS_MODE: "auto",
      MCP_MESH_TLS_CERT: file("node.pem"),
      MCP_MESH_TLS_KEY: file("node.key"),
      MCP_MESH_TLS_CA: file("ca.pem"),
      MCP_MESH_TRUST_DIR: file("entities"),
    };
    const warned: LogEvent[] = [];
    const logger = { ...silentLogger, warn: (event: LogEvent) => void warned.push(event) };
    const tls = new HttpTls(loadConfig({ env, flags: {}, hostname: "here" }).config.http, clock, logger);
    const daysLeft = () => tls.ends.map(({ use, entity, notAfterMs }) => [use, entity, daysUntil(notAfterMs)]);
    const daysUntil = (endMs: number) => Math.round((endMs - clock.wallTime()) / DAY_MS);
    const told = () => warned.splice(0).map(({ code, use, entity, daysLeft }) => [code, use, entity, daysLeft]);
    return { tls, daysLeft, told };
  }

  it("is known of the node, of the authorities of clients, and of each entity", async () => {
    const clock = new VirtualClock();
    await lasting(clock, { node: 90, acme: 200, corp: 250 });
    const { daysLeft, told } = open(clock);
    assert.deepEqual(daysLeft(), [
      ["node", "", 90],
      ["clients", "", 300],
      ["entity", "acme", 200],
      ["entity", "corp", 250],
    ]);
    assert.deepEqual(told(), []);
  });

  it("is warned of at the start, and when files that were read again end within 14 days", async () => {
    const clock = new VirtualClock();
    await lasting(clock, { node: 13.5, acme: 14.5, corp: -2 });
    const { tls, told } = open(clock);
    assert.deepEqual(told(), [
      ["CERTIFICATE_ENDING", "node", undefined, 13],
      ["CERTIFICATE_ENDING", "entity", "corp", -2],
    ]);
    tls.look();
    assert.deepEqual(told(), []);
    await lasting(clock, { node: 90, acme: 3.5, corp: 90 });
    tls.look();
    assert.deepEqual(told(), [["CERTIFICATE_ENDING", "entity", "acme", 3]]);
  });

  it("is warned of again each day while the node runs, and not after it", async () => {
    const clock = new VirtualClock();
    await lasting(clock, { node: 3.5, acme: 90, corp: 90 });
    const { tls, told } = open(clock);
    tls.start();
    told();
    await clock.advance(DAY_MS);
    assert.deepEqual(told(), [["CERTIFICATE_ENDING", "node", undefined, 2]]);
    tls.stop();
    await clock.advance(DAY_MS);
    assert.deepEqual(told(), []);
  });
});

describe("atoll keys", () => {
  it("writes files that their owner alone reads, prints no secret, and overwrites nothing", async () => {
    const dir = join(parent, "fresh");
    const ran = await runCommand("keys", "--dir", dir, "--clients", "acme", "--json");
    const { files } = JSON.parse(ran.printed) as { files: { file: string }[] };
    assert.ok(files.length >= 10);
    for (const { file } of files) {
      assert.equal(statSync(file).mode & 0o777, 0o600, file);
      if (/\.(key|token)$/.test(file)) assert.ok(!ran.printed.includes(readFileSync(file, "utf8").trim()), file);
    }
    assert.equal(statSync(dir).mode & 0o777, 0o700);
    const again = await runCommand("keys", "--dir", dir);
    assert.deepEqual([again.code, /encryption\.key is there already/.test(again.noted)], [1, true]);
    const bad = await runCommand("keys", "--dir", join(parent, "bad"), "--clients", "../x");
    assert.match(bad.noted, /can not be the name of an entity/);
  });

  it("makes what a command asks a node with", async () => {
    const { url } = await serve("strict");
    const tls = { ca: pem("corp", "ca.pem"), cert: pem("corp", "alice.pem"), key: pem("corp", "alice.key") };
    assert.equal((await new ApiClient(url, { tls }).cluster()).region, "us-east");
    const files = [
      "--ca",
      made("corp", "ca.pem"),
      "--cert",
      made("corp", "alice.pem"),
      "--key",
      made("corp", "alice.key"),
    ];
    assert.equal((await runCommand("nodes", "--url", url, ...files)).code, 0);
    const distrusted = await runCommand("nodes", "--url", url);
    assert.match(distrusted.noted, /UNREACHABLE/);
  });
});

function fingerprintAt(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "127.0.0.1", port: Number(new URL(url).port), rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().fingerprint256);
      socket.destroy();
    });
    socket.once("error", reject);
  });
}
