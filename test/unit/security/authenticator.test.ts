import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Authenticator, ConfiguredTokens, requireRole } from "../../../src/security/authenticator.ts";
import { AccessError } from "../../../src/security/errors.ts";
import { generateToken, hashToken, tokenIdIn } from "../../../src/security/token.ts";
import type { KeptToken } from "../../../src/types/token.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const BASE = { role: "agent", namespaces: null, description: "", createdAtMs: 0, createdBy: "test" } as const;

function aKept(made: { id: string; sha256: string }, fields: Partial<KeptToken> = {}): KeptToken {
  return { ...BASE, id: made.id, sha256: made.sha256, expiresAtMs: null, revokedAtMs: null, ...fields };
}

function authenticatorOf(
  kept: readonly KeptToken[],
  configured: readonly KeptToken[] = [],
  clock = new VirtualClock(),
) {
  return new Authenticator({
    configured: () => new ConfiguredTokens(configured),
    kept: () => new Map(kept.map((token) => [token.id, token])),
    anonymousRole: null,
    clock,
  });
}

function refusalOf(run: () => unknown): AccessError["detail"] {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof AccessError, String(error));
    return error.detail;
  }
  return assert.fail("it was served");
}

describe("a token", () => {
  it("names itself, and has a secret that is never the same", () => {
    const [a, b] = [generateToken(), generateToken()];
    assert.match(a.token, /^atoll_[0-9a-f]{12}_[A-Za-z0-9_-]{43}$/);
    assert.equal(tokenIdIn(a.token), a.id);
    assert.equal(a.sha256, hashToken(a.token));
    assert.notEqual(a.token, b.token);
    assert.equal(tokenIdIn("dev-token"), undefined);
  });
});

describe("who asks", () => {
  const made = generateToken();
  const bearer = `Bearer ${made.token}`;

  it("is known by a token of the region, or of the configuration", () => {
    assert.equal(authenticatorOf([aKept(made)]).identify(bearer, null).name, made.id);
    const chosen = aKept({ id: "auth-token", sha256: hashToken("dev-token") }, { role: "operator" });
    assert.equal(authenticatorOf([], [chosen]).identify("Bearer dev-token", null).role, "operator");
    assert.equal(authenticatorOf([], [chosen]).identify("dev-token", null).role, "operator");
  });

  it("P12: is called unknown only by who knows all tokens of the region", () => {
    let isCaughtUp = false;
    const configured = new ConfiguredTokens([aKept(generateToken(), { role: "operator" })]);
    const kept = new Map([[made.id, aKept(made)]]);
    const options = { configured: () => configured, anonymousRole: null, clock: new VirtualClock() };
    const starting = new Authenticator({ ...options, kept: () => new Map(), isCaughtUp: () => isCaughtUp });
    assert.deepEqual(
      refusalOf(() => starting.identify(bearer, null)),
      { code: "TOKEN_NOT_KNOWN_YET" },
    );
    isCaughtUp = true;
    assert.deepEqual(
      refusalOf(() => starting.identify(bearer, null)),
      { code: "TOKEN_UNKNOWN", token: made.id },
    );
    const behind = new Authenticator({ ...options, kept: () => kept, isCaughtUp: () => false });
    assert.equal(behind.identify(bearer, null).name, made.id, "what it knows, it knows");
  });

  it("P11: changes nothing without a token as long as the region may have made its first one", () => {
    let isCaughtUp = false;
    let kept = new Map<string, KeptToken>();
    const common = { configured: () => new ConfiguredTokens([]), anonymousRole: null, clock: new VirtualClock() };
    const starting = new Authenticator({ ...common, kept: () => kept, isCaughtUp: () => isCaughtUp });
    assert.deepEqual(
      refusalOf(() => starting.refuseBeforeCaughtUp()),
      { code: "TOKEN_NOT_KNOWN_YET" },
    );
    isCaughtUp = true;
    starting.refuseBeforeCaughtUp();
    isCaughtUp = false;
    kept = new Map([[made.id, aKept(made)]]);
    starting.refuseBeforeCaughtUp();
    assert.equal(starting.identify(undefined, null).role, null, "it is asked for a token instead");
  });

  it("P11: is nobody with another secret behind the same id", () => {
    const forged = `${made.token.slice(0, -1)}${made.token.endsWith("A") ? "B" : "A"}`;
    const detail = refusalOf(() => authenticatorOf([aKept(made)]).identify(`Bearer ${forged}`, null));
    assert.deepEqual(detail, { code: "TOKEN_UNKNOWN", token: made.id });
  });

  it("P11: is nobody with a revoked or an expired token, and is told which", () => {
    const revoked = authenticatorOf([aKept(made, { revokedAtMs: 1 })]);
    assert.deepEqual(
      refusalOf(() => revoked.identify(bearer, null)),
      { code: "TOKEN_REVOKED", token: made.id },
    );
    const clock = new VirtualClock();
    const expiresAtMs = clock.wallTime() + 1_000;
    const expiring = authenticatorOf([aKept(made, { expiresAtMs })], [], clock);
    assert.equal(expiring.identify(bearer, null).name, made.id);
    clock.stall(1_000);
    const detail = { code: "TOKEN_EXPIRED", token: made.id, expiredAtMs: expiresAtMs };
    assert.deepEqual(
      refusalOf(() => expiring.identify(bearer, null)),
      detail,
    );
  });

  it("P11: is still asked for a token when the last one was revoked", () => {
    const authenticator = authenticatorOf([aKept(made, { revokedAtMs: 1 })]);
    assert.equal(authenticator.isEnforced, true);
    const detail = refusalOf(() => requireRole(authenticator.identify(undefined, null), "reader"));
    assert.deepEqual(detail, { code: "TOKEN_MISSING", needed: "reader" });
  });

  it("is limited by namespace and entity, and by neither where there is none", () => {
    assert.equal(authenticatorOf([aKept(made)]).identify(bearer, null).guard, undefined);
    const limited = authenticatorOf([aKept(made, { namespaces: ["a"] })]).identify(bearer, "corp");
    assert.deepEqual(limited.guard, { token: made.id, namespaces: ["a"], entity: "corp", overrides: false });
    const operator = authenticatorOf([aKept(made, { role: "operator" })]).identify(bearer, null);
    assert.equal(operator.guard?.overrides, true);
  });

  it("is an agent with a certificate alone, and anybody where no token is asked for", () => {
    const certified = authenticatorOf([aKept(made)]).identify(undefined, "corp");
    assert.deepEqual([certified.name, certified.role, certified.guard?.entity], ["entity:corp", "agent", "corp"]);
    assert.equal(authenticatorOf([]).identify(undefined, "corp").role, "operator");
    assert.equal(authenticatorOf([]).identify("Bearer whatever", null).role, "operator");
  });
});
