/** What every `KeyValueStore` promises to the storage built upon it. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { KeyRange, KeyValueReader, WriteOperation } from "../../src/storage/interface.ts";
import type { StoreKind } from "../support/stores.ts";

const bytes = (text: string) => Buffer.from(text, "latin1");
const put = (key: string, value: string): WriteOperation => ({ type: "put", key: bytes(key), value: bytes(value) });
const del = (key: string): WriteOperation => ({ type: "delete", key: bytes(key) });
const range = (from: string, to: string): KeyRange => ({ from: bytes(from), to: bytes(to) });
const EVERYTHING = range("\x00", "\xff");

function read(reader: KeyValueReader, key: string): string | undefined {
  const value = reader.get(bytes(key));
  return value === undefined ? undefined : Buffer.from(value).toString("latin1");
}

async function scan(reader: KeyValueReader, over: KeyRange): Promise<string[]> {
  const found: string[] = [];
  for await (const page of reader.scan(over)) {
    assert.ok(page.length > 0, "a page is never empty");
    for (const [key, value] of page) {
      found.push(`${Buffer.from(key).toString("latin1")}=${Buffer.from(value).toString("latin1")}`);
    }
  }
  return found;
}

export function keyValueStoreContract({ name, withDisk }: StoreKind): void {
  describe(`contract: key-value store: ${name}`, () => {
    it("reads what was written, and nothing for a key that was not", () =>
      withDisk(async ({ store }) => {
        await store.write([put("a", "1"), put("b", "")]);
        assert.equal(read(store, "a"), "1");
        assert.equal(read(store, "b"), "");
        assert.equal(read(store, "c"), undefined);
      }));

    it("replaces and deletes in one batch, in the order given", () =>
      withDisk(async ({ store }) => {
        await store.write([put("a", "1"), put("b", "1")]);
        await store.write([
          put("a", "2"),
          del("b"),
          del("never"),
          put("c", "1"),
          del("c"),
          put("d", "1"),
          put("d", "2"),
        ]);
        assert.deepEqual(await scan(store, EVERYTHING), ["a=2", "d=2"]);
      }));

    it("F4: has after a restart every batch that was acknowledged", () =>
      withDisk(async ({ store, restart }) => {
        for (let i = 0; i < 50; i++) await store.write([put(`key${i}`, `${i}`), put("last", `${i}`)]);
        const reopened = await restart();
        assert.equal(read(reopened, "last"), "49");
        assert.equal((await scan(reopened, range("key", "kez"))).length, 50);
      }));

    it("scans a range in order of bytes, the end excluded", () =>
      withDisk(async ({ store }) => {
        await store.write(["\x80", "a", "\x7f", "ab", "b", "\xfe\xff", "\x01"].map((key) => put(key, "")));
        assert.deepEqual(await scan(store, range("a", "\x80")), ["a=", "ab=", "b=", "\x7f="]);
        assert.deepEqual(await scan(store, range("\x80", "\xff")), ["\x80=", "\xfe\xff="]);
        assert.deepEqual(await scan(store, range("c", "d")), []);
      }));

    it("scans more records than fit in a page", () =>
      withDisk(async ({ store }) => {
        const value = "v".repeat(2_000);
        const keys = Array.from({ length: 2_500 }, (_, i) => `key${String(i).padStart(5, "0")}`);
        await store.write(keys.map((key) => put(key, value)));
        assert.deepEqual(
          await scan(store, EVERYTHING),
          keys.map((key) => `${key}=${value}`),
        );
      }));

    it("ends a scan that is left early", () =>
      withDisk(async ({ store }) => {
        await store.write(Array.from({ length: 3_000 }, (_, i) => put(`${i}`, "")));
        for await (const page of store.scan(EVERYTHING)) {
          assert.ok(page.length < 3_000);
          break;
        }
        await store.write([put("after", "1")]);
        assert.equal(read(store, "after"), "1");
      }));

    it("clears a range and nothing beside it, as often as asked", () =>
      withDisk(async ({ store }) => {
        await store.write(["a", "b", "c", "d"].map((key) => put(key, "")));
        for (let i = 0; i < 2; i++) {
          await store.clear(range("b", "d"));
          assert.deepEqual(await scan(store, EVERYTHING), ["a=", "d="]);
        }
      }));

    it("shows in a snapshot what was there when it was taken", () =>
      withDisk(async ({ store }) => {
        await store.write([put("a", "1"), put("b", "1")]);
        const snapshot = store.snapshot();
        await store.write([put("a", "2"), del("b"), put("c", "1")]);
        await store.clear(EVERYTHING);
        assert.equal(read(snapshot, "a"), "1");
        assert.equal(read(snapshot, "c"), undefined);
        assert.deepEqual(await scan(snapshot, EVERYTHING), ["a=1", "b=1"]);
        await snapshot.close();
        assert.deepEqual(await scan(store, EVERYTHING), []);
      }));

    it("keeps what it was given when the caller uses its buffers again", () =>
      withDisk(async ({ store }) => {
        const key = bytes("a");
        const value = bytes("1");
        const written = store.write([{ type: "put", key, value }]);
        key.fill("x");
        value.fill("x");
        await written;
        assert.deepEqual(await scan(store, EVERYTHING), ["a=1"]);
      }));
  });
}
