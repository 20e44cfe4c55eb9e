import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { heartbeatAsOf, sinceConfirmedMs, stamp, UNCONFIRMED } from "../../../../src/raft/core/freshness.ts";
import { Bench, HEARTBEAT, heartbeatAnswer, n1, n2, n3, sent, theOne, votersUpTo } from "../../../support/raft-core.ts";

const UNKNOWN = Number.NEGATIVE_INFINITY;

/** A follower that has answered its leader, and what it said. */
function answered() {
  const bench = new Bench();
  const answer = theOne(bench.receive(n2, { ...HEARTBEAT, sentAt: 77 }, 1), "heartbeatResponse");
  /** What it makes of a heartbeat that echoes that answer. */
  const asOf = (fields: Partial<typeof HEARTBEAT | Record<"echo" | "echoHeldMs" | "sinceQuorumMs", number>>) =>
    heartbeatAsOf(bench.state, {
      ...{ ...HEARTBEAT, echo: answer.sentAt, ...fields },
      ...{ from: n2, to: n1, term: 1 },
    } as Parameters<typeof heartbeatAsOf>[1]);
  return { bench, answer, asOf, answeredAt: bench.now };
}

describe("raft/core/freshness: a follower", () => {
  it("P9: knows that a heartbeat left after its own answer that this echoes, however long it was on its way", () => {
    const { bench, answer, asOf, answeredAt } = answered();
    assert.equal(answer.echo, 77);
    bench.tick(250);
    assert.equal(asOf({}), answeredAt);
    assert.equal(asOf({ echoHeldMs: 40 }), answeredAt + 40);
    assert.equal(asOf({ echoHeldMs: 40, sinceQuorumMs: 100 }), answeredAt - 60);
  });

  it("P9: knows nothing from one that echoes nothing, or that no quorum has confirmed", () => {
    const { asOf } = answered();
    assert.equal(asOf({ echo: 0 }), UNKNOWN);
    assert.equal(asOf({ sinceQuorumMs: UNCONFIRMED }), UNKNOWN);
  });

  it("P9: takes no echo of what it has not said yet, as of a process before it, or a leader that held it longer than it is", () => {
    const { bench, asOf } = answered();
    assert.equal(asOf({ echo: stamp(bench.state) + 1 }), UNKNOWN);
    assert.equal(asOf({ echoHeldMs: 1 }), UNKNOWN);
  });

  it("counts its stamps from elsewhere in each process", () => {
    const stamps = [1, 2, 3].map((seed) => stamp(new Bench({ seed }).state));
    assert.equal(new Set(stamps).size, 3);
    assert.ok(stamps.every((one) => Number.isSafeInteger(one) && one > 0));
  });
});

describe("raft/core/freshness: a leader", () => {
  const heartbeatTo = (bench: Bench, ready = bench.tick(50)) => sent(ready, "heartbeat", n2)[0]!;

  it("P9: is as current as the heartbeats that a quorum answered, not as the answers' arrival", () => {
    const bench = new Bench();
    bench.leadWithAllCaughtUp(n2, n3);
    assert.equal(sinceConfirmedMs(bench.state, bench.now), Number.POSITIVE_INFINITY);
    const { sentAt } = heartbeatTo(bench);
    bench.tick(200);
    bench.receive(n2, { ...heartbeatAnswer(), echo: sentAt });
    assert.equal(sinceConfirmedMs(bench.state, bench.now), 200);
    assert.equal(sinceConfirmedMs(bench.state, bench.now + 30), 230);
  });

  it("P9: is not made younger by an answer to an older heartbeat, nor by one that it never sent", () => {
    const bench = new Bench();
    bench.leadWithAllCaughtUp(n2, n3);
    const older = heartbeatTo(bench);
    const newer = heartbeatTo(bench);
    bench.receive(n2, { ...heartbeatAnswer(), echo: newer.sentAt });
    bench.receive(n2, { ...heartbeatAnswer(), echo: older.sentAt });
    bench.receive(n3, { ...heartbeatAnswer(), echo: newer.sentAt + 1_000_000 });
    assert.equal(sinceConfirmedMs(bench.state, bench.now), 0);
    bench.tick(40);
    assert.equal(sinceConfirmedMs(bench.state, bench.now), 40);
  });

  it("says how long it held the answer that it echoes", () => {
    const bench = new Bench();
    bench.leadWithAllCaughtUp(n2, n3);
    assert.deepEqual([heartbeatTo(bench).echo, heartbeatTo(bench).echoHeldMs], [0, 0]);
    bench.receive(n2, { ...heartbeatAnswer(), sentAt: 4_711 });
    const { echo, echoHeldMs, sinceQuorumMs } = heartbeatTo(bench);
    assert.deepEqual([echo, echoHeldMs], [4_711, 50]);
    assert.equal(sinceQuorumMs, UNCONFIRMED, "no heartbeat that it could name was answered");
  });

  it("P9: does not call what it has current before it knows what former leaders committed (§6.4)", () => {
    const bench = new Bench();
    bench.elect(n2, n3);
    bench.receive(n2, { ...heartbeatAnswer(), echo: heartbeatTo(bench).sentAt });
    assert.equal(heartbeatTo(bench).sinceQuorumMs, UNCONFIRMED);
    bench.persisted();
    bench.acknowledge(n2);
    assert.ok(heartbeatTo(bench).sinceQuorumMs < UNCONFIRMED);
  });

  it("alone is always current", () => {
    const bench = new Bench({ membership: votersUpTo(1) });
    bench.elect();
    assert.equal(sinceConfirmedMs(bench.state, bench.now + 5), 0);
  });
});
