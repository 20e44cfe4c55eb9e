import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AuditEntry, AuditNote, AuditTrail } from "../../../src/security/audit.ts";
import { Authenticator, ConfiguredTokens } from "../../../src/security/authenticator.ts";
import { hashToken } from "../../../src/security/token.ts";
import type { KeptToken, Role } from "../../../src/types/token.ts";
import { createTestApp } from "../../support/api-app.ts";

const AGENT = { endpoint: "http://a:1", capabilities: ["a"] };

class Trail implements AuditTrail {
  readonly notes: AuditNote[] = [];
  note(note: AuditNote): void {
    this.notes.push(note);
  }
  async list(): Promise<readonly AuditEntry[]> {
    return this.notes.map((note, i) => ({ ...note, sequence: i + 1, at: "2026-01-01T00:00:00.000Z" }));
  }
}

const aToken = (id: string, role: Role): KeptToken => ({
  ...{ id, sha256: hashToken(`secret of ${id}`), role, namespaces: null, description: "", createdBy: "test" },
  ...{ expiresAtMs: null, createdAtMs: 0, revokedAtMs: null },
});
const bearer = (id: string) => ({ authorization: `Bearer secret of ${id}` });

async function audited(tokens: readonly KeptToken[]) {
  const trail = new Trail();
  const configured = new ConfiguredTokens(tokens);
  const clock = { wallTime: () => 0 } as never;
  const kept = () => new Map<string, KeptToken>();
  const authenticator = new Authenticator({ configured: () => configured, kept, anonymousRole: null, clock });
  const test = await createTestApp({ security: { authenticator, audit: trail } });
  const told = () =>
    trail.notes.map(({ kind, caller, path, status, code, what }) => [kind, caller, path, status, code ?? what]);
  return { ...test, trail, told };
}

describe("the audit trail", () => {
  it("has who changed what: operators, and agents that came, changed and went; no reads, no renewals", async () => {
    const { send, told } = await audited([aToken("ops", "operator"), aToken("fleet", "agent")]);
    const fleet = bearer("fleet");
    await send({ method: "PUT", url: "/v1/agents/a", payload: AGENT, headers: fleet });
    await send({ method: "PUT", url: "/v1/agents/a", payload: AGENT, headers: fleet });
    await send({ method: "POST", url: "/heartbeat", payload: { agent_id: "b" }, headers: fleet });
    await send({ method: "POST", url: "/v1/agents/a/renew", headers: fleet });
    await send({ method: "GET", url: "/v1/agents?name=secret", headers: fleet });
    await send({ method: "DELETE", url: "/v1/agents/a", headers: fleet });
    await send({ method: "POST", url: "/admin/drain", headers: bearer("ops") });
    assert.deepEqual(told(), [
      ["change", "fleet", "/v1/agents/a", 201, "created"],
      ["change", "fleet", "/heartbeat", 200, "b created"],
      ["change", "fleet", "/v1/agents/a", 204, "deregistered"],
      ["change", "ops", "/admin/drain", 200, undefined],
    ]);
  });

  it("has who took a backup: a copy of everything left the region", async () => {
    const { send, told } = await audited([aToken("ops", "operator"), aToken("fleet", "agent")]);
    await send({ url: "/v1/cluster/backup", headers: bearer("ops") });
    await send({ url: "/v1/cluster/backup", headers: bearer("fleet") });
    assert.deepEqual(told(), [
      ["change", "ops", "/v1/cluster/backup", 200, "backup at revision 41"],
      ["refusal", "fleet", "/v1/cluster/backup", 403, "ROLE_MISSING"],
    ]);
  });

  it("P11: has who was refused, and why, without what was sent", async () => {
    const { send, app, told, trail } = await audited([aToken("fleet", "agent")]);
    await send({ method: "POST", url: "/admin/drain?token=s3cret", headers: bearer("fleet") });
    await app.inject({ url: "/v1/agents", headers: { authorization: "Bearer s3cret-s3cret" } });
    await app.inject({ method: "PUT", url: `/v1/agents/${"x".repeat(2_000)}`, payload: AGENT });
    assert.deepEqual(told(), [
      ["refusal", "fleet", "/admin/drain", 403, "ROLE_MISSING"],
      ["refusal", "anonymous", "/v1/agents", 401, "TOKEN_UNKNOWN"],
      ["refusal", "anonymous", `/v1/agents/${"x".repeat(245)}`, 401, "TOKEN_MISSING"],
    ]);
    assert.doesNotMatch(JSON.stringify(trail.notes), /s3cret/);
  });

  it("P11: has whose token was wrong, expired, revoked or did not reach so far", async () => {
    const { send, told, trail } = await audited([
      { ...aToken("old", "agent"), expiresAtMs: -1 },
      { ...aToken("gone", "agent"), revokedAtMs: 0 },
      { ...aToken("payments", "agent"), namespaces: ["payments"] },
      aToken("eyes", "reader"),
    ]);
    const put = (token: string) =>
      send({ method: "PUT", url: "/v1/agents/a", payload: { ...AGENT, namespace: "public" }, headers: bearer(token) });
    for (const token of ["old", "gone", "nobody", "payments", "eyes"]) {
      const { error } = (await put(token)).json();
      assert.ok(error.message.length > 0);
    }
    assert.deepEqual(told(), [
      ["refusal", "anonymous", "/v1/agents/a", 401, "TOKEN_EXPIRED"],
      ["refusal", "anonymous", "/v1/agents/a", 401, "TOKEN_REVOKED"],
      ["refusal", "anonymous", "/v1/agents/a", 401, "TOKEN_UNKNOWN"],
      ["refusal", "payments", "/v1/agents/a", 403, "NAMESPACE_NOT_ALLOWED"],
      ["refusal", "eyes", "/v1/agents/a", 403, "ROLE_MISSING"],
    ]);
    assert.doesNotMatch(JSON.stringify(trail.notes), /secret of/);
  });

  it("has operators' changes also where nobody is asked who they are, and of agents nothing then", async () => {
    const { send, told } = await audited([]);
    await send({ method: "PUT", url: "/v1/agents/a", payload: AGENT });
    await send({ method: "POST", url: "/admin/drain" });
    assert.deepEqual(told(), [["change", "anonymous", "/admin/drain", 200, undefined]]);
  });

  it("is shown to operators", async () => {
    const { send } = await audited([aToken("ops", "operator"), aToken("fleet", "agent")]);
    await send({ method: "POST", url: "/admin/drain", headers: bearer("ops") });
    const shown = await send({ method: "GET", url: "/v1/audit", headers: bearer("ops") });
    assert.equal(shown.json().entries[0].caller, "ops");
    assert.equal((await send({ method: "GET", url: "/v1/audit", headers: bearer("fleet") })).statusCode, 403);
  });
});
