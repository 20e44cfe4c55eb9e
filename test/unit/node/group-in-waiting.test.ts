import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { GroupInWaiting } from "../../../src/node/group-in-waiting.ts";
import { RaftError, type StateMachine } from "../../../src/raft/index.ts";
import { asNodeId } from "../../../src/types/ids.ts";
import { type InstantGroup, InstantRegion } from "../../support/instant-group.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const COMMAND = new Uint8Array([1]);
const counting: StateMachine = {
  apply: (_command, index) => ({ result: index, writes: [] }),
  restore: async () => {},
};

let clock: VirtualClock;
let group: GroupInWaiting;
let real: InstantGroup;
beforeEach(() => {
  clock = new VirtualClock();
  group = new GroupInWaiting(asNodeId("node-1"), clock);
  real = new InstantRegion().join(counting);
});

describe("a group in waiting", () => {
  it("knows no leader and no members before the founding", () => {
    const { leader, membership, sinceLeaderMs, stalenessMs } = group.status();
    assert.deepEqual([leader, membership.voters], [null, []]);
    assert.deepEqual([sinceLeaderMs, stalenessMs], [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
  });

  it("lets a write wait for the founding, and no longer than it may", async () => {
    const waiting = group.propose(COMMAND, { timeoutMs: 1_000 });
    await clock.advance(900);
    group.attach(real);
    assert.equal((await waiting).result, 1);

    const unfounded = new GroupInWaiting(asNodeId("node-2"), clock);
    const late = assert.rejects(
      unfounded.propose(COMMAND, { timeoutMs: 1_000 }),
      (error) => error instanceof RaftError && error.detail.code === "NO_LEADER",
    );
    await clock.advance(1_000);
    await late;
  });

  it("is the group itself from the founding on, for those who listened before as well", async () => {
    const heard: string[] = [];
    group.onStatusChange(({ role }) => heard.push(role));
    group.attach(real);
    real.tellStatus();
    assert.deepEqual(heard, ["leader"]);
    assert.equal(group.status().leader, real.self);
    await group.readBarrier({ timeoutMs: 1 });
    assert.equal((await group.confirmLeadership({ timeoutMs: 1 })).term, 1);
  });

  it("stops telling those who stopped listening before the founding", () => {
    const heard: string[] = [];
    const stop = group.onStatusChange(({ role }) => heard.push(role));
    stop();
    group.attach(real);
    real.tellStatus();
    assert.deepEqual(heard, []);
  });
});
