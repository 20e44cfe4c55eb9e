import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { Condition } from "../../../src/node/conditions.ts";
import { ReadinessLog, type ReadinessParts, readinessOf } from "../../../src/node/readiness.ts";
import type { GroupStatus } from "../../../src/raft/index.ts";
import { asNodeId, asNodeName, type NodeId } from "../../../src/types/ids.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { FakeGroups } from "../../support/fake-groups.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const memberOf = (name: string) => ({ id: asNodeId(name), name: asNodeName(name) });

let groups: FakeGroups;
let changes: Partial<GroupStatus>;
let linked: Set<NodeId>;
let waitsFor: string | null;
let isShuttingDown: boolean;
let conditions: Condition[];
let parts: ReadinessParts;
beforeEach(() => {
  groups = new FakeGroups(["a", "b", "c"].map(memberOf), asNodeId("b"));
  changes = {};
  linked = new Set(["b", "c"].map(asNodeId));
  waitsFor = null;
  isShuttingDown = false;
  conditions = [];
  const group = groups.group(asNodeId("a"));
  parts = {
    self: group.self,
    status: () => ({ ...group.status(), ...changes }),
    isLinked: (id) => linked.has(id),
    waitsFor: () => waitsFor,
    isShuttingDown: () => isShuttingDown,
    conditions: () => conditions,
    livePathMs: 600,
  };
});

const reasons = () => readinessOf(parts).reasons;

describe("readiness", () => {
  it("is given while a leader is heard, and not while the node is stopped", () => {
    assert.deepEqual(readinessOf(parts), { ready: true, reasons: [], degraded: [] });
    isShuttingDown = true;
    assert.deepEqual(reasons(), ["this node is shutting down"]);
    assert.equal(readinessOf(parts).ready, false);
  });

  it("is given to a node that does without something, and says what", () => {
    conditions = [{ code: "DISK_LOW", message: "make room" }];
    assert.deepEqual(readinessOf(parts), { ready: true, reasons: [], degraded: conditions });
  });

  it("is not given before the node has its place in the region, and says what it waits for", () => {
    waitsFor = "waits to be added: atoll members add d";
    groups.leader = null;
    assert.deepEqual(reasons(), ["waits to be added: atoll members add d"]);
  });

  it("tells an election from a region without quorum", () => {
    groups.leader = null;
    assert.deepEqual(reasons(), ["no leader of the region is known"]);
    linked.clear();
    assert.match(reasons()[0]!, /without quorum: 1 of its 3 voters are connected, 2 are needed/);
  });

  it("sees a joint configuration without a majority of either half", () => {
    groups.leader = null;
    groups.membership = { ...groups.membership, outgoing: ["a", "x", "y"].map(memberOf) };
    assert.match(reasons()[0]!, /without quorum/);
    groups.membership = { ...groups.membership, outgoing: ["a", "b", "y"].map(memberOf) };
    assert.deepEqual(reasons(), ["no leader of the region is known"]);
  });

  it("P9: is not given while nothing that the region committed has been seen here", () => {
    changes = { stalenessMs: Number.POSITIVE_INFINITY };
    assert.deepEqual(reasons(), ["this node has not caught up with its region yet"]);
  });
});

describe("the readiness log", () => {
  it("says what lasts, once for each reason, and when it is over", async () => {
    const clock = new VirtualClock();
    const said: string[] = [];
    const note = ({ code, reasons = [] }: { code: string; reasons?: unknown }) =>
      void said.push([code, ...(reasons as string[])].join(": "));
    const log = new ReadinessLog(clock, { ...silentLogger, info: note, warn: note }, () => readinessOf(parts));
    log.start();
    await clock.advance(60_000);
    waitsFor = "an election";
    await clock.advance(3_000);
    waitsFor = null;
    await clock.advance(60_000);
    assert.deepEqual(said, []);
    waitsFor = "members";
    await clock.advance(60_000);
    waitsFor = "an operator";
    await clock.advance(60_000);
    waitsFor = null;
    await clock.advance(60_000);
    assert.deepEqual(said, ["NODE_NOT_READY: members", "NODE_NOT_READY: an operator", "NODE_READY"]);
    log.stop();
    waitsFor = "nobody";
    await clock.advance(60_000);
    assert.equal(said.length, 3);
  });
});
