import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { accessOf, LISTED_ROUTES } from "../../../src/api/access.ts";
import { Authenticator, ConfiguredTokens } from "../../../src/security/authenticator.ts";
import { hashToken } from "../../../src/security/token.ts";
import type { KeptToken, Role } from "../../../src/types/token.ts";
import { createTestApp, type TestApp } from "../../support/api-app.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const NONE = new Map<string, KeptToken>();

function aToken(id: string, role: Role, namespaces: readonly string[] | null = null): KeptToken {
  const kept = { description: "", expiresAtMs: null, createdAtMs: 0, createdBy: "test", revokedAtMs: null };
  return { id, sha256: hashToken(secretOf(id)), role, namespaces, ...kept };
}

const secretOf = (id: string) => `the secret of ${id}`;
const bearer = (id: string) => ({ authorization: `Bearer ${secretOf(id)}` });

function guarded(tokens: readonly KeptToken[], anonymousRole: Role | null = null, isCaughtUp = true) {
  const configured = new ConfiguredTokens(tokens);
  const authenticator = new Authenticator({
    configured: () => configured,
    kept: () => NONE,
    isCaughtUp: () => isCaughtUp,
    anonymousRole,
    clock: new VirtualClock(),
  });
  return createTestApp({ security: { authenticator } });
}

const TOKENS = [
  aToken("reader", "reader"),
  aToken("agent", "agent"),
  aToken("payments", "agent", ["payments"]),
  aToken("operator", "operator"),
];
const AGENT = { endpoint: "http://a:1", capabilities: ["a"] };

describe("the table of access", () => {
  it("P11: has every route", async () => {
    const { app } = await createTestApp();
    const unlisted = [...app.accessOfRoutes].flatMap(([route, access]) => (access === undefined ? [route] : []));
    assert.deepEqual(unlisted, [], "add them to src/api/access.ts");
    assert.ok(app.accessOfRoutes.size > 50);
  });

  it("has no route that is gone", async () => {
    const { app } = await createTestApp();
    assert.deepEqual(
      LISTED_ROUTES.filter((route) => !app.accessOfRoutes.has(route)),
      [],
    );
  });

  it("lets nobody but operators change the cluster, and nobody but agents change agents", () => {
    for (const route of LISTED_ROUTES) {
      const [method = "", url = ""] = route.split(" ");
      if (method === "GET" || method === "HEAD") continue;
      const isOfAgents = /^\/(v1\/agents|agents|api\/v1\/agents|heartbeat|proxy)/.test(url);
      assert.equal(accessOf(method, url)?.who, isOfAgents ? "agent" : "operator", route);
    }
  });
});

describe("a node that knows no token, and not whether its region has one", () => {
  it("P11: changes nothing and gives nothing away yet, but is told where its region is, and shows what it holds", async () => {
    const { app } = await guarded([], null, false);
    assert.equal((await app.inject({ method: "GET", url: "/v1/agents" })).statusCode, 200);
    for (const [route, access] of app.accessOfRoutes) {
      const [method = "", url = ""] = route.split(" ");
      if (access?.who !== "agent" && access?.who !== "operator") continue;
      const answer = await app.inject({ method: method as "POST", url: url.replace(/:\w+|\*/g, "x") });
      const isHeldBack = answer.headers["x-atoll-error"] === "TOKEN_NOT_KNOWN_YET" && answer.statusCode === 503;
      assert.equal(isHeldBack, access.isLocal !== true, `${route} ${answer.statusCode}`);
    }
  });
});

