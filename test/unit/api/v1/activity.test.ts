import assert from "node:assert/strict";
import type { Readable } from "node:stream";
import { describe, it } from "node:test";
import { ACTIVITY_READERS_MAX, ActivityReaders } from "../../../../src/api/v1/activity-readers.ts";
import type { ActivityLog } from "../../../../src/node/activity-log.ts";
import { asRegionId } from "../../../../src/types/ids.ts";
import { seededRandom } from "../../../../src/util/random.ts";
import { createTestApp } from "../../../support/api-app.ts";
import { EventStreamReader } from "../../../support/event-stream.ts";

const LEADER = { kind: "leader", region: "us-east", leader: "us-east-2", term: 4 } as const;

async function aNode() {
  const test = await createTestApp();
  const activity = test.options.activity as ActivityLog;
  const open = async (lastEventId?: string, isRead = true) => {
    const headers = lastEventId === undefined ? {} : { "last-event-id": lastEventId };
    const answer = await test.app.inject({ url: "/v1/activity", headers, payloadAsStream: true });
    assert.equal(answer.statusCode, 200);
    const stream: Readable = answer.stream();
    const reader = new EventStreamReader();
    stream.setEncoding("utf8");
    stream.on("error", () => {});
    if (isRead) stream.on("data", (text: string) => reader.push(text));
    await test.region.clock.advance(1);
    return { reader, stream, hangUp: () => answer.raw.res.destroy() };
  };
  return { ...test, activity, open, soon: () => test.region.clock.advance(1) };
}

const storyOf = ({ events }: EventStreamReader) =>
  events.map(({ event, data }) =>
    [event, JSON.parse(data).leader ?? JSON.parse(data).reason].filter(Boolean).join(" "),
  );

describe("GET /v1/activity", () => {
  it("begins with what is held, says that this was all, and goes on with what happens", async () => {
    const { activity, open, soon, region } = await aNode();
    activity.add([{ kind: "leader", region: "us-east", leader: "us-east-1", term: 3 }]);
    const { reader } = await open();
    assert.deepEqual(storyOf(reader), ["leader us-east-1", "ready"]);
    activity.add([LEADER]);
    await soon();
    assert.deepEqual(storyOf(reader), ["leader us-east-1", "ready", "leader us-east-2"]);
    const { atMs, ...facts } = JSON.parse(reader.events.at(-1)!.data);
    assert.deepEqual(facts, { region: "us-east", leader: "us-east-2", term: 4 });
    assert.ok(Math.abs(atMs - region.clock.wallTime()) < 1_000);
  });

  it("goes on after the last event that the reader saw, and tells nothing twice", async () => {
    const { activity, open } = await aNode();
    activity.add([LEADER, { ...LEADER, leader: "us-east-3", term: 5 }]);
    const { reader } = await open();
    const [first] = reader.events;
    const again = await open(first!.lastEventId);
    assert.deepEqual(storyOf(again.reader), ["leader us-east-3", "ready"]);
    const upToDate = await open(reader.lastEventId);
    assert.deepEqual(storyOf(upToDate.reader), ["ready"]);
  });

  it("begins anew for ids that this process did not give", async () => {
    const { activity, open } = await aNode();
    activity.add([LEADER]);
    for (const id of ["", "nonsense", "other:1", `${activity.run}:x`, `${activity.run}:-1`]) {
      assert.deepEqual(storyOf((await open(id)).reader), ["leader us-east-2", "ready"], id);
    }
    assert.deepEqual(storyOf((await open(`${activity.run}:999`)).reader), ["ready"]);
  });

  it("F24: tells a reader that is too slow that it missed something, and keeps no queue for it", async () => {
    const { activity, open, soon } = await aNode();
    const { reader, stream } = await open(undefined, false);
    const long = "x".repeat(1_000);
    for (let i = 0; i < 2_000; i++) activity.add([{ ...LEADER, leader: `${long}${i}` }]);
    await soon();
    assert.ok(stream.readableLength <= 256 * 1024, `${stream.readableLength}`);
    stream.on("data", (text: string) => reader.push(text));
    for (let i = 0; i < 20; i++) await soon();
    const story = storyOf(reader);
    assert.ok(story.includes("resync slow"));
    assert.equal(story.at(-1), `leader ${long}1999`);
    assert.ok(story.length < 1_000);
  });

  it("tells a reader that comes late no loss, though agents pushed out agents between what is held", async () => {
    const { activity, open } = await aNode();
    activity.add([LEADER]);
    for (let i = 0; i < 1_000; i++) activity.add([{ kind: "agents", change: "registered", count: i, ids: [] }]);
    activity.add([{ ...LEADER, leader: "us-east-3", term: 5 }]);
    const { reader } = await open();
    const story = storyOf(reader).filter((line) => line !== "agents");
    assert.deepEqual(story, ["leader us-east-2", "leader us-east-3", "ready"]);
    const [first] = reader.events;
    const again = await open(first!.lastEventId);
    assert.equal(storyOf(again.reader)[0], "resync slow");
  });

  it("beats, so that a reader knows that the node lives", async () => {
    const { open, region } = await aNode();
    const { reader } = await open();
    await region.clock.advance(15_000);
    assert.deepEqual(reader.comments, ["heartbeat"]);
  });

  it("serves so many and no more, and forgets those who hang up", async () => {
    const { app, open } = await aNode();
    const all = [];
    for (let i = 0; i < ACTIVITY_READERS_MAX; i++) all.push(await open());
    const answer = await app.inject({ url: "/v1/activity" });
    assert.deepEqual([answer.statusCode, answer.json().error.code], [503, "OVERLOADED"]);
    for (const { hangUp } of all) hangUp();
    await new Promise((resolve) => setImmediate(resolve));
    await open();
  });

  it("says goodbye when the node stops", async () => {
    const { app, open, soon } = await aNode();
    const { reader } = await open();
    const closed = app.close();
    await soon();
    assert.equal(reader.events.at(-1)!.event, "goodbye");
    await closed;
  });

  it("takes nobody in after that: who was on the way in would be told nothing more, and keep the node from stopping", async () => {
    const { activity, region } = await aNode();
    const { clock } = region;
    const readers = new ActivityReaders({ region: asRegionId("us-east"), activity, clock, random: seededRandom(1) });
    readers.close();
    assert.throws(() => readers.open(""), { name: "RegistryError", detail: { code: "STOPPING", region: "us-east" } });
  });
});
