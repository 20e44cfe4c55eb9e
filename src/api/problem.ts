/**
 * From anything thrown to what is answered: status, stable code, a message that says what to do, and the facts.
 *
 * The faces differ in shape only, so each of them builds its body from the same `Problem`.
 */

import type { FastifyError } from "fastify";
import { RegistryError, type RegistryErrorDetail } from "../registry/errors.ts";
import { AccessError, type AccessErrorDetail } from "../security/errors.ts";
import { PEER_NAME_EXPECTED } from "../types/peer-name.ts";
import { rfc3339 } from "../util/clock.ts";
import { ApiError, type ApiErrorDetail } from "./api-error.ts";
import { ClusterError, type ClusterErrorDetail } from "./cluster-error.ts";
import { PeerError, type PeerErrorDetail } from "./peer-error.ts";
import { describeInvalid } from "./validation.ts";
import { wholeMs } from "./whole-ms.ts";

export interface Problem {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  /** The field of the request that is at fault, as a path: `capabilities[0].name`. */
  readonly field?: string;
  /** Present when the same request may succeed later: no sooner than after this time. */
  readonly retryAfterMs?: number;
  /** Present when a node of another region can do it meanwhile. */
  readonly canGoElsewhere?: true;
  readonly facts?: Readonly<Record<string, unknown>>;
}

export interface ProblemContext {
  /** The body limit of the route, for the message. */
  readonly bodyBytesMax: number;
}

/** Long enough for an election, short enough for a client that waits. */
const RETRY_AFTER_MS = 1_000;
/** Of a node that has too much to do: each return costs it something. */
const SHED_RETRY_AFTER_MS = 4_000;

export function problemOf(thrown: unknown, context: ProblemContext): Problem {
  if (thrown instanceof ApiError) return problemOfRequest(thrown.detail);
  if (thrown instanceof ClusterError) return problemOfCluster(thrown.detail);
  if (thrown instanceof PeerError) return problemOfPeer(thrown.detail);
  if (thrown instanceof RegistryError) return problemOfRegistry(thrown.detail);
  if (thrown instanceof AccessError) return problemOfAccess(thrown.detail);
  return problemOfFramework(thrown as FastifyError, context);
}

function problemOfRequest(detail: ApiErrorDetail): Problem {
  const { code } = detail;
  switch (code) {
    case "INVALID_JSON":
      return { status: 400, code, field: detail.field, message: `The body is not valid JSON: ${detail.reason}` };
    case "INVALID_FIELD":
      return { status: 400, code, field: detail.field, message: `${detail.field} ${detail.reason}` };
    case "BODY_TOO_LARGE": {
      const message = `The body is over the limit of ${detail.bytesMax} bytes`;
      return { status: 413, code, field: detail.field, message, facts: { bytesMax: detail.bytesMax } };
    }
    case "UNSUPPORTED_MEDIA_TYPE":
      return { status: 415, code, field: detail.field, message: detail.reason };
    case "NOT_FOUND":
      return { status: 404, code, message: `There is nothing at ${detail.path}; see /docs for what there is` };
    case "OVERLOADED": {
      if ("shed" in detail) return problemOfLoad(detail);
      const message = `This node serves all the ${detail.watchersMax} watchers that it may. Watch another node, or retry later`;
      return { ...retry(503, detail, message), canGoElsewhere: true };
    }
    case "METHOD_NOT_ALLOWED": {
      const message = `${detail.method} is not possible here; use ${detail.allow}`;
      return { status: 405, code, message };
    }
  }
}

function problemOfLoad(detail: Extract<ApiErrorDetail, { shed: unknown }>): Problem {
  const message = `This node has more to do than it can, and refuses some requests; this was a ${detail.shed}. Retry, or use another node`;
  return { ...retry(503, detail, message), retryAfterMs: SHED_RETRY_AFTER_MS, canGoElsewhere: true };
}

