import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  BUCKETS,
  CapabilitySummary,
  decodeDigests,
  digestOf,
  encodeDigests,
  rootDigest,
} from "../../../src/federation/capability-summary.ts";
import { boundedEntry } from "../../../src/federation/wire.ts";
import type { SummaryEntry } from "../../../src/types/summary.ts";
import { hash64 } from "../../support/fake-federation.ts";

function entry(name: string, facts: Partial<SummaryEntry> = {}): SummaryEntry {
  return { name, healthy: 1, total: 1, versions: ["1.0.0"], tags: [], revision: 1, ...facts };
}

describe("capability summary", () => {
  it("has equal digests for equal entries, in whatever order they came", () => {
    const forward = new CapabilitySummary(hash64);
    const backward = new CapabilitySummary(hash64);
    const entries = Array.from({ length: 500 }, (_, i) => entry(`capability-${i}`));
    for (const one of entries) forward.set(one);
    for (const one of entries.toReversed()) backward.set(one);
    assert.deepEqual(forward.bucketDigests(), backward.bucketDigests());
    assert.equal(forward.root(), backward.root());
  });

  it("changes its digest with every field of an entry", () => {
    const digest = digestOf(hash64, [entry("a")]);
    const changed: Partial<SummaryEntry>[] = [
      { name: "b" },
      { healthy: 0 },
      { total: 2 },
      { versions: ["1.0.1"] },
      { tags: ["1.0.0"], versions: [] },
      { revision: 2 },
    ];
    for (const facts of changed) {
      assert.notEqual(digestOf(hash64, [entry("a", facts)]), digest, JSON.stringify(facts));
    }
  });

  it("is back at its old digest when what was added is removed or offered by nobody", () => {
    const summary = new CapabilitySummary(hash64);
    summary.set(entry("a"));
    const { size } = summary;
    const root = summary.root();
    summary.set(entry("b"));
    assert.notEqual(summary.root(), root);
    summary.remove("b");
    summary.set(entry("c"));
    summary.set(entry("c", { healthy: 0, total: 0 }));
    assert.equal(summary.root(), root);
    assert.equal(summary.size, size);
  });

  it("has another digest in exactly the buckets in which two summaries differ", () => {
    const one = new CapabilitySummary(hash64);
    const other = new CapabilitySummary(hash64);
    for (let i = 0; i < 300; i++) {
      one.set(entry(`capability-${i}`));
      other.set(entry(`capability-${i}`));
    }
    other.set(entry("capability-7", { revision: 9 }));
    const theirs = other.bucketDigests();
    const differing = [...one.bucketDigests().keys()].filter(
      (bucket) => one.bucketDigests()[bucket] !== theirs[bucket],
    );
    assert.deepEqual(differing, [one.bucketOf("capability-7")]);
  });

  it("spreads names over all buckets", () => {
    const summary = new CapabilitySummary(hash64);
    for (let i = 0; i < 4_000; i++) summary.set(entry(`capability-${i}`));
    const sizes = Array.from({ length: BUCKETS }, (_, bucket) => summary.bucket(bucket).length);
    assert.ok(Math.min(...sizes) > 0 && Math.max(...sizes) < 50, `${Math.min(...sizes)} to ${Math.max(...sizes)}`);
  });

  it("gives digests that survive their trip over the wire", () => {
    const summary = new CapabilitySummary(hash64);
    for (let i = 0; i < 300; i++) summary.set(entry(`capability-${i}`));
    const digests = summary.bucketDigests();
    assert.deepEqual(decodeDigests(encodeDigests(digests)), digests);
    assert.equal(rootDigest(hash64, digests), summary.root());
  });

  it("tells a list that is too long as one that may hold anything", () => {
    const tags = Array.from({ length: 500 }, (_, i) => `tag-${i}`);
    assert.deepEqual(boundedEntry(entry("a", { tags })).tags, ["*"]);
    assert.deepEqual(boundedEntry(entry("a", { versions: ["v".repeat(5_000)] })).versions, ["*"]);
    assert.deepEqual(boundedEntry(entry("a", { tags: ["fast"] })).tags, ["fast"]);
  });
});
