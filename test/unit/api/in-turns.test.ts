import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mapInTurns } from "../../../src/api/in-turns.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

describe("mapInTurns", () => {
  it("gives the results in the order of the items", async () => {
    const clock = new VirtualClock();
    assert.deepEqual(await mapInTurns([3, 1, 2], clock, (item) => item * 2), [6, 2, 4]);
    assert.deepEqual(await mapInTurns([], clock, (item) => item), []);
  });

  it("lets others have their turn each time 10 ms have passed", async () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    clock.schedule(0, () => seen.push("other"));
    const mapped = mapInTurns(["a", "b", "c", "d", "e"], clock, (item) => {
      clock.stall(5);
      seen.push(item);
    });
    await clock.advance(100);
    await mapped;
    assert.deepEqual(seen, ["a", "b", "other", "c", "d", "e"]);
  });

  it("rejects with what the work throws", async () => {
    const clock = new VirtualClock();
    const fail = () => {
      throw new Error("broken");
    };
    await assert.rejects(mapInTurns([1], clock, fail), /broken/);
  });
});