function problemOfRegistry(detail: RegistryErrorDetail): Problem {
  switch (detail.code) {
    case "NO_LEADER":
      return later(detail, "This region has no leader; nothing was written. Retry, or use a node of another region");
    case "OUTCOME_UNKNOWN":
      return later(detail, "The write was sent, its outcome is not known. Sending it again is safe");
    case "OVERLOADED":
      return later(detail, "This region has more to do than it can; nothing was written. Retry later");
    case "STOPPING":
      return later(detail, "This node is stopping; nothing was written. Use another node");
    case "MEMORY_LOW":
      return later(detail, "This node has too little memory for more agents; nothing was written. Use another node");
    case "DISK_LOW":
      return later(detail, "This node's disk is nearly full; nothing was written. Use another node");
    case "TOO_STALE":
      return later(detail, "This node can not prove that its data is as fresh as asked. Retry, or ask for less");
    case "UNKNOWN_AGENT":
      return refuse(404, detail, `No agent ${detail.agentId} is registered in this region. Register it`);
    case "LEASE_LOST":
      return refuse(410, detail, `The lease of ${detail.agentId} ended or was replaced. Register again`);
    case "RECORD_TOO_LARGE":
      return refuse(413, detail, `${detail.field} has ${detail.bytes} bytes; the limit is ${detail.bytesMax}`);
    case "INVALID_RECORD":
      return refuse(400, detail, `${detail.field} ${detail.reason}`);
    case "DEPENDENCY_CYCLE": {
      const cycle = detail.cycle.join(" \u2192 ");
      return refuse(409, detail, `The required dependencies would close a cycle: ${cycle}. Make one of them optional`);
    }
    case "TOO_MANY_AGENTS":
      return refuse(507, detail, `This region is full: ${detail.agents} of ${detail.agentsMax} agents`);
    case "UNKNOWN_REGION":
      return refuse(404, { ...detail, field: "region" }, `No region ${detail.region} is known here; see /v1/regions`);
    case "TOKEN_NOT_FOUND":
      return refuse(404, detail, `No token ${detail.token} is kept by this region; see /v1/tokens`);
    case "TOO_MANY_TOKENS":
      return refuse(
        409,
        detail,
        `This region keeps ${detail.tokens} tokens, as many as it may. Revoke some that nobody uses`,
      );
    case "NAMESPACE_NOT_SERVED": {
      const { namespace, served } = detail;
      return refuse(
        403,
        detail,
        `This node serves ${served.join(", ")}, and not namespace ${namespace}. Ask a node that does`,
      );
    }
    case "NAMESPACE_NOT_ALLOWED": {
      const { token, agentId, namespace } = detail;
      const message = `Token ${token} does not reach namespace ${namespace}, which ${agentId} is in. Use one that does`;
      return refuse(403, detail, message);
    }
    case "ENTITY_MISMATCH":
      return refuse(
        403,
        detail,
        `${detail.agentId} belongs to entity ${detail.entity}, which registered it first. Use its certificate, or another id`,
      );
  }
}

/** Why this region was not changed, or not backed up; no other region can do it instead. */
function problemOfCluster(detail: ClusterErrorDetail): Problem {
  const message = adviseOnCluster(detail);
  switch (detail.code) {
    case "NO_LEADER":
    case "OUTCOME_UNKNOWN":
    case "NOT_TRANSFERRED":
    case "TOO_MANY_BACKUPS":
    case "BACKUP_LAGS":
      return retry(503, detail, message);
    case "CHANGE_PENDING":
    case "NOT_CAUGHT_UP":
      return retry(409, detail, message);
    case "MEMBER_UNKNOWN":
      return refuse(404, detail, message);
    default:
      return refuse(409, detail, message);
  }
}

const SEE_MEMBERS = "see /v1/cluster/members";

