import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type LoadClass, LoadGuard, type LoadGuardOptions, PRESSURE_MAX } from "../../../src/api/load-guard.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const CLASSES: readonly LoadClass[] = ["renewal", "write", "lookup", "watch"];

interface Tally {
  asked: number;
  served: number;
}

/** An event loop of virtual time: what arrived during one turn is answered in the next, and costs processor time. */
class Loop {
  readonly clock = new VirtualClock();
  readonly guard: LoadGuard;
  longestTurnMs = 0;
  #tallies = new Map<LoadClass, Tally>();
  #arrivals = new Map<LoadClass, number>();

  constructor(options: Omit<LoadGuardOptions, "clock"> = {}) {
    this.guard = new LoadGuard({ clock: this.clock, ...options });
  }

  /** @param perSecond - requests of each class; one that is served takes `SERVED_MS`, one that is refused `REFUSED_MS` */
  async run(ms: number, perSecond: Partial<Record<LoadClass, number>>): Promise<Record<LoadClass, Tally>> {
    this.#tallies = new Map(CLASSES.map((name) => [name, { asked: 0, served: 0 }]));
    this.longestTurnMs = 0;
    const endMs = this.clock.now() + ms;
    let turnMs = 1;
    while (this.clock.now() < endMs) {
      const beganMs = this.clock.now();
      for (const name of CLASSES) this.#answer(name, ((perSecond[name] ?? 0) * turnMs) / 1_000);
      if (this.clock.now() === beganMs) this.clock.stall(1);
      turnMs = this.clock.now() - beganMs;
      this.longestTurnMs = Math.max(this.longestTurnMs, turnMs);
      await this.clock.advance(0);
    }
    return Object.fromEntries(this.#tallies) as Record<LoadClass, Tally>;
  }

  #answer(name: LoadClass, arrived: number): void {
    const due = (this.#arrivals.get(name) ?? 0) + arrived;
    const tally = this.#tallies.get(name)!;
    for (let i = 0; i < Math.floor(due); i++) {
      tally.asked++;
      const admission = this.guard.admit(name);
      admission?.end();
      if (admission !== null) tally.served++;
      this.clock.stall(admission === null ? REFUSED_MS : SERVED_MS);
    }
    this.#arrivals.set(name, due % 1);
  }
}

/** What writes wait for, in the order in which they came. */
class Log {
  readonly #guard: LoadGuard;
  readonly #waiting: { end: () => void; sinceMs: number }[] = [];

  constructor(guard: LoadGuard) {
    this.#guard = guard;
  }

