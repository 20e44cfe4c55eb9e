import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { RaftError } from "../../../src/raft/index.ts";
import { Reads } from "../../../src/raft/reads.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

function desk() {
  const clock = new VirtualClock();
  const asked: number[] = [];
  const counted: string[] = [];
  const reads = new Reads({
    clock,
    retryMs: 200,
    firstRequest: 40,
    ask: (requests) => asked.push(...requests),
    metrics: { read: (outcome) => counted.push(outcome) },
  });
  const ended: string[] = [];
  const wait = (name: string, timeoutMs = 1_000) => {
    const note = (how: string) => ended.push(`${name} ${how}`);
    reads.wait(timeoutMs).then(
      () => note("ok"),
      (error: RaftError) => note(error.detail.code),
    );
  };
  return { clock, asked, reads, ended, counted, wait };
}

describe("raft/reads (R54, R56)", () => {
  it("barriers of one turn share a request", async () => {
    const { clock, asked, reads, ended, wait } = desk();
    wait("a");
    wait("b");
    await clock.advance(0);
    assert.deepEqual(asked, [40]);
    reads.confirmed(40, 5, 5);
    await clock.advance(0);
    assert.deepEqual(ended, ["a ok", "b ok"]);
  });

  it("counts each barrier by how it ended", async () => {
    const { clock, reads, counted, wait } = desk();
    wait("a");
    wait("b", 100);
    await clock.advance(100);
    reads.confirmed(40, 5, 4);
    reads.applied(5);
    wait("c");
    reads.stop();
    assert.deepEqual(counted, ["NO_LEADER", "done", "STOPPED"]);
  });

  it("a later turn asks under a number of its own", async () => {
    const { clock, asked, reads, ended, wait } = desk();
    wait("a");
    await clock.advance(0);
    wait("b");
    await clock.advance(0);
    assert.deepEqual(asked, [40, 41]);
    reads.confirmed(40, 5, 5);
    await clock.advance(0);
    assert.deepEqual(ended, ["a ok"], "what confirms the first says nothing about the second");
  });

  it("begins to count where it is told, so that an answer to a former life fits nothing", async () => {
    const { clock, reads, ended, wait } = desk();
    wait("a");
    await clock.advance(0);
    reads.confirmed(1, 5, 5);
    await clock.advance(0);
    assert.deepEqual(ended, []);
  });

  it("ends when this node has applied the index that was confirmed (R56)", async () => {
    const { clock, reads, ended, wait } = desk();
    wait("a");
    await clock.advance(0);
    reads.confirmed(40, 7, 5);
    reads.applied(6);
    await clock.advance(0);
    assert.deepEqual(ended, []);
    reads.applied(7);
    await clock.advance(0);
    assert.deepEqual(ended, ["a ok"]);
  });

  it("asks again under a new number after a silence; the old answer counts for nothing", async () => {
    const { clock, asked, reads, ended, wait } = desk();
    wait("a");
    await clock.advance(200);
    assert.deepEqual(asked, [40, 41]);
    reads.confirmed(40, 5, 9);
    await clock.advance(0);
    assert.deepEqual(ended, []);
    reads.confirmed(41, 5, 9);
    await clock.advance(0);
    assert.deepEqual(ended, ["a ok"]);
  });

  it("asks again after a refusal, and at once when the leader changed", async () => {
    const { clock, asked, reads, wait } = desk();
    wait("a");
    await clock.advance(0);
    reads.refused(40);
    assert.deepEqual(asked, [40]);
    await clock.advance(200);
    assert.deepEqual(asked, [40, 41]);
    reads.leaderChanged();
    assert.deepEqual(asked, [40, 41, 42]);
  });

  it("keeps asking until the wait ends, then says that there was no leader", async () => {
    const { clock, asked, ended, wait } = desk();
    wait("a", 1_000);
    await clock.advance(999);
    assert.equal(asked.length, 5);
    assert.deepEqual(ended, []);
    await clock.advance(1);
    assert.deepEqual(ended, ["a NO_LEADER"]);
    await clock.advance(2_000);
    assert.equal(asked.length, 5, "nobody waits any more");
  });

  it("the end of one wait leaves the others of its turn alone", async () => {
    const { clock, reads, ended, wait } = desk();
    wait("short", 100);
    wait("long", 1_000);
    await clock.advance(150);
    reads.confirmed(40, 5, 5);
    await clock.advance(0);
    assert.deepEqual(ended, ["short NO_LEADER", "long ok"]);
  });

  it("a confirmed read that is not applied in time ends as well", async () => {
    const { clock, reads, ended, wait } = desk();
    wait("a", 100);
    await clock.advance(0);
    reads.confirmed(40, 7, 5);
    await clock.advance(100);
    reads.applied(7);
    await clock.advance(0);
    assert.deepEqual(ended, ["a NO_LEADER"]);
  });

  it("all end when the node stops, whatever they wait for", async () => {
    const { clock, reads, ended, wait } = desk();
    wait("confirmed");
    await clock.advance(0);
    reads.confirmed(40, 7, 5);
    wait("asked");
    await clock.advance(0);
    wait("gathering");
    reads.stop();
    await clock.advance(0);
    assert.deepEqual(ended.sort(), ["asked STOPPED", "confirmed STOPPED", "gathering STOPPED"]);
  });
});