function adviseOnCluster(detail: ClusterErrorDetail): string {
  switch (detail.code) {
    case "NO_LEADER":
      return `This region has no leader; nothing was changed. Retry; if none comes, ${SEE_MEMBERS} for who is away`;
    case "OUTCOME_UNKNOWN":
      return `The change was begun, its outcome is not known. Before it is repeated, ${SEE_MEMBERS}`;
    case "NOT_TRANSFERRED":
      return `${detail.to ?? "Another voter"} did not take over in time. Retry, or name another voter`;
    case "CHANGE_PENDING":
      return "Another change of the members is under way. Retry when isChanging is false";
    case "NOT_CAUGHT_UP":
      return `${detail.member} is ${detail.lagEntries} entries behind. Retry when it has caught up`;
    case "MEMBER_UNKNOWN":
      return `No member of this region has the name or id ${detail.member}; ${SEE_MEMBERS}`;
    case "MEMBER_NOT_WAITING":
      return (
        `No node named ${detail.member} asks to join. Start it with ATOLL_MEMBERS naming a member of this region; ` +
        "it then asks to join and waits for this command"
      );
    case "MEMBER_EXISTS":
      return `${detail.member} is a member already; ${SEE_MEMBERS}`;
    case "MEMBER_REMOVED":
      return (
        `${detail.member} was removed, and its identity has left for good. Move its data folder away, ` +
        "so that it gets a new one"
      );
    case "NAME_TAKEN":
      return `Another member named ${detail.member} answers. Remove that one first, or name the new node otherwise`;
    case "TOO_MANY_MEMBERS":
      return `This region has as many members as it may. Remove one before adding ${detail.member}`;
    case "NOT_A_LEARNER":
      return `${detail.member} votes already; there is nothing to promote`;
    case "NOT_A_VOTER":
      return `${detail.member} does not vote, so it can not lead. Promote it first, or name a voter`;
    case "LAST_VOTER":
      return `${detail.member} is the only voter, and no region is left without one. Add another voter first`;
    case "QUORUM_AT_RISK":
      return (
        `Of those who would then vote, ${detail.answering} answer now and ${detail.needed} are needed. ` +
        "Bring back or replace the silent ones first"
      );
    case "REGION_KEY_MISSING":
      return "This region has no signing key: it has no shared key (ENCRYPTION_KEY), or was founded a moment ago";
    case "REGION_RETIRED":
      return `${detail.region} has said farewell to the other regions; its key stays what it is`;
    case "REGION_IS_OWN":
      return `${detail.region} is this node's own region. To have the others forget it, use POST /v1/cluster/retire`;
    case "REGION_NOT_RETIRED":
      return `No region named ${detail.region} was retired here. One that said farewell itself does not come back`;
    case "REGION_KEY_CHANGED":
      return "Somebody else replaced the region's key just now; nothing was done. Repeat it if it is to be replaced again";
    case "TOO_MANY_BACKUPS":
      return `This node sends ${detail.backupsMax} backups already. Ask another node, or retry when one is done`;
    case "BACKUP_LAGS":
      return "What was acknowledged is not on this node's own disk yet. Ask another node, or retry";
  }
}

/** Why the peers that this region dials were not changed. */
function problemOfPeer(detail: PeerErrorDetail): Problem {
  switch (detail.code) {
    case "PEER_UNREADABLE":
      return refuse(400, { ...detail, field: "name" }, `name ${PEER_NAME_EXPECTED}`);
    case "PEER_UNKNOWN":
      return refuse(404, detail, `No peer is named ${detail.name}; see /v1/cluster/peers`);
    case "PEER_CONFIGURED":
      return refuse(
        409,
        detail,
        `${detail.name} is in this node's network.peers. Take it out there, and restart the node`,
      );
    case "TOO_MANY_PEERS":
      return refuse(409, detail, `This region names ${detail.peersMax} peers, as many as it may. Remove one first`);
    case "NO_SHARED_KEY":
      return refuse(
        409,
        detail,
        "This node has no shared key, so no other one would serve it. Set ENCRYPTION_KEY to that of the federation, and restart it",
      );
  }
}

