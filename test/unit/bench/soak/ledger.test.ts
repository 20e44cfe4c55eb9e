import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { contradiction, type Entry, Ledger } from "../../../../bench/soak/ledger.ts";
import { seededRandom } from "../../../../src/util/random.ts";

function ledgerOf(population: number): Ledger {
  return new Ledger("us-east", { random: seededRandom(1), capabilities: 10, population });
}

const DONE = { isAcknowledged: true, isAmbiguous: false };

/** Changes that are acknowledged at once, one in each millisecond. */
function change(ledger: Ledger, times: number): void {
  for (let ms = 0; ms < times; ms++) {
    const { entry, change } = ledger.begin(ms);
    ledger.end(entry, change, { ...DONE, doneMs: ms });
  }
}

function entryOf(facts: Partial<Entry>): Entry {
  const fresh = { id: "a", capability: "c", acknowledged: [], attempted: 0, isRemovalAttempted: false };
  return { ...fresh, isBusy: false, quietUntilMs: 0, ...facts };
}

describe("ledger of a soak", () => {
  it("lets as many agents come as go once there are enough", () => {
    const ledger = ledgerOf(100);
    change(ledger, 5_000);
    assert.ok(ledger.entries.length >= 89 && ledger.entries.length <= 111, `${ledger.entries.length}`);
    assert.ok(ledger.gone.size > 1_000);
  });

  it("knows every agent that is there, and none that went, under one name each", () => {
    const ledger = ledgerOf(50);
    change(ledger, 2_000);
    const there = new Set(ledger.entries.map(({ id }) => id));
    assert.equal(there.size, ledger.entries.length);
    assert.deepEqual(
      [...ledger.gone.keys()].filter((id) => there.has(id)),
      [],
    );
  });

  it("leaves an agent alone while an attempt may yet be done", () => {
    const ledger = ledgerOf(1);
    const { entry, change } = ledger.begin(0);
    ledger.end(entry, change, { isAcknowledged: true, isAmbiguous: true, doneMs: 10 });
    assert.equal(ledger.begin(1_000).change, "new");
    assert.ok(entry.quietUntilMs > 4_000, "longer than a node is paused");
  });

  it("never again changes an agent of which nobody knows whether it was changed", () => {
    const ledger = ledgerOf(1);
    const { entry, change } = ledger.begin(0);
    ledger.end(entry, change, { isAcknowledged: false, isAmbiguous: true, doneMs: 10 });
    assert.notEqual(ledger.begin(1e12).entry, entry);
  });
});

describe("an answer held against what was acknowledged", () => {
  const written = entryOf({
    acknowledged: [
      { version: 1, atMs: 100 },
      { version: 2, atMs: 200 },
    ],
    attempted: 3,
  });
  const removed = entryOf({
    acknowledged: [
      { version: 1, atMs: 100 },
      { version: null, atMs: 200 },
    ],
    attempted: 1,
    isRemovalAttempted: true,
  });

  it("is wrong when it misses what was acknowledged before", () => {
    assert.match(contradiction(written, 150, null) ?? "", /missing/);
    assert.match(contradiction(written, 200, 1) ?? "", /shown as 1, and was written 2/);
    assert.match(contradiction(removed, 200, 1) ?? "", /unregistered/);
  });

  it("may lack what was acknowledged later, and show what is under way", () => {
    assert.equal(contradiction(written, 199, 1), undefined);
    assert.equal(contradiction(written, 99, null), undefined);
    assert.equal(contradiction(written, 200, 3), undefined);
    assert.equal(contradiction(removed, 199, 1), undefined);
    assert.equal(contradiction(removed, 199, null), undefined);
  });

  it("is wrong when it shows what nobody wrote", () => {
    assert.match(contradiction(written, 0, 4) ?? "", /nobody wrote/);
  });
});
