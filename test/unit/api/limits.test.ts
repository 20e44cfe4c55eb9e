import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { HttpSecurity } from "../../../src/api/guard.ts";
import type { ServerOptions } from "../../../src/api/server.ts";
import { Authenticator, ConfiguredTokens } from "../../../src/security/authenticator.ts";
import { RequestLimits } from "../../../src/security/request-limits.ts";
import { hashToken } from "../../../src/security/token.ts";
import type { KeptToken } from "../../../src/types/token.ts";
import { AddressList } from "../../../src/util/address-list.ts";
import { createTestApp, type TestApp } from "../../support/api-app.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const AGENT = { endpoint: "http://a:1", capabilities: ["a"] };
const TOKEN: KeptToken = {
  id: "fleet",
  sha256: hashToken("the fleet's token"),
  role: "agent",
  namespaces: null,
  description: "",
  expiresAtMs: null,
  createdAtMs: 0,
  createdBy: "test",
  revokedAtMs: null,
};
const FLEET = { authorization: "Bearer the fleet's token" };

const clock = new VirtualClock();
async function limited(
  security: Partial<HttpSecurity> = {},
  { tokens = [], ...more }: Partial<ServerOptions> & { tokens?: readonly KeptToken[] } = {},
): Promise<TestApp> {
  const configured = new ConfiguredTokens(tokens);
  const kept = () => new Map<string, KeptToken>();
  const authenticator = new Authenticator({ configured: () => configured, kept, anonymousRole: null, clock });
  return createTestApp({ ...more, security: { authenticator, ...security } });
}
const limits = (requestsPerSecond: number, renewalsPerSecond: number) =>
  new RequestLimits({ clock, requestsPerSecond, renewalsPerSecond });
const repeat = async (count: number, ask: () => Promise<{ statusCode: number }>) => {
  const statuses: number[] = [];
  for (let i = 0; i < count; i++) statuses.push((await ask()).statusCode);
  return statuses.filter((status) => status === 429).length;
};

describe("request limits", () => {
  const from = "192.0.2.1";

  it("answer an address 429 with Retry-After once it has asked ten seconds' worth at once, and serve it again later", async () => {
    const { app } = await limited({ limits: limits(2, 0) });
    const ask = (remoteAddress = from) => app.inject({ url: "/v1/agents", remoteAddress });
    assert.equal(await repeat(25, ask), 5);
    const refused = await ask();
    assert.deepEqual(
      [refused.statusCode, refused.json().error.code, refused.headers["retry-after"]],
      [429, "RATE_LIMITED", "1"],
    );
    assert.equal((await ask("192.0.2.2")).statusCode, 200, "another address has its own");
    assert.equal((await app.inject({ url: "/health", remoteAddress: from })).statusCode, 200, "probes are not counted");
    clock.stall(1_000);
    assert.equal(await repeat(3, ask), 1);
  });

  it("P7: keep a budget for renewals that nothing else spends", async () => {
    const { app } = await limited({ limits: limits(1, 5) });
    await app.inject({ method: "PUT", url: "/v1/agents/a", payload: AGENT, remoteAddress: from });
    assert.equal(await repeat(20, () => app.inject({ url: "/v1/agents", remoteAddress: from })), 11);
    assert.equal(await repeat(25, () => app.inject({ method: "HEAD", url: "/heartbeat/a", remoteAddress: from })), 0);
    const renew = () => app.inject({ method: "POST", url: "/v1/agents/a/renew", remoteAddress: from });
    assert.equal(await repeat(30, renew), 5, "both ways to renew share it");
  });

  it("count by token, whatever address it comes from", async () => {
    const { app } = await limited({ limits: limits(1, 0) }, { tokens: [TOKEN] });
    let last = 0;
    const ask = () => app.inject({ url: "/v1/agents", headers: FLEET, remoteAddress: `192.0.2.${++last}` });
    assert.equal(await repeat(15, ask), 5);
  });

  it("do not count this machine's own address, which a proxy before the node has too", async () => {
    const { app } = await limited({ limits: limits(1, 1) });
    assert.equal(await repeat(50, () => app.inject({ url: "/v1/agents", remoteAddress: "127.0.0.1" })), 0);
  });

  it("count those behind a trusted proxy by their own address, and believe nobody else", async () => {
    const { app } = await limited({ limits: limits(1, 0) }, { trustedProxies: ["10.0.0.0/8"] });
    let last = 0;
    const ask = (remoteAddress: string) => () =>
      app.inject({ url: "/v1/agents", remoteAddress, headers: { "x-forwarded-for": `203.0.113.${++last}` } });
    assert.equal(await repeat(15, ask("10.0.0.1")), 0);
    assert.equal(await repeat(15, ask("192.0.2.99")), 5);
  });

  it("P11: slow down whoever tries tokens, and nobody else at that address", async () => {
    const { app } = await limited({ limits: limits(0, 0) }, { tokens: [TOKEN] });
    const guess = () =>
      app.inject({ url: "/v1/agents", headers: { authorization: "Bearer a-guess" }, remoteAddress: from });
    assert.equal(await repeat(110, guess), 10);
    const known = await app.inject({ url: "/v1/agents", headers: FLEET, remoteAddress: from });
    assert.equal(known.statusCode, 200);
  });
});

describe("zones", () => {
  it("P11: serve the networks that were named, and tell others so", async () => {
    const { app } = await limited({ networks: new AddressList(["10.0.0.0/8"]) });
    assert.equal((await app.inject({ url: "/v1/agents", remoteAddress: "10.1.1.1" })).statusCode, 200);
    const refused = await app.inject({ url: "/v1/agents", remoteAddress: "192.0.2.1" });
    assert.deepEqual([refused.statusCode, refused.json().error.code], [403, "ADDRESS_NOT_ALLOWED"]);
    assert.equal(
      (await app.inject({ url: "/ready", remoteAddress: "192.0.2.1" })).statusCode,
      200,
      "probes are served",
    );
  });

  it("P11: serve nobody in the clear where TLS is required, but by the word of a trusted proxy", async () => {
    const { app } = await limited({ requiresTls: true }, { trustedProxies: ["10.0.0.0/8"] });
    const ask = (remoteAddress: string, proto: string) =>
      app.inject({
        url: "/v1/agents",
        remoteAddress,
        headers: { "x-forwarded-for": "192.0.2.1", "x-forwarded-proto": proto },
      });
    const refused = await ask("10.0.0.1", "http");
    assert.deepEqual([refused.statusCode, refused.json().error.code], [403, "TLS_REQUIRED"]);
    assert.equal((await ask("10.0.0.1", "https")).statusCode, 200);
    assert.equal((await ask("192.0.2.9", "https")).statusCode, 403, "a stranger's word counts nothing");
  });
});
