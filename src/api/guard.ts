/**
 * Stands before every route: who asks, and whether the table of `access.ts` lets them.
 *
 * It runs before a body is read. Where nobody is asked for a token it costs a look at the budget of the address.
 */

import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from "fastify";
import type { AuditTrail } from "../security/audit.ts";
import { type Authenticator, type Caller, requireRole } from "../security/authenticator.ts";
import type { EntityTrust, TlsConnection } from "../security/entities.ts";
import { AccessError, accessError } from "../security/errors.ts";
import type { RequestLimits } from "../security/request-limits.ts";
import type { ChangeGuard } from "../types/token.ts";
import type { AddressList } from "../util/address-list.ts";
import { type Access, accessOf, UNLISTED } from "./access.ts";
import { auditRequests } from "./audit.ts";

/** What decides whether a request is served. */
export interface HttpSecurity {
  readonly authenticator: Authenticator;
  /** Absent where TLS is not served. */
  readonly certificates?: ClientCertificates;
  readonly limits?: RequestLimits;
  /** Networks that are served; all when absent. */
  readonly networks?: AddressList;
  /** Absent: nobody keeps who changed what. */
  readonly audit?: AuditTrail;
  /** Who asks in the clear is not served. */
  readonly requiresTls?: boolean;
}

export interface ClientCertificates {
  readonly isStrict: boolean;
  /** Replaced when its files are. */
  readonly trust: EntityTrust;
}

declare module "fastify" {
  interface FastifyRequest {
    /** Who asks; null where nobody is asked who they are. */
    caller: Caller | null;
  }
  interface FastifyInstance {
    /** The routes met, as `METHOD /url`, and what the table of `access.ts` has for each; undefined where it has nothing. */
    accessOfRoutes: ReadonlyMap<string, Access | undefined>;
  }
  interface FastifyContextConfig {
    /** Set where a route is none of the table: it answers that there is none. */
    isNoRoute?: true;
  }
}

/** Whose agents a request may change. */
export function guardOf({ caller }: FastifyRequest): ChangeGuard | undefined {
  return caller?.guard;
}

/** Puts the guard before every route that is added to `app` from now on. */
export function guardRoutes(app: FastifyInstance, security: HttpSecurity | undefined): void {
  const met = new Map<string, Access | undefined>();
  app.decorate("accessOfRoutes", met);
  app.decorateRequest("caller", null);
  app.decorateRequest("change", null);
  if (security?.audit !== undefined) auditRequests(app, security.audit);
  app.addHook("onRoute", (route) => {
    if (route.config?.isNoRoute === true) return;
    const methods = [route.method].flat();
    const listed = methods.map((method) => accessOf(method, route.url));
    methods.forEach((method, i) => void met.set(`${method} ${route.url}`, listed[i]));
    // Routes of several methods have one handler, and so one rule: the table says the same of all of them.
    const { who, isRenewal = false, isLocal = false } = listed[0] ?? UNLISTED;
    if (security === undefined || who === "probe") return;
    const others = [route.onRequest ?? []].flat().filter((hook) => !GUARDS.has(hook));
    const guard = guardFor(security, { who, isRenewal, isLocal, isOfChanges: methods.every(isChanging) });
    GUARDS.add(guard);
    route.onRequest = [guard, ...others];
  });
}

/** A GET that also has a HEAD is met twice, with the hooks that the first one got. */
const GUARDS = new WeakSet<object>();

const isChanging = (method: string) => method !== "GET" && method !== "HEAD";

interface Guarded {
  readonly who: Exclude<Access["who"], "probe">;
  readonly isRenewal: boolean;
  readonly isLocal: boolean;
  readonly isOfChanges: boolean;
}

function guardFor(security: HttpSecurity, { who, isRenewal, isLocal, isOfChanges }: Guarded): onRequestHookHandler {
  // What operators change is kept whatever comes of it; of agents only what their routes say.
  const isAudited = isOfChanges && who === "operator";
  const { authenticator, certificates, limits } = security;
  const needed = who === "public" ? null : who;
  // What this node holds already may be read; what the region is asked to do or to give away waits.
  const needsState = (who === "agent" || who === "operator") && !isLocal;
  return (request, _reply, done) => {
    try {
      refuseElsewhere(security, request);
      if (needsState) authenticator.refuseBeforeCaughtUp();
      if (certificates !== undefined || authenticator.isEnforced) {
        request.caller = identify(security, request);
        limits?.admit(request.caller, request.ip, isRenewal);
        if (needed !== null) requireRole(request.caller, needed);
      } else {
        limits?.admit(null, request.ip, isRenewal);
      }
      if (isAudited) request.change = "";
    } catch (error) {
      return done(error as Error);
    }
    done();
  };
}

/** @throws AccessError ADDRESS_NOT_ALLOWED, TLS_REQUIRED */
function refuseElsewhere({ networks, requiresTls = false }: HttpSecurity, request: FastifyRequest): void {
  if (networks !== undefined && !networks.has(request.ip)) {
    throw accessError({ code: "ADDRESS_NOT_ALLOWED", address: request.ip });
  }
  if (requiresTls && request.protocol !== "https") throw accessError({ code: "TLS_REQUIRED" });
}

/** @throws AccessError as the parts do; RATE_LIMITED when that address was refused too often */
function identify({ authenticator, certificates, limits }: HttpSecurity, request: FastifyRequest): Caller {
  try {
    const entity = certificates === undefined ? null : provenEntity(certificates, request);
    return authenticator.identify(request.headers.authorization, entity);
  } catch (error) {
    const isFault = !(error instanceof AccessError && error.detail.code === "TOKEN_NOT_KNOWN_YET");
    if (isFault) limits?.noteRefusal(request.ip);
    throw error;
  }
}

/** @throws AccessError CERTIFICATE_REQUIRED: a certificate that does not do is worse than none */
function provenEntity({ isStrict, trust }: ClientCertificates, request: FastifyRequest): string | null {
  const { entity, fault, hasCertificate } = trust.identify(request.raw.socket as TlsConnection);
  if (fault !== null) throw accessError({ code: "CERTIFICATE_REQUIRED", reason: fault });
  if (isStrict && !hasCertificate) throw accessError({ code: "CERTIFICATE_REQUIRED", reason: "none was shown" });
  return entity;
}
