import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { ConfiguredMembers } from "../../../src/node/configured-members.ts";
import { asNodeId, asNodeName } from "../../../src/types/ids.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { FakeGroups } from "../../support/fake-groups.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const memberOf = (name: string, id = name) => ({ id: asNodeId(id), name: asNodeName(name) });

let clock: VirtualClock;
let groups: FakeGroups;
let said: string[];
let watch: ConfiguredMembers;
beforeEach(() => {
  clock = new VirtualClock();
  groups = new FakeGroups(
    ["c", "a", "b"].map((name) => memberOf(name)),
    asNodeId("a"),
  );
  said = [];
  const warn = (event: { code: string; configured?: unknown; actual?: unknown }) =>
    void said.push(`${event.code}: ${event.configured} / ${event.actual}`);
  const status = () => groups.group(asNodeId("a")).status();
  watch = new ConfiguredMembers(["b", "c", "a"], status, clock, { ...silentLogger, warn });
});

describe("configured members", () => {
  it("are not spoken of while they are the region's, in whatever order", async () => {
    await clock.advance(60_000);
    assert.deepEqual(said, []);
  });

  it("F15: that differ from the region's are said once, with both lists", async () => {
    groups.change({ type: "add", member: memberOf("d"), becomes: "learner" });
    await clock.advance(60_000);
    assert.deepEqual(said, ["MEMBERS_DIFFER: a b c / a b c d"]);
    groups.change({ type: "remove", id: asNodeId("c") });
    await clock.advance(60_000);
    assert.deepEqual(said.at(-1), "MEMBERS_DIFFER: a b c / a b d");
    watch.stop();
    groups.change({ type: "remove", id: asNodeId("b") });
    await clock.advance(60_000);
    assert.equal(said.length, 2);
  });

  it("are not spoken of before the region is known, during a change, or while a member is being replaced", async () => {
    const { membership } = groups;
    groups.membership = { ...membership, voters: [] };
    await clock.advance(60_000);
    groups.membership = { ...membership, voters: [memberOf("a")] };
    groups.isChanging = true;
    await clock.advance(60_000);
    groups.membership = membership;
    groups.isChanging = false;
    groups.change({ type: "add", member: memberOf("c", "c2"), becomes: "voter" });
    await clock.advance(60_000);
    assert.deepEqual(said, []);
  });
});
