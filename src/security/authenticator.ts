/**
 * Who asks: from what a request brought to what it may do.
 *
 * Tokens come from this node's configuration and from the region's log. As soon as there is one of either, even a revoked one,
 * nobody is served without: that the last token ran out must not open the door. Checking a token is one hash and one look into
 * a map, and depends on nothing outside this node.
 */

import { timingSafeEqual } from "node:crypto";
import type { ChangeGuard, KeptToken, Role } from "../types/token.ts";
import { ROLES } from "../types/token.ts";
import type { Clock } from "../util/clock.ts";
import { accessError } from "./errors.ts";
import { hashToken, tokenIdIn } from "./token.ts";

/** Who a request comes from. */
export interface Caller {
  /** The token's id, `entity:<name>`, or `anonymous`: for people, logs and budgets. */
  readonly name: string;
  readonly kind: "token" | "certificate" | "anonymous";
  /** Null: it may do nothing that needs a role. */
  readonly role: Role | null;
  /** Undefined where nothing limits whose agents it changes. */
  readonly guard: ChangeGuard | undefined;
}

/** The tokens of the region's log, as of what this node has applied. */
export type KeptTokens = ReadonlyMap<string, KeptToken>;

export interface AuthenticatorOptions {
  /** Those of this node's configuration; asked at each use, because they may be replaced while it runs. */
  readonly configured: () => ConfiguredTokens;
  readonly kept: () => KeptTokens;
  /** Whether the region has no token that is not among `kept`, but for what was made a moment ago; always when absent. */
  readonly isCaughtUp?: () => boolean;
  /** What callers without a token may do where tokens are asked for. */
  readonly anonymousRole: Role | null;
  readonly clock: Clock;
}

/** Longest header that is hashed: far longer than any token, far shorter than what would cost something. */
const CREDENTIAL_LENGTH_MAX = 1_024;
const NOBODY = "anonymous";

const EVERYBODY: Caller = { name: NOBODY, kind: "anonymous", role: "operator", guard: undefined };

/** Tokens of a node's configuration, found by what they hash to. */
export class ConfiguredTokens {
  readonly #bySha256: ReadonlyMap<string, KeptToken>;

  constructor(tokens: readonly KeptToken[]) {
    this.#bySha256 = new Map(tokens.map((token) => [token.sha256, token]));
  }

  get size(): number {
    return this.#bySha256.size;
  }

  list(): KeptToken[] {
    return [...this.#bySha256.values()];
  }

  find(sha256: string): KeptToken | undefined {
    return this.#bySha256.get(sha256);
  }
}

export class Authenticator {
  readonly #options: Required<AuthenticatorOptions>;
  readonly #anonymous: Caller;
  /** What a token allows does not change while it is the same object. */
  readonly #callers = new WeakMap<KeptToken, Caller>();

  constructor(options: AuthenticatorOptions) {
    this.#options = { isCaughtUp: () => true, ...options };
    this.#anonymous = { ...EVERYBODY, role: options.anonymousRole };
  }

  /** Whether anybody is asked for a token. */
  get isEnforced(): boolean {
    const { configured, kept } = this.#options;
    return configured().size > 0 || kept().size > 0;
  }

