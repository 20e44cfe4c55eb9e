/**
 * Who is served when not all can be (P12): renewals first, then writes, then lookups, then watches.
 *
 * What tells is how late the event loop is, since all that a node does waits there. As long as it is late while many ask, the
 * pressure rises, and with it the share of requests that are refused: of watches first, and of each class only once all of
 * the one below are. When it is punctual again the pressure falls, more slowly than it rose, so that the load settles at what
 * the node can bear and does not swing. A turn of the loop that is long already is not made longer: what comes late in it is
 * refused as the turn's length alone demands. Renewals are never refused for being late, only beyond a bound that holds for
 * each class: how many may be under way.
 *
 * Writes also wait for the log, of which the loop knows nothing: they can pile up while it is punctual. More than the log
 * lately took in a second are not let in (`ThroughputMeter`): they would be done after their clients gave up, which costs as
 * much, helps nobody, and never ends while the clients come again.
 *
 * A process that stands still while nobody asks is not overloaded by those who do: refusing them would help nobody. While
 * nobody asks there is nothing to look at either, and the guard does not wake the process.
 *
 * Elsewhere: what class a route is of (`load-class.ts`), the refusal (`shed-load.ts`), memory (`node/heap-guard.ts`).
 */

import type { CancelTimer, Clock } from "../util/clock.ts";
import { increment } from "../util/counts.ts";
import { ThroughputMeter } from "./throughput-meter.ts";

export type LoadClass = "renewal" | "write" | "lookup" | "watch";

/** Pressure up to 1 is that of watches, up to 2 that of lookups, up to 3 that of writes. */
const SHED_ORDER: readonly LoadClass[] = ["watch", "lookup", "write"];
export const PRESSURE_MAX = SHED_ORDER.length;

export interface LoadLimits {
  /** The event loop may be as late as this, in milliseconds. */
  readonly lagMsMax: number;
  /** Most requests of a class that are under way. Watches have bounds of their own (`v1/watchers.ts`). */
  readonly underWayMax: Readonly<Record<Exclude<LoadClass, "watch">, number>>;
}

export const LOAD_LIMITS: LoadLimits = {
  lagMsMax: 100,
  underWayMax: { renewal: 16_384, write: 4_096, lookup: 4_096 },
};

/** Writes wait so long at most for those before them, less than a client waits for one try. */
const WRITE_WAIT_MS = 1_000;
/** So many writes may be under way however few were done lately: a node that was idle can not know what it bears. */
const WRITES_ALWAYS = 128;

const SAMPLE_MS = 50;
/** Fewer requests than this since the last sample are not what the loop is late with. */
const BUSY_REQUESTS = 16;
/** What a second adds in which the loop is as late as it may be; one in which it is later adds more, in proportion ... */
const RISE_PER_SECOND = 0.5;
/** ... but one look no more than this: it may have been the collector of garbage. */
const RISE_MAX = 0.5;
/** What a punctual second takes away: from all to nothing in eight of them. */
const FALL_PER_SECOND = 0.4;
/** Below this share of what may be, the loop is punctual; in between the pressure stays. */
const PUNCTUAL_SHARE = 0.5;
/** The node says that it sheds load until it did not for so long. */
const QUIET_MS = 5_000;

export interface LoadGuardOptions {
  readonly clock: Clock;
  readonly limits?: Partial<LoadLimits>;
  /** The least pressure, 0 to `PRESSURE_MAX`, for something other than time that runs short. */
  readonly floor?: () => number;
}

/** The right to be served: `end` is called when the request is over, however it ended. */
export interface Admission {
  readonly end: () => void;
}

export class LoadGuard {
  readonly #clock: Clock;
  readonly #limits: LoadLimits;
  readonly #floor: () => number;
  readonly #underWay = new Map<LoadClass, number>();
  readonly #shed = new Map<LoadClass, number>();
  /** What of each class is owed a refusal, in requests: so that a share is refused evenly, and not by chance. */
  readonly #owed = new Map<LoadClass, number>();
  readonly #writes: ThroughputMeter;
  readonly #admissions: ReadonlyMap<LoadClass, Admission>;
  #cancelSample: CancelTimer | null = null;
  #sampledAt = 0;
  #requests = 0;
  #pressure = 0;
  #pressedAt = Number.NEGATIVE_INFINITY;

