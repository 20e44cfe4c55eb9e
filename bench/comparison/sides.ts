/** Two sides of a comparison: each is warmed up, then they are measured in interleaved pairs. */

import { round } from "../figures.ts";
import type { HttpRequest } from "../load/http-client.ts";
import { inPairs, median, ratioOf } from "../pairs.ts";
import { type Measured, measuredRatio } from "../targets.ts";
import { GENERATOR, type Party, type Phase, type Session } from "./session.ts";

export interface Side {
  readonly subject: string;
  readonly parties: readonly Party[];
  /** The i-th request of all turns together, from 0. */
  readonly next: (i: number) => HttpRequest;
}

export interface ComparisonOptions {
  /** What both are asked for. */
  readonly phase: string;
  readonly clients?: number;
  /** What a ratio is of. */
  readonly of?: (phase: Phase) => number;
}

const WARM_UP_SECONDS = 2;

/** Of a turn; a node that is late refuses some requests, and more than these would be another measurement. */
const FAILED_SHARE_MAX = 0.05;

/**
 * How many times as much `ours` does as `theirs`, by acknowledged requests per second unless `of` says otherwise.
 *
 * @throws Error when more than one request in twenty failed
 */
export async function compare(
  session: Session,
  ours: Side,
  theirs: Side,
  { phase: asked, clients = session.options.clients, of = acknowledgedPerSecond }: ComparisonOptions,
): Promise<Measured> {
  const phase = `${asked} (${ours.subject} and ${theirs.subject})`;
  const turnOf = ({ subject, parties, next }: Side) => {
    let issued = 0;
    return async (options: { readonly isWarmUp: boolean }) => {
      const load = { subject, phase, parties, clients, next: () => next(issued++) };
      if (options.isWarmUp) return session.prepare({ ...load, until: { seconds: WARM_UP_SECONDS } });
      const told = await session.load(load);
      if (told.failed > FAILED_SHARE_MAX * told.requests) {
        throw new Error(`${told.failed} of ${told.requests} failed: ${phase}, ${subject}`);
      }
      return told;
    };
  };
  session.context.note(`${phase} ...`);
  const [a, b] = [turnOf(ours), turnOf(theirs)];
  await a({ isWarmUp: true });
  await b({ isWarmUp: true });
  const turns = await inPairs(
    session.options.pairs,
    () => a({ isWarmUp: false }),
    () => b({ isWarmUp: false }),
  );
  const ratio = ratioOf(turns.map(([x, y]) => [of(x), of(y)] as const));
  const sides = [turns.map(([x]) => x), turns.map(([, y]) => y)].map(describe);
  return measuredRatio(ratio, `${sides.join("; ")}; ${clients} ${clients === 1 ? "client" : "clients"}`);
}

/** Rate, processor time per request, and what it was limited by, of all turns of a side. */
function describe(turns: readonly Phase[]): string {
  const [{ subject } = { subject: "" }] = turns;
  const rate = median(turns.map(acknowledgedPerSecond));
  const failed = turns.reduce((sum, turn) => sum + turn.failed, 0);
  const microseconds = median(turns.map(serverMicroseconds));
  const limits = [...new Set(turns.map(({ limit }) => limit))].join(" or ");
  return `${subject} ${round(rate)}/s at ${round(microseconds)} µs of CPU each, limit: ${limits}${failed === 0 ? "" : `, ${failed} failed`}`;
}

export function acknowledgedPerSecond({ perSecond, requests, failed }: Phase): number {
  return (perSecond * (requests - failed)) / requests;
}

/** What the servers used for one request, all of them together. */
export function serverMicroseconds({ costs, requests }: Phase): number {
  const servers = costs.filter(({ name }) => name !== GENERATOR);
  return (1_000 * servers.reduce((sum, { cpuMs }) => sum + cpuMs, 0)) / requests;
}