  /** @param load - writes of each second: how many are asked for, and how many can be done */
  async run(clock: VirtualClock, load: { seconds: number; asked: number; doneMost: number }) {
    const seen = { refused: 0, done: 0, waitMsMax: 0 };
    for (let step = 0; step < load.seconds * STEPS; step++) {
      for (let i = 0; i < load.asked / STEPS; i++) {
        const admission = this.#guard.admit("write");
        if (admission === null) seen.refused++;
        else this.#waiting.push({ end: admission.end, sinceMs: clock.now() });
      }
      await clock.advance(1_000 / STEPS);
      for (const { end, sinceMs } of this.#waiting.splice(0, load.doneMost / STEPS)) {
        end();
        seen.done++;
        seen.waitMsMax = Math.max(seen.waitMsMax, clock.now() - sinceMs);
      }
    }
    return seen;
  }
}

const STEPS = 50;
const SERVED_MS = 0.2;
const REFUSED_MS = 0.03;
/** What a loop with these costs can just serve: 5,000 requests in a second. */
const SUSTAINABLE = { renewal: 1_000, write: 1_000, lookup: 2_500, watch: 500 };

function times(factor: number): Record<LoadClass, number> {
  const { renewal, write, lookup, watch } = SUSTAINABLE;
  return { renewal, write: write * factor, lookup: lookup * factor, watch: watch * factor };
}

const share = ({ asked, served }: Tally) => served / asked;

describe("the load guard", () => {
  it("serves everything while the loop is punctual", async () => {
    const loop = new Loop();
    const tallies = await loop.run(20_000, times(0.7));
    assert.deepEqual(
      CLASSES.map((name) => share(tallies[name])),
      [1, 1, 1, 1],
    );
    assert.deepEqual([loop.guard.pressure, loop.guard.isShedding], [0, false]);
  });

  it("P12: at four times the sustainable load renewals are all served, then writes, then lookups, and turns stay short", async () => {
    const loop = new Loop();
    await loop.run(10_000, times(4));
    const { renewal, write, lookup, watch } = await loop.run(60_000, times(4));
    assert.equal(share(renewal), 1);
    assert.ok(share(write) > share(lookup) && share(lookup) >= share(watch), JSON.stringify({ write, lookup, watch }));
    assert.ok(share(watch) < 0.05, JSON.stringify(watch));
    assert.ok(loop.longestTurnMs < 400, `${loop.longestTurnMs}`);
    assert.equal(loop.guard.isShedding, true);
  });

  it("P12: serves everything again seconds after the load is over", async () => {
    const loop = new Loop();
    await loop.run(60_000, times(4));
    await loop.run(8_000, times(0.7));
    const after = await loop.run(10_000, times(0.7));
    assert.deepEqual(
      CLASSES.map((name) => share(after[name])),
      [1, 1, 1, 1],
    );
    assert.deepEqual([loop.guard.pressure, loop.guard.isShedding], [0, false]);
  });

  it("settles: from one second to the next it serves about as many", async () => {
    const loop = new Loop();
    await loop.run(20_000, times(4));
    const served: number[] = [];
    for (let second = 0; second < 30; second++) {
      const tallies = await loop.run(1_000, times(4));
      served.push(CLASSES.reduce((sum, name) => sum + tallies[name].served, 0));
    }
    assert.ok(Math.min(...served) > 0.5 * Math.max(...served), `${served}`);
  });

  it("does not make a turn longer that is long already, and thinks no more of it when it was the only one", async () => {
    const { guard, clock } = new Loop();
    const refusedAfter = (ms: number) => {
      clock.stall(ms);
      for (let i = 0; i < 16; i++) guard.admit("renewal");
      return CLASSES.filter((name) => guard.admit(name) === null);
    };
    assert.deepEqual(refusedAfter(500), [], "nobody had asked until then");
    await clock.advance(10);
    assert.deepEqual(
      [refusedAfter(90), refusedAfter(150), refusedAfter(100), refusedAfter(100)],
      [[], ["watch"], ["lookup", "watch"], ["write", "lookup", "watch"]],
    );
    await clock.advance(3_000);
    assert.deepEqual(refusedAfter(0), []);
  });

  it("does not wake the process while nobody asks, and is there with the first who does", async (test) => {
    const loop = new Loop();
    const { guard, clock } = loop;
    await loop.run(10_000, times(4));
    assert.ok(guard.pressure > 0);
    await clock.advance(10_000);
    const { mock } = test.mock.method(clock, "schedule");
    await clock.advance(60_000);
    assert.equal(mock.callCount(), 0);
    const write = guard.admit("write");
    await clock.advance(60_000);
    assert.ok(mock.callCount() > 1_000, "as long as one is not done it may be waiting");
    write?.end();
    await clock.advance(100);
    const calls = mock.callCount();
    await clock.advance(60_000);
    assert.equal(mock.callCount(), calls);
  });

  it("refuses nobody for a standstill that nobody's requests make", async () => {
    const loop = new Loop();
    for (let i = 0; i < 100; i++) {
      loop.clock.stall(1_000);
      await loop.clock.advance(0);
      assert.ok(loop.guard.admit("watch") !== null);
    }
  });

  it("bounds how many of a class are under way, renewals too", () => {
    const { guard } = new Loop({ limits: { underWayMax: { renewal: 2, write: 1, lookup: 1 } } });
    const first = guard.admit("renewal");
    assert.ok(first !== null && guard.admit("renewal") !== null);
    assert.equal(guard.admit("renewal"), null);
    assert.ok(guard.admit("write") !== null, "each class has its own");
    first.end();
    assert.ok(guard.admit("renewal") !== null);
    assert.deepEqual([...guard.shedTotal], [["renewal", 1]]);
  });

  it("P12: lets in no more writes than were done in a second lately, however punctual the loop is", async () => {
    const { guard, clock } = new Loop();
    const done = new Log(guard);
    // 400 of 500 a second, then 400 of 2,000.
    const calm = await done.run(clock, { seconds: 10, asked: 400, doneMost: 500 });
    assert.deepEqual([calm.refused, guard.pressure], [0, 0]);
    const crowded = await done.run(clock, { seconds: 30, asked: 2_000, doneMost: 500 });
    assert.ok(crowded.refused > 0);
    assert.ok(crowded.waitMsMax < 2_500, `${crowded.waitMsMax}`);
    assert.ok(crowded.done >= 500 * 29, "as many are done as can be");
    const after = await done.run(clock, { seconds: 10, asked: 400, doneMost: 500 });
    const last = await done.run(clock, { seconds: 5, asked: 400, doneMost: 500 });
    assert.ok(after.refused < after.done, "it lets them in again");
    assert.deepEqual([last.refused, last.waitMsMax <= 250], [0, true]);
  });

  it("takes the writes of an idle node that come at once, and those that wait for an election", async () => {
    const { guard, clock } = new Loop();
    const burst = Array.from({ length: 2_000 }, () => guard.admit("write"));
    assert.ok(burst.every((admission) => admission !== null));
    for (const admission of burst) admission?.end();
    const log = new Log(guard);
    await log.run(clock, { seconds: 5, asked: 1_000, doneMost: 2_000 });
    const { refused } = await log.run(clock, { seconds: 0.6, asked: 1_000, doneMost: 0 });
    assert.equal(refused, 0);
  });

  it("P12: has few writes under way when none is done any more", async () => {
    const { guard, clock } = new Loop();
    const log = new Log(guard);
    await log.run(clock, { seconds: 20, asked: 1_000, doneMost: 0 });
    assert.ok((guard.underWay.get("write") ?? 0) <= 300, `${guard.underWay.get("write")}`);
    assert.ok(guard.admit("renewal") !== null && guard.admit("lookup") !== null);
  });

  it("refuses what a floor says, and never more than everything but renewals", () => {
    let floor = 1;
    const { guard } = new Loop({ floor: () => floor });
    assert.deepEqual(
      CLASSES.filter((name) => guard.admit(name) === null),
      ["watch"],
    );
    floor = 2;
    assert.deepEqual(
      CLASSES.filter((name) => guard.admit(name) === null),
      ["lookup", "watch"],
    );
    floor = 100;
    assert.equal(guard.pressure, PRESSURE_MAX);
    assert.ok(guard.admit("renewal") !== null);
  });
});
