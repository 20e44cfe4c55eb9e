import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { RegistryStateMachine } from "../../../../src/registry/registry-state-machine.ts";
import type { KeptTokens } from "../../../../src/security/authenticator.ts";
import { Authenticator, ConfiguredTokens } from "../../../../src/security/authenticator.ts";
import { hashToken } from "../../../../src/security/token.ts";
import { type KeptToken, TOKENS_MAX } from "../../../../src/types/token.ts";
import { createTestApp, type TestApp } from "../../../support/api-app.ts";
import { HOME } from "../../registry/fixtures.ts";

const AGENT = { endpoint: "http://a:1", capabilities: ["a"] };
const ADMIN: KeptToken = {
  id: "auth-token",
  sha256: hashToken("of the configuration"),
  role: "operator",
  namespaces: null,
  description: "",
  expiresAtMs: null,
  createdAtMs: 0,
  createdBy: "configuration",
  revokedAtMs: null,
};

let test: TestApp;
async function begin(configured: readonly KeptToken[]): Promise<void> {
  let kept: () => KeptTokens = () => new Map();
  const authenticator = new Authenticator({
    configured: () => new ConfiguredTokens(configured),
    kept: () => kept(),
    anonymousRole: null,
    clock: { wallTime: () => test.region.clock.wallTime() } as TestApp["region"]["clock"],
  });
  test = await createTestApp({ security: { authenticator } });
  kept = () => test.node.service.tokens();
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const admin = bearer("of the configuration");
const create = async (payload: object, headers: object = admin) =>
  test.send({ method: "POST", url: "/v1/tokens", payload, headers: { ...headers } });
const put = async (token: string, id = "a", namespace = "default") =>
  (
    await test.send({
      method: "PUT",
      url: `/v1/agents/${id}`,
      payload: { ...AGENT, namespace },
      headers: bearer(token),
    })
  ).statusCode;
const codeOf = (answer: { json(): { error: { code: string } } }) => answer.json().error.code;

describe("/v1/tokens", () => {
  beforeEach(() => begin([ADMIN]));

  it("makes a token that is shown once, works at once, and is kept as a hash only", async () => {
    const made = await create({ role: "agent", namespaces: ["default"], description: "of the weather" });
    assert.equal(made.statusCode, 201);
    const { token, ...shown } = made.json();
    assert.equal(await put(token), 201);
    assert.equal(await put(token, "b", "other"), 403);

    const listed = await test.send({ method: "GET", url: "/v1/tokens", headers: admin });
    assert.deepEqual(listed.json().tokens.slice(1), [shown]);
    assert.deepEqual([shown.createdBy, listed.json().tokens[0].id], ["auth-token", "auth-token"]);
    const secret = token.split("_").at(-1);
    assert.ok(!listed.body.includes(secret) && !listed.body.includes(hashToken(token)));
    const kept = JSON.stringify([...test.node.stateMachine.tokens.values()]);
    assert.ok(kept.includes(hashToken(token)) && !kept.includes(secret));
  });

  it("P11: revokes a token while the region runs: the next request with it is refused, with its id", async () => {
    const { id, token } = (await create({ role: "agent" })).json();
    assert.equal(await put(token), 201);
    const revoked = await test.send({ method: "DELETE", url: `/v1/tokens/${id}`, headers: admin });
    assert.equal(revoked.json().revokedAtMs, test.region.clock.wallTime());
    const refused = await test.send({ method: "GET", url: "/v1/agents", headers: bearer(token) });
    assert.deepEqual([refused.statusCode, codeOf(refused), refused.json().error.token], [401, "TOKEN_REVOKED", id]);
    const again = await test.send({ method: "DELETE", url: `/v1/tokens/${id}`, headers: admin });
    assert.equal(again.statusCode, 200, "twice changes nothing");
    const unknown = await test.send({ method: "DELETE", url: "/v1/tokens/nobody", headers: admin });
    assert.deepEqual([unknown.statusCode, codeOf(unknown)], [404, "TOKEN_NOT_FOUND"]);
  });

  it("P11: ends a token with its time", async () => {
    const { id, token } = (await create({ role: "reader", expiresInMs: 60_000 })).json();
    const read = () => test.send({ method: "GET", url: "/v1/agents", headers: bearer(token) });
    assert.equal((await read()).statusCode, 200);
    test.region.clock.stall(60_000);
    const refused = await read();
    assert.deepEqual([refused.statusCode, codeOf(refused), refused.json().error.token], [401, "TOKEN_EXPIRED", id]);
  });

  it("replaces a token without a gap: old and new serve side by side", async () => {
    const old = (await create({ role: "operator" })).json();
    const next = (await create({ role: "operator" }, bearer(old.token))).json();
    assert.deepEqual([await put(old.token), await put(next.token, "b")], [201, 201]);
    await test.send({ method: "DELETE", url: `/v1/tokens/${old.id}`, headers: bearer(next.token) });
    assert.deepEqual([await put(old.token, "c"), await put(next.token, "c")], [401, 201]);
  });

  it("is for operators alone, and limits agents alone by namespace", async () => {
    const { token } = (await create({ role: "agent" })).json();
    assert.equal(codeOf(await create({ role: "operator" }, bearer(token))), "ROLE_MISSING");
    const scoped = await create({ role: "operator", namespaces: ["a"] });
    assert.deepEqual([scoped.statusCode, scoped.json().error.field], [400, "namespaces"]);
  });

  it("keeps a bounded number, of which those that ended long ago make room", async () => {
    const { id } = (await create({ role: "agent" })).json();
    await test.send({ method: "DELETE", url: `/v1/tokens/${id}`, headers: admin });
    for (let i = 1; i < TOKENS_MAX; i++) {
      const fields = { id: `t${i}`, sha256: "", role: "agent", namespaces: null, description: "" } as const;
      await test.node.service.createToken({ ...fields, expiresAtMs: null, createdBy: "test" });
    }
    const full = await create({ role: "agent" });
    assert.deepEqual([full.statusCode, codeOf(full)], [409, "TOO_MANY_TOKENS"]);
    test.region.clock.stall(31 * 24 * 3_600_000);
    assert.equal((await create({ role: "agent" })).statusCode, 201);
    assert.equal(test.node.stateMachine.tokens.has(id), false);
  });
});

describe("/v1/tokens of a region without any", () => {
  beforeEach(() => begin([]));

  it("begins with an operator's, and everybody is asked from then on", async () => {
    const refused = await create({ role: "agent" });
    assert.deepEqual([refused.statusCode, codeOf(refused)], [409, "FIRST_TOKEN_NOT_OPERATORS"]);
    const { id, token } = (await create({ role: "operator" })).json();
    assert.equal((await test.send({ method: "GET", url: "/v1/agents" })).statusCode, 401);
    const last = await test.send({ method: "DELETE", url: `/v1/tokens/${id}`, headers: bearer(token) });
    assert.deepEqual([last.statusCode, codeOf(last)], [409, "LAST_OPERATOR_TOKEN"]);
  });

  it("come back with a snapshot", async () => {
    await create({ role: "operator" });
    const restored = new RegistryStateMachine(HOME);
    const pages = [[...test.node.stateMachine.tokens].map(([id, token]) => [`token/${id}`, token] as const)];
    await restored.restore(
      (async function* () {
        yield* pages;
      })(),
    );
    assert.deepEqual([...restored.tokens], [...test.node.stateMachine.tokens]);
  });
});
