/**
 * The highest rate of renewals that a region holds beside lookups: in an open loop, so that a node which falls behind is asked
 * no less for it.
 *
 * A rate is held when nothing failed and one in a hundred answers at most was later than `P99_MS_MAX` after the moment it was
 * to be asked for. Rates are tried from low to high, and one that is not held once more, since the machine may have been busy
 * with something else. The first that is not held twice ends the search; then one in between is tried.
 */

import { sleep } from "../../src/util/clock.ts";
import { round } from "../figures.ts";
import type { HttpRequest } from "../load/http-client.ts";
import type { Measured } from "../targets.ts";
import { localLookup } from "./atoll-requests.ts";
import { openLoad } from "./open-load.ts";
import type { Party, Phase, Session } from "./session.ts";

export const P99_MS_MAX = 100;
const RATES = [1_000, 2_500, 5_000, 7_500, 10_000, 12_500, 15_000, 20_000, 25_000, 30_000];
const SECONDS_MIN = 5;
const WARM_UP_RATE = 500;
const REST_MS = 1_000;

export interface HeldRateOptions {
  readonly parties: readonly Party[];
  readonly renew: (i: number) => HttpRequest;
  readonly lookupsPerSecond: number;
  readonly agents: number;
}

interface Trial {
  readonly rate: number;
  readonly renewals: Phase;
  readonly lookups: Phase;
  readonly behindMs: number;
}

export async function highestHeldRate(session: Session, options: HeldRateOptions): Promise<Measured> {
  await tryRate(session, options, WARM_UP_RATE);
  let held: Trial | undefined;
  let missed: Trial | undefined;
  for (const rate of RATES) {
    const trial = await tryTwice(session, options, rate);
    if (!isHeld(trial)) {
      missed = trial;
      break;
    }
    held = trial;
  }
  if (missed !== undefined && held !== undefined) {
    const between = await tryTwice(session, options, (held.rate + missed.rate) / 2);
    if (isHeld(between)) held = between;
    else missed = between;
  }
  return {
    value: held?.rate ?? 0,
    detail: [held, missed].flatMap((trial) => (trial ? [describe(trial)] : [])).join("; "),
  };
}

function isHeld({ renewals, lookups }: Trial): boolean {
  return [renewals, lookups].every(({ failed, p99Ms }) => failed === 0 && p99Ms <= P99_MS_MAX);
}

function describe(trial: Trial): string {
  const { rate, renewals, lookups, behindMs } = trial;
  const failed = renewals.failed + lookups.failed;
  return (
    `${isHeld(trial) ? "held" : "not held"} ${rate}/s: p99 ${round(renewals.p99Ms)} ms, of lookups ${round(lookups.p99Ms)} ms, ` +
    `${failed} failed, generator at most ${round(behindMs)} ms behind, limit: ${renewals.limit}`
  );
}

async function tryTwice(session: Session, options: HeldRateOptions, rate: number): Promise<Trial> {
  const first = await tryRate(session, options, rate);
  return isHeld(first) ? first : tryRate(session, options, rate);
}

async function tryRate(session: Session, options: HeldRateOptions, rate: number): Promise<Trial> {
  const { parties, renew, lookupsPerSecond, agents } = options;
  const { clock, signal, note } = session.context;
  note(`${rate} renewals/s beside ${lookupsPerSecond} lookups/s ...`);
  const lookup = (i: number) => localLookup(i % agents);
  const { phases, behindMs } = await openLoad(session, {
    subject: "atoll",
    parties,
    seconds: Math.max(SECONDS_MIN, session.options.seconds),
    streams: [
      { phase: `${rate} renewals/s`, ratePerSecond: rate, next: renew },
      { phase: `lookups beside ${rate} renewals/s`, ratePerSecond: lookupsPerSecond, next: lookup },
    ],
  });
  await sleep(clock, REST_MS, signal);
  const [renewals, lookups] = phases as readonly [Phase, Phase];
  return { rate, renewals, lookups, behindMs };
}
