import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GiveWay } from "../../../src/registry/give-way.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

describe("registry/give-way", () => {
  const clock = new VirtualClock();
  const begun: string[] = [];
  const work = (giveWay: GiveWay, name: string, amount: number) => giveWay.before(amount).then(() => begun.push(name));

  it("begins at once what the turn has room for, and the rest in turns of their own, in order", async () => {
    const giveWay = new GiveWay(clock, 10);
    for (const [name, amount] of [
      ["a", 6],
      ["b", 4],
      ["c", 6],
      ["d", 6],
    ] as const) {
      void work(giveWay, name, amount);
    }
    await Promise.resolve();
    await Promise.resolve();
    assert.deepEqual(begun.splice(0), ["a", "b"]);
    await clock.advance(0);
    assert.deepEqual(begun.splice(0), ["c", "d"]);
  });

  it("lets work that is larger than any turn begin, alone", async () => {
    const giveWay = new GiveWay(clock, 10);
    void work(giveWay, "small", 1);
    void work(giveWay, "huge", 1_000);
    await Promise.resolve();
    await Promise.resolve();
    assert.deepEqual(begun.splice(0), ["small"]);
    await clock.advance(0);
    assert.deepEqual(begun.splice(0), ["huge"]);
  });

  it("never keeps waiting what is no work", async () => {
    const giveWay = new GiveWay(clock, 10);
    void work(giveWay, "huge", 1_000);
    await giveWay.before(0);
    assert.deepEqual(begun.splice(0), ["huge"]);
  });
});
