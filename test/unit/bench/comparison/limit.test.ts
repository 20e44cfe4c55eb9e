import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { limitOf } from "../../../../bench/comparison/limit.ts";
import { GENERATOR } from "../../../../bench/comparison/session.ts";

const cost = (name: string, cores: number) => ({ name, cores, cpuMs: 1_000 * cores, rssMiB: 1 });

describe("what limited a load", () => {
  it("is the process that used a core up, the generator too", () => {
    assert.equal(limitOf([cost(GENERATOR, 0.4), cost("node", 0.95)], 2), "node");
    assert.equal(limitOf([cost(GENERATOR, 0.97), cost("node", 0.92)], 2), GENERATOR);
  });

  it("is the machine where no process did, but all of them together", () => {
    const three = [cost("a", 0.6), cost("b", 0.7), cost("c", 0.65)];
    assert.equal(limitOf(three, 2), "all cores");
    assert.equal(limitOf(three, 4), "waiting");
  });

  it("is nothing that processor time shows where there was none", () => {
    assert.equal(limitOf([], 2), "waiting");
  });
});
