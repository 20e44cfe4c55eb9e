/** Every failure of the client: a stable code, where it happened, and what to do. */

/**
 * What a failure means for the next try.
 *
 * - `gone`: the region says for certain that it does not hold this agent or this lease
 * - `elsewhere`: this node can not, another one may
 * - `later`: the region can not right now; its other nodes will hardly say anything else
 * - `full`: the region takes no more agents
 * - `refused`: the request itself is at fault, and every node would say so
 */
export type FailureKind = "gone" | "elsewhere" | "later" | "full" | "refused";

export interface AtollClientErrorDetail {
  /** The node's code (docs/http-api.md, "Errors"), or one of the client's own (docs/errors.md, "Client"). */
  readonly code: string;
  /** What happened, and what to do. */
  readonly message: string;
  /** What was asked; absent when the failure is not one request's. */
  readonly url?: string;
  /** The HTTP status; absent when no answer came. */
  readonly status?: number;
  /** The node's advice: ask again no sooner. */
  readonly retryAfterMs?: number;
  /** Nodes of other regions that the node named, nearest first. */
  readonly otherRegions?: readonly string[];
  /** The field of the request that is at fault. */
  readonly field?: string;
}

export class AtollClientError extends Error {
  override readonly name = "AtollClientError";
  readonly code: string;
  readonly url: string | undefined;
  readonly status: number | undefined;
  readonly retryAfterMs: number | undefined;
  readonly otherRegions: readonly string[];
  readonly field: string | undefined;

  constructor(detail: AtollClientErrorDetail, options?: ErrorOptions) {
    super(`${detail.code}: ${detail.message}`, options);
    this.code = detail.code;
    this.url = detail.url;
    this.status = detail.status;
    this.retryAfterMs = detail.retryAfterMs;
    this.otherRegions = detail.otherRegions ?? [];
    this.field = detail.field;
  }

  /** With its message, which JSON leaves out of errors. */
  toJSON(): object {
    return { ...this, message: this.message };
  }

  get kind(): FailureKind {
    return KINDS[this.code] ?? kindOfStatus(this.status);
  }
}

const KINDS: Readonly<Record<string, FailureKind | undefined>> = {
  UNKNOWN_AGENT: "gone",
  LEASE_LOST: "gone",
  UNREACHABLE: "elsewhere",
  TIMEOUT: "elsewhere",
  UNEXPECTED_ANSWER: "elsewhere",
  STOPPING: "elsewhere",
  NO_LEADER: "later",
  OVERLOADED: "later",
  MEMORY_LOW: "later",
  DISK_LOW: "later",
  OUTCOME_UNKNOWN: "later",
  TOO_STALE: "later",
  TOO_MANY_AGENTS: "full",
};

/** For codes that are newer than this client. */
function kindOfStatus(status: number | undefined): FailureKind {
  if (status === 429 || status === 503) return "later";
  return status === undefined || status >= 500 ? "elsewhere" : "refused";
}

/** Lets everything but the client's own errors pass on: an abort, or a bug. */
export function asClientError(thrown: unknown): AtollClientError {
  if (thrown instanceof AtollClientError) return thrown;
  throw thrown;
}
