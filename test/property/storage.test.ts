/**
 * Whatever is written, in any order, with crashes and restarts in between, `RaftStore` holds what a few plain fields hold.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { RaftWrite, StateRecord } from "../../src/storage/interface.ts";
import { RaftStore } from "../../src/storage/raft-store.ts";
import type { Membership } from "../../src/types/membership.ts";
import type { HardState, LogEntry, SnapshotHeader } from "../../src/types/raft.ts";
import { silentLogger } from "../../src/util/logger.ts";
import { seededRandom } from "../../src/util/random.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { CLUSTER, entriesOf, MEMBERS, recovered, SOLE } from "../support/raft-data.ts";

/** What a member holds, as plainly as it can be said. */
interface Model {
  hardState: HardState;
  start: { index: number; term: number };
  entries: LogEntry[];
  applied: number;
  membership: Membership;
  state: Map<string, unknown>;
}

type Step =
  | { do: "append"; count: number; newTerm: boolean }
  | { do: "replaceTail"; back: number; count: number }
  | { do: "vote" }
  | { do: "apply"; share: number; writes: { key: string; value: unknown }[]; sole: boolean; withAppend: boolean }
  | { do: "compact"; share: number; withAppend: boolean }
  | { do: "install"; ahead: number; records: number; abort: boolean }
  | { do: "restart" }
  | { do: "crash"; seed: number; step: Step };

const lastOf = ({ start, entries }: Model) => start.index + entries.length;
const lastTermOf = ({ start, entries }: Model) => entries.at(-1)?.term ?? start.term;
const termAt = (model: Model, index: number) =>
  index === model.start.index ? model.start.term : model.entries[index - model.start.index - 1]!.term;
const between = (from: number, to: number, share: number) => from + Math.floor((to - from) * share);

/** The batch that a step stands for in this state, or null when it means nothing in it. */
function batchOf(model: Model, step: Step): RaftWrite | null {
  const { term } = model.hardState;
  const last = lastOf(model);
  switch (step.do) {
    case "append": {
      const next = step.newTerm ? term + 1 : Math.max(term, 1);
      const hardState = { term: next, votedFor: null, commit: model.hardState.commit };
      return { hardState, entries: entriesOf(last + 1, last + step.count, next) };
    }
    case "replaceTail": {
      const first = Math.max(model.applied, last - step.back) + 1;
      if (first > last) return null;
      const hardState = { term: term + 1, votedFor: null, commit: Math.min(model.hardState.commit, first - 1) };
      return { hardState, entries: entriesOf(first, first + step.count - 1, term + 1) };
    }
    case "vote":
      return { hardState: { term: term + 1, votedFor: MEMBERS.voters[term % 3]!.id, commit: last } };
    case "apply": {
      const entries = step.withAppend && term > 0 ? { entries: entriesOf(last + 1, last + 2, term) } : {};
      const appliedIndex = between(model.applied, last, step.share);
      const state = { writes: step.writes, appliedIndex, membership: step.sole ? SOLE : MEMBERS };
      return { ...entries, state };
    }
    case "compact": {
      const index = between(model.start.index, model.applied, step.share);
      const entries = step.withAppend && term > 0 ? { entries: entriesOf(last + 1, last + 1, term) } : {};
      return { ...entries, compactTo: { index, term: termAt(model, index) } };
    }
    default:
      return null;
  }
}

function applyBatch(before: Model, batch: RaftWrite): Model {
  const model: Model = { ...before, state: new Map(before.state) };
  if (batch.hardState) model.hardState = batch.hardState;
  if (batch.entries) {
    const keep = batch.entries[0]!.index - model.start.index - 1;
    model.entries = [...model.entries.slice(0, keep), ...batch.entries];
  }
  for (const { key, value } of batch.state?.writes ?? []) {
    if (value === undefined) model.state.delete(key);
    else model.state.set(key, value);
  }
  if (batch.state) {
    model.applied = batch.state.appliedIndex;
    model.membership = batch.state.membership;
  }
  if (batch.compactTo) {
    const { index } = batch.compactTo;
    model.entries = model.entries.slice(index - model.start.index);
    model.start = batch.compactTo;
  }
  const commit = Math.min(Math.max(model.hardState.commit, model.applied), lastOf(model));
  model.hardState = { ...model.hardState, commit };
  return model;
}

interface Snapshot {
  readonly header: SnapshotHeader;
  readonly chunks: readonly Uint8Array[];
  readonly after: Model;
}

/** A snapshot of another member that is `ahead` of this one, and what it makes of this one. */
async function snapshotFor(model: Model, ahead: number, records: number): Promise<Snapshot> {
  const index = model.applied + ahead;
  const term = Math.max(lastTermOf(model), 1);
  const writes = Array.from({ length: records }, (_, i) => ({ key: `installed/${index}/${i}`, value: i }));
  const donor = new RaftStore(new MemoryStore(), silentLogger);
  await donor.found(CLUSTER, MEMBERS);
  await donor.write({
    hardState: { term, votedFor: null, commit: index },
    entries: entriesOf(1, index, term),
    state: { writes, appliedIndex: index, membership: MEMBERS },
  });
  const view = donor.openSnapshot();
  const chunks: Uint8Array[] = [];
  for await (const chunk of view.chunks()) chunks.push(chunk);
  await view.close();
  const hardState = { term: Math.max(term, model.hardState.term), votedFor: null, commit: index };
  return {
    header: { cluster: CLUSTER, term, lastIndex: index, lastTerm: term, membership: MEMBERS },
    chunks,
    after: {
      hardState,
      start: { index, term },
      entries: [],
      applied: index,
      membership: MEMBERS,
      state: new Map(writes.map(({ key, value }) => [key, value])),
    },
  };
}

