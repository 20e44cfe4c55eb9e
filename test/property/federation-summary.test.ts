import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { BUCKETS, CapabilitySummary, digestOf, rootDigest } from "../../src/federation/capability-summary.ts";
import { SummaryReplica } from "../../src/federation/summary-replica.ts";
import type { SummaryEntry } from "../../src/types/summary.ts";
import { hash64 } from "../support/fake-federation.ts";

const names = ["a", "b", "c", "d", "e", "f"];

/** What happens to one capability in one command: it is offered by so many, or by nobody any more. */
const change = fc.record({ name: fc.constantFrom(...names), total: fc.integer({ min: 0, max: 3 }) });

/** The region's states, one per revision, and the change that led to each. */
function history(changes: readonly { name: string; total: number }[]) {
  const states: Map<string, SummaryEntry>[] = [new Map()];
  const deltas: SummaryEntry[] = [];
  changes.forEach(({ name, total }, i) => {
    const entry = { name, healthy: total, total, versions: [], tags: [], revision: i + 1 };
    const state = new Map(states[i]);
    if (total === 0) state.delete(name);
    else state.set(name, entry);
    states.push(state);
    deltas.push(entry);
  });
  return { states, deltas };
}

function summaryOf(entries: Iterable<SummaryEntry>): CapabilitySummary {
  const summary = new CapabilitySummary(hash64);
  for (const entry of entries) summary.set(entry);
  return summary;
}

/** One thing that reaches a replica: change `at`, or a bucket, or digests, of the state at revision `at`. */
const delivery = (revisions: number) =>
  fc.record({
    kind: fc.constantFrom("change", "bucket", "digests"),
    at: fc.integer({ min: 0, max: revisions }),
    name: fc.constantFrom(...names),
  });

function deliver(replica: SummaryReplica, { states, deltas }: ReturnType<typeof history>) {
  return ({ kind, at, name }: { kind: string; at: number; name: string }) => {
    const theirs = summaryOf(states[at]!.values());
    const bucket = theirs.bucketOf(name);
    if (kind === "bucket") replica.replaceBucket(bucket, theirs.bucket(bucket), at);
    else if (kind === "digests") replica.reconcile(theirs.bucketDigests(), at);
    else if (at > 0) replica.merge(deltas[at - 1]!);
  };
}

describe("summaries", () => {
  it("have the same digests when kept incrementally as when made from scratch", () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
        const { states, deltas } = history(changes);
        const kept = summaryOf(deltas);
        const last = [...states.at(-1)!.values()];
        const digests = new BigUint64Array(BUCKETS);
        for (let bucket = 0; bucket < BUCKETS; bucket++) {
          const inBucket = last.filter((entry) => kept.bucketOf(entry.name) === bucket);
          digests[bucket] = digestOf(hash64, inBucket);
        }
        assert.deepEqual(kept.bucketDigests(), digests);
        assert.equal(kept.root(), rootDigest(hash64, digests));
        assert.equal(kept.size, last.length);
      }),
    );
  });

  it("F23: changes merged in any order, with any duplicates, give the same table", () => {
    const scenario = fc
      .array(change, { minLength: 1, maxLength: 25 })
      .chain((changes) =>
        fc.tuple(
          fc.constant(changes),
          fc.shuffledSubarray([...changes.keys(), ...changes.keys()], { minLength: 0, maxLength: changes.length * 2 }),
          fc.shuffledSubarray([...changes.keys()], { minLength: changes.length, maxLength: changes.length }),
        ),
      );
    fc.assert(
      fc.property(scenario, ([changes, duplicates, order]) => {
        const { states, deltas } = history(changes);
        const replica = new SummaryReplica(hash64);
        for (const i of [...duplicates, ...order]) replica.merge(deltas[i]!);
        assert.equal(replica.root(), summaryOf(states.at(-1)!.values()).root());
      }),
    );
  });

  it("P10: whatever mix of changes, pulled buckets and digests arrived, a final pull gives the region's state", () => {
    const scenario = fc
      .array(change, { minLength: 1, maxLength: 25 })
      .chain((changes) => fc.tuple(fc.constant(changes), fc.array(delivery(changes.length), { maxLength: 60 })));
    fc.assert(
      fc.property(scenario, ([changes, deliveries]) => {
        const past = history(changes);
        const replica = new SummaryReplica(hash64);
        deliveries.forEach(deliver(replica, past));
        const last = summaryOf(past.states.at(-1)!.values());
        const revision = changes.length;
        for (const bucket of replica.reconcile(last.bucketDigests(), revision)) {
          replica.replaceBucket(bucket, last.bucket(bucket), revision);
        }
        assert.deepEqual(replica.reconcile(last.bucketDigests(), revision), []);
        assert.equal(replica.root(), last.root());
        // Nothing that was ever said can change it any more.
        deliveries.forEach(deliver(replica, past));
        for (const delta of past.deltas) replica.merge(delta);
        assert.equal(replica.root(), last.root());
      }),
    );
  });

  it("P9: what is known as of a revision is what the region held then", () => {
    const scenario = fc
      .array(change, { minLength: 1, maxLength: 15 })
      .chain((changes) => fc.tuple(fc.constant(changes), fc.array(delivery(changes.length), { maxLength: 30 })));
    fc.assert(
      fc.property(scenario, ([changes, deliveries]) => {
        const past = history(changes);
        const replica = new SummaryReplica(hash64);
        const apply = deliver(replica, past);
        for (const one of deliveries) {
          apply(one);
          for (const name of names) {
            const held = replica.find(name);
            const known = past.states.findLastIndex((_, revision) => replica.isKnownAsOf(name, revision));
            if (known === -1) continue;
            const then = past.states[known]!.get(name);
            // Either exactly what the region held, or a later change that gossip brought before its time.
            const isLater = held !== undefined ? held.revision > known : isDeletedAfter(past.deltas, name, known);
            assert.ok(held?.revision === then?.revision || isLater, `${name} as of ${known}`);
          }
        }
      }),
    );
  });
});

function isDeletedAfter(deltas: readonly SummaryEntry[], name: string, revision: number): boolean {
  return deltas.some((delta) => delta.name === name && delta.total === 0 && delta.revision > revision);
}
