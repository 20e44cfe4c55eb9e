/**
 * Everybody who reads a node's activity.
 *
 * A reader begins with all that the node holds, or goes on after the last event it saw. It has a place in the list that
 * all share, and no queue of its own: who reads too slowly is told `resync`, and goes on with what is still held.
 */

import { Readable } from "node:stream";
import { RegistryError } from "../../registry/errors.ts";
import type { RegionId } from "../../types/ids.ts";
import { type CancelTimer, type Clock, repeat } from "../../util/clock.ts";
import { jitter, type Random } from "../../util/random.ts";
import { ApiError } from "../api-error.ts";
import type { Activity, ActivityEntry } from "../ports.ts";
import { sayGoodbye } from "./event-stream.ts";
import { eventText, heartbeat, retryAdvice } from "./watch-frames.ts";

export const ACTIVITY_READERS_MAX = 256;
const BUFFER_BYTES_MAX = 64 * 1024;
const HEARTBEAT_MS = 15_000;
/** A reader whose connection takes nothing for so long is closed. */
const STALL_MS = 60_000;
/** When readers whose connection broke should come again, on average. */
const RETRY_MS = 1_000;

export interface ActivityReadersOptions {
  /** This node's own. */
  readonly region: RegionId;
  readonly activity: Activity;
  readonly clock: Clock;
  readonly random: Random;
}

export class ActivityReaders {
  readonly #options: ActivityReadersOptions;
  readonly #all = new Set<Reader>();
  readonly #stops: CancelTimer[];
  #isClosed = false;

  constructor(options: ActivityReadersOptions) {
    this.#options = options;
    const { activity, clock } = options;
    this.#stops = [
      activity.listen(() => {
        for (const reader of this.#all) reader.serve();
      }),
      repeat(clock, HEARTBEAT_MS, () => {
        for (const reader of this.#all) reader.beat();
      }),
    ];
  }

  /**
   * Begins to tell. It ends when the stream is destroyed, which the server does when its connection closes.
   *
   * @param lastEventId - after which to go on; anything that this process did not give means to begin anew
   * @throws ApiError OVERLOADED: as many read as may
   * @throws RegistryError STOPPING
   */
  open(lastEventId: string): Readable {
    const { region, activity, clock, random } = this.#options;
    if (this.#isClosed) throw new RegistryError("this node is shutting down", { code: "STOPPING", region });
    if (this.#all.size >= ACTIVITY_READERS_MAX) {
      throw new ApiError({ code: "OVERLOADED", watchersMax: ACTIVITY_READERS_MAX });
    }
    const reader = new Reader(activity, clock, placeOf(activity, lastEventId));
    reader.stream.once("close", () => this.#all.delete(reader));
    this.#all.add(reader);
    reader.say(retryAdvice(jitter(random, RETRY_MS, 0.5)));
    reader.serve();
    reader.say(eventText("ready", {}, idOf(activity, activity.last)));
    return reader.stream;
  }

  /** Says goodbye to all, so that they go elsewhere at once, and takes nobody in any more. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const stop of this.#stops) stop();
    sayGoodbye(this.#all, this.#options);
  }
}

class Reader {
  readonly stream: Readable;
  readonly #activity: Activity;
  readonly #clock: Clock;
  /** Sequence number of what it was told last. */
  #told: number;
  /** What was lost up to here it does not miss, or was told that it does. */
  #lossTold: number;
  /** Since when the connection takes nothing; null while it does. */
  #blockedAtMs: number | null = null;

  /** @param told - after which to go on; null to begin with what is held */
  constructor(activity: Activity, clock: Clock, told: number | null) {
    this.#activity = activity;
    this.#clock = clock;
    this.#told = told ?? 0;
    this.#lossTold = told === null ? activity.lostUpTo : 0;
    this.stream = new Readable({
      highWaterMark: BUFFER_BYTES_MAX,
      read: () => {
        if (this.#blockedAtMs === null) return;
        this.#blockedAtMs = null;
        this.serve();
      },
    });
  }

  /** Tells what there is, as much as the connection takes. */
  serve(): void {
    while (this.#blockedAtMs === null) {
      const entry = this.#activity.after(this.#told);
      if (entry === undefined) return;
      const { lostUpTo } = this.#activity;
      if (lostUpTo > Math.max(this.#told, this.#lossTold)) {
        this.#lossTold = lostUpTo;
        this.say(eventText("resync", { reason: "slow" }));
      }
      this.#told = entry.sequence;
      this.say(frame(this.#activity, entry));
    }
  }

  say(text: string): void {
    if (!this.stream.destroyed && !this.stream.push(text)) this.#blockedAtMs ??= this.#clock.now();
  }

  beat(): void {
    if (this.#blockedAtMs === null) this.say(heartbeat(idOf(this.#activity, this.#told)));
    else if (this.#clock.now() - this.#blockedAtMs >= STALL_MS) this.stream.destroy();
  }
}

function frame(activity: Activity, { sequence, atMs, event: { kind, ...facts } }: ActivityEntry): string {
  return eventText(kind, { atMs, ...facts }, idOf(activity, sequence));
}

function idOf({ run }: Activity, sequence: number): string {
  return `${run}:${sequence}`;
}

/** What a reader saw last; null when it begins anew. */
function placeOf({ run, last }: Activity, lastEventId: string): number | null {
  const [givenBy, sequence = ""] = lastEventId.split(":", 2);
  if (givenBy !== run || !/^\d{1,15}$/.test(sequence)) return null;
  return Math.min(Number(sequence), last);
}