/** Why a request is not served at all. What was sent as a secret is in none of these. */
function problemOfAccess(detail: AccessErrorDetail): Problem {
  switch (detail.code) {
    case "TOKEN_MISSING":
      return refuse(401, detail, `This needs a token with the role ${detail.needed}: authorization: Bearer TOKEN`);
    case "TOKEN_UNKNOWN": {
      const which = detail.token === undefined ? "The token" : `Token ${detail.token}`;
      return refuse(401, detail, `${which} is not known here: it is misspelt, or of another region`);
    }
    case "TOKEN_NOT_KNOWN_YET":
      return retry(
        503,
        detail,
        "This node has not caught up with its region yet: it does not know its tokens, or that it has none. Ask again, or another node",
      );
    case "TOKEN_REVOKED":
      return refuse(401, detail, `Token ${detail.token} was revoked. Ask an operator for another one`);
    case "TOKEN_EXPIRED": {
      const message = `Token ${detail.token} expired at ${rfc3339(detail.expiredAtMs)}. Ask an operator for another one`;
      return refuse(401, detail, message);
    }
    case "FIRST_TOKEN_NOT_OPERATORS":
      return refuse(
        409,
        detail,
        "Nobody is asked for a token yet. The first one must be an operator's, or nobody could make more",
      );
    case "LAST_OPERATOR_TOKEN":
      return refuse(
        409,
        detail,
        `Without ${detail.token} nobody could make tokens any more. Make another operator's first`,
      );
    case "CERTIFICATE_REQUIRED":
      return refuse(401, detail, `Show a client certificate that this node trusts: ${detail.reason}`);
    case "TLS_REQUIRED":
      return refuse(403, detail, "This node serves nobody in the clear. Use https");
    case "ADDRESS_NOT_ALLOWED":
      return refuse(403, detail, `This node does not serve the network of ${detail.address}. Ask a node that does`);
    case "RATE_LIMITED":
      return retry(429, detail, `${detail.of} asks more than ${detail.perSecond} times in a second. Ask less often`);
    case "ROLE_MISSING": {
      const { token, role, needed } = detail;
      return refuse(403, detail, `Token ${token} has the role ${role}, and this needs ${needed}`);
    }
  }
}

function refuse(status: number, detail: { readonly code: string; readonly field?: string }, message: string): Problem {
  const { code, field, ...rest } = detail;
  const facts = Object.fromEntries(
    Object.entries(rest).map(([name, value]) => [name, typeof value === "number" ? wholeMs(value) : value]),
  );
  return { status, code, message, facts, ...(field === undefined ? {} : { field }) };
}

/** What may succeed when it is asked again. */
function retry(status: number, detail: { readonly code: string }, message: string): Problem {
  return { ...refuse(status, detail, message), retryAfterMs: RETRY_AFTER_MS };
}

function later(detail: RegistryErrorDetail, message: string): Problem {
  return { ...retry(503, detail, message), canGoElsewhere: true };
}

/** What fastify found wrong: validation, bodies, and bugs of ours. */
function problemOfFramework(error: FastifyError, { bodyBytesMax }: ProblemContext): Problem {
  if (error.validation !== undefined) {
    const { field, reason } = describeInvalid(error.validation, error.validationContext);
    return problemOfRequest({ code: "INVALID_FIELD", field, reason });
  }
  switch (error.code) {
    case "FST_ERR_CTP_BODY_TOO_LARGE":
      return problemOfRequest({ code: "BODY_TOO_LARGE", field: "body", bytesMax: bodyBytesMax });
    case "FST_ERR_CTP_INVALID_MEDIA_TYPE": {
      const reason = "Send the body as content-type: application/json";
      return problemOfRequest({ code: "UNSUPPORTED_MEDIA_TYPE", field: "content-type", reason });
    }
    case "FST_ERR_CTP_INVALID_CONTENT_LENGTH":
      return problemOfRequest({ code: "INVALID_FIELD", field: "content-length", reason: "is not the body's length" });
    default:
      return { status: 500, code: "INTERNAL_ERROR", message: "Something failed inside this node; its log says what" };
  }
}