  /**
   * Where no token is asked for, none may be missed: the region may have made its first one while this node was away.
   *
   * @throws AccessError TOKEN_NOT_KNOWN_YET
   */
  refuseBeforeCaughtUp(): void {
    if (!this.isEnforced && !this.#options.isCaughtUp()) throw accessError({ code: "TOKEN_NOT_KNOWN_YET" });
  }

  /** The tokens of this node's configuration. */
  configured(): KeptToken[] {
    return this.#options.configured().list();
  }

  /** Whether a token is the last one that can make others. */
  isLastOperator(id: string): boolean {
    const now = this.#options.clock.wallTime();
    const mayMake = ({ role, revokedAtMs, expiresAtMs }: KeptToken) =>
      role === "operator" && revokedAtMs === null && (expiresAtMs === null || expiresAtMs > now);
    const all = [...this.configured(), ...this.#options.kept().values()].filter(mayMake);
    return all.length === 1 && all[0]?.id === id;
  }

  /**
   * @param authorization - the header as it came: a bearer token, or a token as the password of basic authentication, which
   *   is what HTTP clients make of `http://any:TOKEN@host`
   * @param entity - what the connection's certificate proved; null without one
   * @throws AccessError TOKEN_UNKNOWN, TOKEN_REVOKED, TOKEN_EXPIRED: a wrong token is worse than none; TOKEN_NOT_KNOWN_YET
   */
  identify(authorization: string | undefined, entity: string | null): Caller {
    if (!this.isEnforced) return entity === null ? EVERYBODY : certified(entity, "operator");
    const token = authorization === undefined ? undefined : credentialIn(authorization);
    if (token === undefined) return entity === null ? this.#anonymous : certified(entity, "agent");
    const held = this.#find(token);
    if (entity === null) {
      const caller = this.#callers.get(held) ?? callerOf(held, null);
      this.#callers.set(held, caller);
      return caller;
    }
    return callerOf(held, entity);
  }

  #find(token: string): KeptToken {
    const { configured, kept, isCaughtUp, clock } = this.#options;
    const id = tokenIdIn(token);
    const sha256 = hashToken(token);
    const named = id === undefined ? undefined : kept().get(id);
    const held = named !== undefined && isSame(named.sha256, sha256) ? named : configured().find(sha256);
    if (held === undefined && !isCaughtUp()) throw accessError({ code: "TOKEN_NOT_KNOWN_YET" });
    if (held === undefined) throw accessError({ code: "TOKEN_UNKNOWN", ...(id !== undefined && { token: id }) });
    if (held.revokedAtMs !== null) throw accessError({ code: "TOKEN_REVOKED", token: held.id });
    if (held.expiresAtMs !== null && clock.wallTime() >= held.expiresAtMs) {
      throw accessError({ code: "TOKEN_EXPIRED", token: held.id, expiredAtMs: held.expiresAtMs });
    }
    return held;
  }
}

/** @throws AccessError TOKEN_MISSING, ROLE_MISSING */
export function requireRole(caller: Caller, needed: Role): void {
  const { role, name, kind } = caller;
  if (role !== null && ROLES.indexOf(role) >= ROLES.indexOf(needed)) return;
  if (kind === "anonymous" || role === null) throw accessError({ code: "TOKEN_MISSING", needed });
  throw accessError({ code: "ROLE_MISSING", token: name, role, needed });
}

function callerOf({ id, role, namespaces }: KeptToken, entity: string | null): Caller {
  const overrides = role === "operator";
  const isLimited = namespaces !== null || entity !== null || overrides;
  const guard = isLimited ? { token: id, namespaces, entity, overrides } : undefined;
  return { name: id, kind: "token", role, guard };
}

function certified(entity: string, role: Role): Caller {
  const name = `entity:${entity}`;
  return { name, kind: "certificate", role, guard: { token: name, namespaces: null, entity, overrides: false } };
}

/** Undefined when the header holds none; what is too long to be one matches nothing. */
function credentialIn(authorization: string): string | undefined {
  if (authorization.length > CREDENTIAL_LENGTH_MAX) return authorization.slice(0, CREDENTIAL_LENGTH_MAX);
  const [scheme = "", ...rest] = authorization.trim().split(" ");
  const value = rest.join(" ").trim();
  switch (scheme.toLowerCase()) {
    case "bearer":
      return value;
    case "basic": {
      const text = Buffer.from(value, "base64").toString("utf8");
      return text.slice(text.indexOf(":") + 1);
    }
    default:
      return authorization === "" ? undefined : authorization;
  }
}

function isSame(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
}
