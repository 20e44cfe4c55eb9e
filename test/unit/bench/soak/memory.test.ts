import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { livesOf, type MemorySample, trendOf } from "../../../../bench/soak/memory.ts";
import { seededRandom } from "../../../../src/util/random.ts";

const MIB = 2 ** 20;
const RUN_MS = 1_800_000;
const SAMPLE_MS = 5_000;

/** A process from one moment to another. @param at - bytes at a moment since the run began */
function life(pid: number, fromMs: number, toMs: number, at: (atMs: number) => number): MemorySample[] {
  return Array.from({ length: (toMs - fromMs) / SAMPLE_MS }, (_, i) => {
    const atMs = fromMs + i * SAMPLE_MS;
    return { node: "us-east-1", pid, atMs, rssBytes: at(atMs), heapBytes: at(atMs) };
  });
}

describe("memory of a soak", () => {
  it("is flat when it only goes up and down, with bursts", () => {
    const random = seededRandom(1);
    const noisy = () => (100 + 20 * random.next() + (random.next() < 0.05 ? 200 : 0)) * MIB;
    const [only] = livesOf(life(1, 0, RUN_MS, noisy), RUN_MS);
    assert.equal(only?.isJudged, true);
    assert.ok(Math.abs(only?.rss?.growth ?? 1) < 0.03, `${only?.rss?.growth}`);
    assert.ok(Math.abs(only?.heap?.growth ?? 1) < 0.03, `${only?.heap?.growth}`);
  });

  it("shows a leak of one MiB a minute under the same noise", () => {
    const random = seededRandom(1);
    const leaking = (atMs: number) => (100 + 20 * random.next() + atMs / 60_000) * MIB;
    const [only] = livesOf(life(1, 0, RUN_MS, leaking), RUN_MS);
    assert.ok((only?.rss?.growth ?? 0) > 0.1, `${only?.rss?.growth}`);
    assert.ok((only?.heap?.growth ?? 0) > 0.1, `${only?.heap?.growth}`);
  });

  it("leaves out the first third of the run, and the youth of each process", () => {
    const filling = (atMs: number) => (atMs < RUN_MS / 3 ? 50 + (50 * atMs * 3) / RUN_MS : 100) * MIB;
    assert.equal(livesOf(life(1, 0, RUN_MS, filling), RUN_MS)[0]?.rss?.growth, 0);
    const young = (atMs: number) => (atMs < 1_490_000 ? 50 : 100) * MIB;
    assert.equal(livesOf(life(2, 900_000, RUN_MS, young), RUN_MS)[0]?.rss?.growth, 0);
  });

  it("judges each process by itself, and none that lived too short", () => {
    const samples = [...life(1, 0, 700_000, () => 200 * MIB), ...life(2, 705_000, RUN_MS, () => 100 * MIB)];
    const lives = livesOf(samples, RUN_MS);
    assert.deepEqual(
      lives.map(({ pid, isJudged }) => [pid, isJudged]),
      [
        [1, false],
        [2, true],
      ],
    );
    assert.equal(lives[1]?.rss?.growth, 0);
  });

  it("says nothing of a few samples", () => {
    assert.equal(trendOf([[0, 1]]), null);
  });
});