/** A member under test beside its model. */
class Member {
  model: Model = {
    hardState: { term: 0, votedFor: null, commit: 0 },
    start: { index: 0, term: 0 },
    entries: [],
    applied: 0,
    membership: MEMBERS,
    state: new Map(),
  };
  #disk = new MemoryStore();
  #raft = new RaftStore(this.#disk, silentLogger);

  async found(): Promise<void> {
    await this.#raft.found(CLUSTER, MEMBERS);
  }

  async run(step: Step): Promise<void> {
    if (step.do === "restart") await this.#restart(this.#disk.crash());
    else if (step.do === "install") await this.#install(step);
    else if (step.do === "crash") await this.#crashIn(step);
    else await this.#write(step);
    await this.check();
  }

  async #write(step: Step): Promise<void> {
    const batch = batchOf(this.model, step);
    if (batch === null) return;
    await this.#raft.write(batch);
    this.model = applyBatch(this.model, batch);
  }

  async #install({ ahead, records, abort }: Step & { do: "install" }): Promise<void> {
    const { header, chunks, after } = await snapshotFor(this.model, ahead, records);
    const install = await this.#raft.beginInstall(header);
    for (const chunk of abort ? chunks.slice(0, -1) : chunks) await install.write(chunk);
    if (abort) return install.abort();
    await install.commit(after.hardState);
    this.model = after;
  }

  /** The power goes while the batch is on its way: it is there whole, or not at all. */
  async #crashIn({ seed, step }: Step & { do: "crash" }): Promise<void> {
    const batch = batchOf(this.model, step);
    const before = this.model;
    if (batch !== null) {
      const never = { now: () => 0, wallTime: () => 0, schedule: () => () => {}, soon: () => {}, afterIo: () => {} };
      this.#disk.delayWrites(never, () => 1);
      void this.#raft.write(batch);
      await new Promise(setImmediate);
    }
    await this.#restart(this.#disk.crash(seededRandom(seed)));
    if (batch === null) return;
    const after = applyBatch(before, batch);
    const outcomes = [before, after];
    const found = await this.#found();
    this.model = outcomes.find((model) => isSame(found, describeModel(model))) ?? before;
  }

  async #restart(disk: MemoryStore): Promise<void> {
    this.#disk = disk;
    this.#raft = new RaftStore(disk, silentLogger);
    await this.#raft.load();
  }

  async check(): Promise<void> {
    assert.deepEqual(await this.#found(), describeModel(this.model));
    assert.equal(this.#raft.durableAppliedIndex, this.model.applied);
    const view = this.#raft.openSnapshot();
    const { lastIndex, lastTerm } = view;
    await view.close();
    assert.deepEqual([lastIndex, lastTerm], [this.model.applied, termAt(this.model, this.model.applied)]);
  }

  /** What another process would find on this disk now. */
  async #found(): Promise<unknown> {
    const raft = await recovered(this.#disk);
    const state: StateRecord[] = [];
    for await (const page of this.#raft.readState()) state.push(...page);
    return { ...raft, state };
  }
}

function describeModel({ hardState, start, entries, applied, membership, state }: Model): unknown {
  const records = [...state].sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  return { hardState, logStart: start, entries, appliedIndex: applied, membership, state: records };
}

function isSame(a: unknown, b: unknown): boolean {
  try {
    assert.deepEqual(a, b);
    return true;
  } catch {
    return false;
  }
}

const key = fc.constantFrom("a", "b", "c", "session/1", "ü");
const value = fc.oneof(fc.constant(undefined), fc.integer(), fc.string({ maxLength: 8 }));
const share = fc.double({ min: 0, max: 1, noNaN: true });
const batchStep: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant("append" as const),
    count: fc.integer({ min: 1, max: 6 }),
    newTerm: fc.boolean(),
  }),
  fc.record({
    do: fc.constant("replaceTail" as const),
    back: fc.integer({ min: 1, max: 5 }),
    count: fc.integer({ min: 1, max: 4 }),
  }),
  fc.record({ do: fc.constant("vote" as const) }),
  fc.record({
    do: fc.constant("apply" as const),
    share,
    writes: fc.array(fc.record({ key, value }), { maxLength: 4 }),
    sole: fc.boolean(),
    withAppend: fc.boolean(),
  }),
  fc.record({ do: fc.constant("compact" as const), share, withAppend: fc.boolean() }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: batchStep },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("install" as const),
      ahead: fc.integer({ min: 1, max: 8 }),
      records: fc.integer({ min: 0, max: 5 }),
      abort: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("crash" as const), seed: fc.nat(), step: batchStep }),
  },
);

describe("property: storage", () => {
  it("R5, R6, R7, F6: any sequence of writes, installations, restarts and crashes leaves what it should", async () => {
    const steps = fc.array(step, { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(steps, async (sequence) => {
        const member = new Member();
        await member.found();
        for (const next of sequence) await member.run(next);
      }),
      { numRuns: 200 },
    );
  });
});
