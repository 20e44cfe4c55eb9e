import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { crc32 } from "node:zlib";
import {
  BackupError,
  type BackupErrorDetail,
  type BackupPart,
  readBackup,
  writeBackup,
} from "../../../src/storage/backup-format.ts";
import { stateKey } from "../../../src/storage/buckets.ts";
import { seal, stateSeed, unseal } from "../../../src/storage/records.ts";
import { backupOf, HEADER, inPieces, RECORDS, regionOf, SHARED_KEY } from "../../support/backup-data.ts";
import { CLUSTER } from "../../support/raft-data.ts";

async function read(
  bytes: Uint8Array,
  keys: readonly Uint8Array[] = [SHARED_KEY],
  size?: number,
): Promise<BackupPart[]> {
  const parts: BackupPart[] = [];
  for await (const part of readBackup(inPieces(bytes, size), keys)) parts.push(part);
  return parts;
}

async function refusalOf(bytes: Uint8Array, keys?: readonly Uint8Array[]): Promise<BackupErrorDetail> {
  try {
    await read(bytes, keys);
  } catch (error) {
    assert.ok(error instanceof BackupError, `${error}`);
    return error.detail;
  }
  return assert.fail("it was taken for a backup");
}

function endOf(parts: readonly BackupPart[]) {
  const end = parts.at(-1);
  return end?.type === "end" ? end.totals : assert.fail("it has no end");
}

function recordsIn(parts: readonly BackupPart[]) {
  const seedOf = stateSeed(CLUSTER);
  const sealed = parts.flatMap((part) => (part.type === "records" ? part.records : []));
  return sealed.map(([key, value]) => [key, unseal(value, seedOf(key), key)]);
}

describe("a backup", () => {
  it("gives back what was written, and counts it, however it arrives in pieces", async () => {
    const bytes = await backupOf();
    for (const size of [1, 7, bytes.length]) {
      const parts = await read(bytes, [SHARED_KEY], size);
      assert.deepEqual(parts[0], { type: "header", header: HEADER, offset: parts[0]?.offset });
      assert.deepEqual(recordsIn(parts), RECORDS);
      const { kinds, records, bytes: count, seal } = endOf(parts);
      assert.deepEqual([kinds, records, count, seal], [{ agent: 2, capability: 1 }, 3, bytes.length, "proved"]);
    }
  });

  it("of a region without any record is whole as well", async () => {
    assert.equal(endOf(await read(await backupOf([]))).records, 0);
  });

  it("of more than one chunk is read in order, with the digest of all that precedes its trailer", async () => {
    const records = Array.from({ length: 40 }, (_, i) => [`agent/${100 + i}`, "x".repeat(20_000)] as const);
    const bytes = await backupOf(records);
    const parts = await read(bytes, [SHARED_KEY], 65_536);
    assert.ok(parts.filter(({ type }) => type === "records").length > 2);
    assert.deepEqual(recordsIn(parts), records);
    assert.match(endOf(parts).sha256, /^[0-9a-f]{64}$/);
  });

  it("is not taken with any one bit of it flipped", async () => {
    const bytes = await backupOf();
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      await assert.rejects(read(flipped), BackupError, `bit ${bit & 7} of byte ${bit >> 3}`);
    }
  });

  it("is not taken cut off anywhere, and the end is named", async () => {
    const bytes = await backupOf();
    for (let length = 1; length < bytes.length; length++) {
      assert.deepEqual(await refusalOf(bytes.subarray(0, length)), { code: "BACKUP_TRUNCATED", offset: length });
    }
    assert.deepEqual(await refusalOf(Buffer.alloc(0)), { code: "NOT_A_BACKUP" });
  });

  it("is not taken with anything behind its end", async () => {
    const bytes = await backupOf();
    const detail = await refusalOf(Buffer.concat([bytes, Buffer.of(0)]));
    assert.deepEqual(detail, { code: "BACKUP_DAMAGED", offset: bytes.length, what: "something follows the end" });
  });

  it("names the byte at which what is damaged begins", async () => {
    const bytes = await backupOf();
    const [header] = await read(bytes);
    const inChunk = Buffer.from(bytes);
    inChunk[header!.offset + 20]! ^= 1;
    const detail = await refusalOf(inChunk);
    assert.deepEqual(detail, { code: "BACKUP_DAMAGED", offset: header!.offset, what: "the checksum does not match" });
  });

  it("of another kind, or of a later version, is named so", async () => {
    assert.deepEqual(await refusalOf(Buffer.from("PK\u0003\u0004 is a zip archive")), { code: "NOT_A_BACKUP" });
    const later = await backupOf();
    later.writeUInt16BE(2, 8);
    assert.deepEqual(await refusalOf(later), { code: "BACKUP_FORMAT", format: 2, formatMax: 1 });
  });

  it("that somebody without the shared key made, or whose records he changed, is not taken", async () => {
    const forged = await backupOf([["agent/evil", {}]], { sharedKey: Buffer.from("another key") });
    assert.deepEqual(await refusalOf(forged), { code: "BACKUP_SEAL_WRONG" });
    assert.equal(endOf(await read(forged, [])).seal, "unproved");
  });

  it("is taken with a former shared key beside the present one; without any shared key it has no seal", async () => {
    const bytes = await backupOf();
    assert.equal(endOf(await read(bytes, [Buffer.from("new"), SHARED_KEY])).seal, "proved");
    assert.equal(endOf(await read(await backupOf(RECORDS, { sharedKey: Buffer.alloc(0) }))).seal, "none");
  });

  it("of a stranger shows nothing that steers a terminal or hides what stands there", async () => {
    for (const hidden of ["\u001b[2J", "\u202e", "a\u0000"]) {
      const { code } = await refusalOf(await backupOf(RECORDS, { header: { ...HEADER, region: hidden } }));
      assert.equal(code, "BACKUP_DAMAGED");
    }
    async function* chunks() {
      yield seal([0, [["agent/\u001b[2J", Buffer.alloc(8)]]], crc32(`snapshot/${CLUSTER}/7/3`));
    }
    const pieces: Uint8Array[] = [];
    for await (const piece of writeBackup(HEADER, chunks(), SHARED_KEY)) pieces.push(piece);
    const detail = await refusalOf(Buffer.concat(pieces));
    assert.match(detail.code === "BACKUP_DAMAGED" ? detail.what : "", /state record "agent\/\?\[2J" .*is damaged/);
  });

  it("does not end well when a record was lost on the disk since it was written (F5)", async () => {
    const { store, raft } = await regionOf(RECORDS);
    await store.write([{ type: "delete", key: stateKey(0, "agent/b") }]);
    const view = raft.openSelection(() => true);
    await assert.rejects(async () => {
      for await (const chunk of view.chunks()) assert.ok(chunk);
    }, /missing or out of date/);
  });
});