  constructor({ clock, limits, floor = () => 0 }: LoadGuardOptions) {
    this.#clock = clock;
    this.#limits = { ...LOAD_LIMITS, ...limits };
    this.#floor = floor;
    this.#writes = new ThroughputMeter(clock);
    const classes: readonly LoadClass[] = ["renewal", ...SHED_ORDER];
    // One for all of a class: a request costs no allocation.
    this.#admissions = new Map(classes.map((name) => [name, { end: () => this.#end(name) }]));
  }

  stop(): void {
    this.#cancelSample?.();
  }

  /** Whether a request of this class is served now; null when it is refused, and counted as such. */
  admit(name: LoadClass): Admission | null {
    if (this.#cancelSample === null) this.#wake();
    this.#requests += 1;
    const underWay = this.#underWay.get(name) ?? 0;
    if (underWay >= this.#underWayMax(name) || this.#isToShed(name)) {
      increment(this.#shed, name);
      this.#pressedAt = this.#clock.now();
      return null;
    }
    this.#underWay.set(name, underWay + 1);
    if (name === "write") this.#writes.begin();
    return this.#admissions.get(name)!;
  }

  /** From 0, nothing is shed, to `PRESSURE_MAX`, renewals alone are served. */
  get pressure(): number {
    return Math.min(Math.max(this.#pressure, this.#pressureOfTurn(), this.#floor()), PRESSURE_MAX);
  }

  /** Whether requests are being refused, or were a moment ago. */
  get isShedding(): boolean {
    return this.#clock.now() - this.#pressedAt < QUIET_MS;
  }

  /** Requests refused since the start, by class. */
  get shedTotal(): ReadonlyMap<string, number> {
    return this.#shed;
  }

  /** Requests that are being served, by class. */
  get underWay(): ReadonlyMap<string, number> {
    return this.#underWay;
  }

  /** Of the turn that goes on: 1 when it is as late as two turns may be, and so on. */
  #pressureOfTurn(): number {
    return this.#requests < BUSY_REQUESTS ? 0 : this.#lateMs() / this.#limits.lagMsMax - 1;
  }

  #lateMs(): number {
    return Math.max(0, this.#clock.now() - this.#sampledAt - SAMPLE_MS);
  }

  #underWayMax(name: LoadClass): number {
    if (name === "watch") return Number.POSITIVE_INFINITY;
    const most = this.#limits.underWayMax[name];
    if (name !== "write" || !this.#writes.isWaiting) return most;
    return Math.min(most, Math.max(WRITES_ALWAYS, (this.#writes.perSecond * WRITE_WAIT_MS) / 1_000));
  }

  #isToShed(name: LoadClass): boolean {
    const rank = SHED_ORDER.indexOf(name);
    const share = rank === -1 ? 0 : Math.min(Math.max(this.pressure - rank, 0), 1);
    if (share === 0) return false;
    const owed = (this.#owed.get(name) ?? 0) + share;
    this.#owed.set(name, owed >= 1 ? owed - 1 : owed);
    return owed >= 1;
  }

  #end(name: LoadClass): void {
    if (name === "write") this.#writes.end();
    this.#underWay.set(name, this.#underWay.get(name)! - 1);
  }

  #wake(): void {
    this.#sampledAt = this.#clock.now();
    this.#sampleLater();
  }

  #sampleLater(): void {
    this.#cancelSample = this.#clock.schedule(SAMPLE_MS, () => this.#sample());
  }

  #sample(): void {
    const isAtRest = this.#requests === 0 && this.#pressure === 0 && this.#writes.isIdle;
    this.#writes.sample();
    const now = this.#clock.now();
    const seconds = (now - this.#sampledAt) / 1_000;
    const lateness = this.#lateMs() / this.#limits.lagMsMax;
    this.#sampledAt = now;
    const isBusy = this.#requests >= BUSY_REQUESTS;
    this.#requests = 0;
    if (lateness > 1 && isBusy) this.#pressure += Math.min(RISE_PER_SECOND * seconds * lateness, RISE_MAX);
    else if (lateness < PUNCTUAL_SHARE || !isBusy) this.#pressure -= FALL_PER_SECOND * seconds;
    this.#pressure = Math.min(Math.max(this.#pressure, 0), PRESSURE_MAX);
    if (isAtRest) this.#cancelSample = null;
    else this.#sampleLater();
  }
}
