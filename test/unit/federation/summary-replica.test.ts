import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CapabilitySummary } from "../../../src/federation/capability-summary.ts";
import { SummaryReplica } from "../../../src/federation/summary-replica.ts";
import type { SummaryEntry } from "../../../src/types/summary.ts";
import { hash64 } from "../../support/fake-federation.ts";

const offered = (name: string, revision: number): SummaryEntry => ({
  name,
  healthy: 1,
  total: 1,
  versions: [],
  tags: [],
  revision,
});
const deleted = (name: string, revision: number): SummaryEntry => ({
  ...offered(name, revision),
  healthy: 0,
  total: 0,
});

const names = new CapabilitySummary(hash64);
const bucketOf = (name: string) => names.bucketOf(name);

describe("replica of another region's summary", () => {
  it("F23: keeps the newer of two changes, whichever came first", () => {
    const replica = new SummaryReplica(hash64);
    assert.equal(replica.merge(offered("a", 5)), true);
    assert.equal(replica.merge(offered("a", 3)), false);
    assert.equal(replica.merge(offered("a", 5)), false);
    assert.equal(replica.find("a")?.revision, 5);
  });

  it("F23: a change that was overtaken by its deletion does not bring the capability back", () => {
    const replica = new SummaryReplica(hash64);
    replica.merge(deleted("a", 7));
    assert.equal(replica.merge(offered("a", 5)), false);
    assert.equal(replica.find("a"), undefined);
    assert.equal(replica.size, 0);
  });

  it("P10: a change older than a pull of its bucket does not bring a deleted capability back", () => {
    const replica = new SummaryReplica(hash64);
    replica.merge(offered("a", 5));
    replica.replaceBucket(bucketOf("a"), [], 9);
    assert.equal(replica.find("a"), undefined);
    assert.equal(replica.merge(offered("a", 8)), false);
    assert.equal(replica.merge(offered("a", 10)), true);
  });

  it("P10: a deletion is remembered until everything up to it is known, and no longer matters then", () => {
    const replica = new SummaryReplica(hash64);
    replica.merge(deleted("a", 7));
    replica.confirmAll(8);
    assert.equal(replica.merge(offered("a", 6)), false);
    assert.equal(replica.merge(offered("a", 9)), true);
  });

  it("keeps changes that are newer than the bucket it takes", () => {
    const replica = new SummaryReplica(hash64);
    const bucket = bucketOf("a");
    replica.merge(offered("a", 12));
    replica.replaceBucket(bucket, [offered("a", 4)], 10);
    assert.equal(replica.find("a")?.revision, 12);
    replica.merge(deleted("a", 14));
    replica.replaceBucket(bucket, [offered("a", 12)], 13);
    assert.equal(replica.find("a"), undefined);
  });

  it("F23: refuses a bucket as of an older revision than is known", () => {
    const replica = new SummaryReplica(hash64);
    const bucket = bucketOf("a");
    replica.replaceBucket(bucket, [offered("a", 8)], 10);
    assert.equal(replica.replaceBucket(bucket, [], 9), false);
    assert.equal(replica.find("a")?.revision, 8);
  });

  it("asks for the buckets that differ, until they are known as of the revision they were compared at", () => {
    const replica = new SummaryReplica(hash64);
    const theirs = new CapabilitySummary(hash64);
    theirs.set(offered("a", 3));
    assert.deepEqual(replica.reconcile(theirs.bucketDigests(), 5), [bucketOf("a")]);
    replica.replaceBucket(bucketOf("a"), [offered("a", 3)], 5);
    replica.merge(offered("a", 6));
    assert.deepEqual(replica.reconcile(theirs.bucketDigests(), 5), []);
  });

  it("P9: an absence means nothing before the bucket is known", () => {
    const replica = new SummaryReplica(hash64);
    assert.equal(replica.isKnownAsOf("a", 0), false);
    replica.reconcile(new CapabilitySummary(hash64).bucketDigests(), 4);
    assert.equal(replica.isKnownAsOf("a", 4), true);
    assert.equal(replica.isKnownAsOf("a", 5), false);
  });
});
