import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  decodeEnvelope,
  encodeEnvelope,
  proposalIdOf,
  SESSION_PREFIX,
  SessionTable,
} from "../../../src/raft/sessions.ts";
import type { StateRecord } from "../../../src/storage/interface.ts";

interface Use {
  readonly session: string;
  readonly sequence: number;
  readonly answeredBelow?: number;
}

function use(
  table: SessionTable,
  { session, sequence, answeredBelow = 0 }: Use,
  index: number,
  effects: number[] = [],
) {
  const envelope = { kind: "command", session, sequence, answeredBelow, command: new Uint8Array(0) } as const;
  return table.once(envelope, index, () => {
    effects.push(index);
    return `result of ${index}`;
  });
}

/** What a replica that starts from the written records holds. */
function restored(...writes: readonly ReturnType<SessionTable["takeWrites"]>[]): SessionTable {
  const records = new Map<string, unknown>();
  for (const { key, value } of writes.flat()) {
    if (value === undefined) records.delete(key);
    else records.set(key, structuredClone(value));
  }
  const table = new SessionTable();
  table.restore([...records].sort(([a], [b]) => (a < b ? -1 : 1)) as StateRecord[]);
  return table;
}

describe("raft/sessions (§6.3, R40)", () => {
  it("applies a command once, and answers its repetition with the first outcome", () => {
    const table = new SessionTable();
    const session = table.open(5);
    const effects: number[] = [];
    const first = use(table, { session, sequence: 1 }, 6, effects);
    const second = use(table, { session, sequence: 1 }, 9, effects);
    assert.deepEqual(first, { type: "outcome", outcome: { index: 6, result: "result of 6" } });
    assert.deepEqual(second, first);
    assert.deepEqual(effects, [6]);
  });

  it("keeps sessions apart", () => {
    const table = new SessionTable();
    const [a, b] = [table.open(5), table.open(6)];
    const effects: number[] = [];
    use(table, { session: a, sequence: 1 }, 7, effects);
    use(table, { session: b, sequence: 1 }, 8, effects);
    assert.notEqual(a, b);
    assert.deepEqual(effects, [7, 8]);
  });

  it("takes sequences in any order: a resent one may come after its successors", () => {
    const table = new SessionTable();
    const session = table.open(5);
    const effects: number[] = [];
    for (const sequence of [3, 1, 2, 3]) use(table, { session, sequence }, 10 + sequence, effects);
    assert.deepEqual(effects, [13, 11, 12]);
  });

  it("keeps the outcome of the first sequence that the proposer still waits for", () => {
    const table = new SessionTable();
    const session = table.open(5);
    const effects: number[] = [];
    for (const sequence of [1, 2]) use(table, { session, sequence }, 10 + sequence, effects);
    use(table, { session, sequence: 3, answeredBelow: 2 }, 13, effects);
    assert.deepEqual(use(table, { session, sequence: 2 }, 14, effects), {
      type: "outcome",
      outcome: { index: 12, result: "result of 12" },
    });
    assert.deepEqual(effects, [11, 12, 13]);
  });

  it("forgets outcomes that the proposer has, and never applies those again", () => {
    const table = new SessionTable();
    const session = table.open(5);
    const effects: number[] = [];
    for (const sequence of [1, 2]) use(table, { session, sequence }, 10 + sequence, effects);
    use(table, { session, sequence: 3, answeredBelow: 3 }, 13, effects);
    assert.equal(table.outcomeOf({ session, sequence: 2 }), undefined);
    assert.deepEqual(use(table, { session, sequence: 2 }, 14, effects), { type: "expired" });
    assert.deepEqual(effects, [11, 12, 13]);
  });

  it("keeps every outcome that the proposer may still ask for", () => {
    const table = new SessionTable();
    const session = table.open(5);
    for (const sequence of [1, 2, 3]) use(table, { session, sequence, answeredBelow: 2 }, 10 + sequence);
    assert.equal(table.outcomeOf({ session, sequence: 2 })?.index, 12);
    assert.equal(table.outcomeOf({ session, sequence: 3 })?.index, 13);
  });

  it("a word of the past about what is answered brings nothing back", () => {
    const table = new SessionTable();
    const session = table.open(5);
    use(table, { session, sequence: 5, answeredBelow: 5 }, 6);
    use(table, { session, sequence: 6, answeredBelow: 1 }, 7);
    assert.deepEqual(use(table, { session, sequence: 2 }, 8), { type: "expired" });
  });

  it("an unknown session gets no effect, only the news that it is gone", () => {
    const effects: number[] = [];
    assert.deepEqual(use(new SessionTable(), { session: "5", sequence: 1 }, 6, effects), { type: "expired" });
    assert.deepEqual(effects, []);
  });

  it("lets the session go that was used longest ago when there are more than 1,024", () => {
    const table = new SessionTable();
    const names = Array.from({ length: 1_024 }, (_, i) => table.open(i + 1));
    use(table, { session: names[0]!, sequence: 1 }, 2_000);
    table.open(2_001);
    assert.equal(use(table, { session: names[0]!, sequence: 2 }, 2_002).type, "outcome");
    assert.equal(use(table, { session: names[1]!, sequence: 1 }, 2_003).type, "expired");
    assert.equal(use(table, { session: names[2]!, sequence: 1 }, 2_004).type, "outcome");
  });

  it("a restored replica gives the same answers, and lets the same sessions go", () => {
    const table = new SessionTable();
    const names = Array.from({ length: 1_024 }, (_, i) => table.open(i + 1));
    use(table, { session: names[0]!, sequence: 3, answeredBelow: 2 }, 2_000);
    const copy = restored(table.takeWrites());
    for (const replica of [table, copy]) {
      assert.deepEqual(replica.outcomeOf({ session: names[0]!, sequence: 3 }), {
        index: 2_000,
        result: "result of 2000",
      });
      assert.equal(use(replica, { session: names[0]!, sequence: 1 }, 2_001).type, "expired");
      replica.open(2_002);
      assert.equal(use(replica, { session: names[1]!, sequence: 1 }, 2_003).type, "expired");
      assert.equal(use(replica, { session: names[0]!, sequence: 4 }, 2_004).type, "outcome");
    }
    assert.deepEqual(copy.takeWrites().sort(byKey), table.takeWrites().sort(byKey));
  });

  it("writes what changed, once, and the end of sessions that went", () => {
    const table = new SessionTable();
    const names = Array.from({ length: 1_024 }, (_, i) => table.open(i + 1));
    assert.equal(table.takeWrites().length, 1_024);
    assert.deepEqual(table.takeWrites(), []);
    use(table, { session: names[5]!, sequence: 1 }, 2_000);
    table.open(2_001);
    const writes = new Map(table.takeWrites().map(({ key, value }) => [key, value]));
    assert.deepEqual(
      [...writes.keys()].sort(),
      [names[0]!, names[5]!, "2001"].map((name) => SESSION_PREFIX + name).sort(),
    );
    assert.equal(writes.get(SESSION_PREFIX + names[0]!), undefined);
  });

  it("envelopes survive the log", () => {
    const command = {
      kind: "command",
      session: "17",
      sequence: 4,
      answeredBelow: 2,
      command: Uint8Array.of(1, 2),
    } as const;
    const decoded = decodeEnvelope(encodeEnvelope(command));
    assert.ok(decoded.kind === "command");
    assert.deepEqual({ ...decoded, command: Uint8Array.from(decoded.command) }, command);
    assert.deepEqual(decodeEnvelope(encodeEnvelope({ kind: "open", nonce: "n1/0" })), { kind: "open", nonce: "n1/0" });
    assert.deepEqual(proposalIdOf(encodeEnvelope(command)), { session: "17", sequence: 4 });
    assert.deepEqual(proposalIdOf(encodeEnvelope({ kind: "open", nonce: "n1/0" })), { session: "n1/0", sequence: 0 });
  });
});

function byKey(a: { readonly key: string }, b: { readonly key: string }): number {
  return a.key < b.key ? -1 : 1;
}