describe("a node with tokens", () => {
  let test: TestApp;
  beforeEach(async () => {
    test = await guarded(TOKENS);
  });

  it("P11: serves no route but probes and pages without one", async () => {
    for (const [route, access] of test.app.accessOfRoutes) {
      const [method = "", url = ""] = route.split(" ");
      const answer = await test.app.inject({ method: method as "GET", url: url.replace(/:\w+|\*/g, "x") });
      const isOpen = access?.who === "probe" || access?.who === "public";
      assert.equal(answer.statusCode === 401, !isOpen, `${route} ${answer.statusCode}`);
      if (!isOpen) assert.equal(answer.headers["x-atoll-error"], "TOKEN_MISSING");
    }
  });

  it("P11: refuses a role that is not enough on every route, naming the token and the role", async () => {
    const ranks = ["reader", "agent", "operator"];
    for (const [route, access] of test.app.accessOfRoutes) {
      const rank = ranks.indexOf(access?.who ?? "operator");
      if (rank < 1) continue;
      const [method = "", url = ""] = route.split(" ");
      const headers = bearer(ranks[rank - 1]!);
      const answer = await test.app.inject({ method: method as "GET", url: url.replace(/:\w+|\*/g, "x"), headers });
      assert.deepEqual([answer.statusCode, answer.headers["x-atoll-error"]], [403, "ROLE_MISSING"], route);
      if (method !== "HEAD") assert.match(answer.body, new RegExp(`Token ${ranks[rank - 1]} has the role`), route);
    }
  });

  it("asks how to prove oneself, in the shape of each face", async () => {
    const native = await test.send({ method: "GET", url: "/v1/agents" });
    assert.deepEqual(native.json().error, {
      code: "TOKEN_MISSING",
      message: "This needs a token with the role reader: authorization: Bearer TOKEN",
      needed: "reader",
    });
    assert.equal(native.headers["www-authenticate"], 'Bearer realm="atoll"');
    const mesh = await test.send({ method: "POST", url: "/heartbeat", payload: { agent_id: "a" } });
    assert.deepEqual([mesh.statusCode, Object.keys(mesh.json())], [401, ["error", "timestamp"]]);
  });

  it("never repeats what was sent as a token", async () => {
    for (const sent of [
      "Bearer s3cret-s3cret",
      "Basic czNjcmV0OnMzY3JldA==",
      "s3cret",
      `Bearer ${"s3cret".repeat(400)}`,
    ]) {
      const { statusCode, body } = await test.app.inject({ url: "/v1/agents", headers: { authorization: sent } });
      assert.equal(statusCode, 401);
      assert.doesNotMatch(body, /s3cret|czNj/);
    }
  });

  it("takes a token as the password in a URL, as clients send it", async () => {
    const basic = `Basic ${Buffer.from(`anybody:${secretOf("agent")}`).toString("base64")}`;
    const headers = { authorization: basic };
    const answer = await test.send({ method: "POST", url: "/heartbeat", payload: { agent_id: "a" }, headers });
    assert.equal(answer.json().status, "success");
  });

  it("P11: keeps a token to its namespaces, also for an agent that is in another one", async () => {
    const put = (id: string, namespace: string, token: string) =>
      test.send({ method: "PUT", url: `/v1/agents/${id}`, payload: { ...AGENT, namespace }, headers: bearer(token) });
    assert.equal((await put("p", "payments", "payments")).statusCode, 201);
    assert.equal((await put("w", "weather", "agent")).statusCode, 201);

    const refused = await put("new", "weather", "payments");
    assert.equal(refused.statusCode, 403);
    assert.deepEqual(refused.json().error, {
      token: "payments",
      agentId: "new",
      namespace: "weather",
      code: "NAMESPACE_NOT_ALLOWED",
      message: "Token payments does not reach namespace weather, which new is in. Use one that does",
    });
    assert.equal((await put("w", "payments", "payments")).statusCode, 403, "it is not taken over by moving it");
    const renewed = await test.send({ method: "POST", url: "/v1/agents/w/renew", headers: bearer("payments") });
    assert.equal(renewed.statusCode, 403);
    for (const url of ["/v1/agents/w", "/agents/w"]) {
      const ended = await test.send({ method: "DELETE", url, headers: bearer("payments") });
      assert.deepEqual([ended.statusCode, ended.headers["x-atoll-error"]], [403, "NAMESPACE_NOT_ALLOWED"]);
    }
    assert.equal(
      (await test.app.inject({ method: "HEAD", url: "/heartbeat/w", headers: bearer("payments") })).statusCode,
      403,
    );
    assert.equal(
      (await test.send({ method: "DELETE", url: "/v1/agents/w", headers: bearer("agent") })).statusCode,
      204,
    );
  });

  it("lets those without a token do what anonymousRole says, and no more", async () => {
    test = await guarded(TOKENS, "agent");
    const put = await test.send({ method: "PUT", url: "/v1/agents/a", payload: AGENT });
    assert.equal(put.statusCode, 201);
    assert.equal((await test.app.inject({ method: "POST", url: "/admin/drain" })).statusCode, 401);
    const wrong = await test.app.inject({ url: "/v1/agents", headers: { authorization: "Bearer wrong-wrong" } });
    assert.equal(wrong.statusCode, 401, "a wrong token is worse than none");
  });
});

describe("a node without tokens", () => {
  it("serves everybody, whatever they send", async () => {
    const test = await guarded([]);
    const headers = { authorization: "Bearer of another registry" };
    assert.equal((await test.send({ method: "PUT", url: "/v1/agents/a", payload: AGENT, headers })).statusCode, 201);
    assert.equal((await test.app.inject({ method: "POST", url: "/admin/drain" })).statusCode, 200);
  });
});
