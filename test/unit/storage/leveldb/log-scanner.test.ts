import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BLOCK_BYTES, type LogFinding, LogScanner } from "../../../../src/storage/leveldb/log-scanner.ts";
import { fragment, logFileOf } from "../../../support/leveldb-log.ts";

const HEAD = 4;

function findingsOf(file: Buffer, headBytes = HEAD): LogFinding[] {
  const scanner = new LogScanner(headBytes);
  const findings: LogFinding[] = [];
  for (let at = 0; at < file.length; at += BLOCK_BYTES) {
    findings.push(...scanner.scan(file.subarray(at, at + BLOCK_BYTES)));
  }
  return [...findings, ...scanner.end()];
}

/** A record that begins with its number. */
function record(number: number, bytes: number): Buffer {
  const payload = Buffer.alloc(bytes, number);
  payload.writeUInt32BE(number);
  return payload;
}

const numbersIn = (findings: readonly LogFinding[]) =>
  findings.flatMap((finding) => (finding.kind === "record" ? [Buffer.from(finding.head).readUInt32BE()] : []));
const firstBad = (findings: readonly LogFinding[]) => findings.findIndex(({ kind }) => kind === "bad");

describe("storage/leveldb/log-scanner", () => {
  it("finds every record, in one block and over many, where it begins", () => {
    const sizes = [100, 40_000, 4, 100_000, 32_761, 7, 65_000, 20];
    const findings = findingsOf(logFileOf(sizes.map((bytes, number) => record(number, bytes))));
    assert.equal(firstBad(findings), -1);
    assert.deepEqual(numbersIn(findings), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert.deepEqual(
      findings.slice(0, 3).map(({ offset }) => offset),
      [0, 107, 107 + 40_000 + 2 * 7],
    );
  });

  it("puts a head together from the fragments it lies in", () => {
    for (let room = 0; room < 12; room++) {
      const file = logFileOf([record(1, BLOCK_BYTES - 7 - room), record(2, 500)]);
      assert.deepEqual(numbersIn(findingsOf(file)), [1, 2], `${room} bytes left in the block`);
    }
    const payload = record(7, 80_000);
    const [whole] = findingsOf(logFileOf([payload]), Number.POSITIVE_INFINITY);
    assert.ok(whole?.kind === "record");
    assert.deepEqual(Buffer.from(whole.head), payload);
  });

  it("R10: tells one flipped bit, wherever it is, from a torn end: an intact record follows", () => {
    const file = logFileOf([record(1, 60), record(2, 33), record(3, 50)]);
    const lastAt = file.length - 57;
    for (let bit = 0; bit < file.length * 8; bit++) {
      const damaged = Buffer.from(file);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      const findings = findingsOf(damaged);
      const bad = firstBad(findings);
      assert.ok(bad >= 0, `bit ${bit} is noticed`);
      assert.equal(
        findings.slice(bad).some(({ kind }) => kind === "record"),
        bit >> 3 < lastAt,
        `bit ${bit}`,
      );
    }
  });

  it("R10: finds what follows a damaged record that fills blocks", () => {
    const file = logFileOf([record(1, 100), record(2, 80_000), record(3, 100)]);
    for (let at = 107; at < file.length - 107; at += 997) {
      const damaged = Buffer.from(file);
      damaged[at]! ^= 0x40;
      const findings = findingsOf(damaged);
      assert.deepEqual(numbersIn(findings), [1, 3], `byte ${at}`);
      assert.equal(firstBad(findings), 1);
    }
  });

  it("R10: a file that ends anywhere has all records before, a bad end, and nothing behind it", () => {
    const sizes = [100, 40_000, 30];
    const file = logFileOf(sizes.map((bytes, number) => record(number, bytes)));
    const ends = new Set([0, 107, 107 + 40_014]);
    for (let length = 0; length < file.length; length += length < 300 ? 1 : 499) {
      const findings = findingsOf(file.subarray(0, length));
      const bad = firstBad(findings);
      assert.equal(bad === -1, ends.has(length), `${length} bytes`);
      if (bad >= 0) assert.ok(findings.slice(bad).every(({ kind }) => kind === "bad"));
    }
  });

  it("R10: a page that never reached the disk, within the last record, is a torn end although later pages did", () => {
    const file = logFileOf([record(1, 100), record(2, 120_000)]);
    for (let page = 0; page + 4_096 <= file.length; page += 4_096) {
      const torn = Buffer.from(file);
      torn.fill(0, Math.max(page, 107), page + 4_096);
      const findings = findingsOf(torn);
      assert.deepEqual(numbersIn(findings), [1], `page at ${page}`);
      assert.ok(firstBad(findings) > 0);
    }
  });

  it("does not take for a record what somebody put into a payload", () => {
    const forged = fragment(1, record(666, 100));
    const payload = Buffer.concat([record(2, 50), forged, forged, forged]);
    const file = logFileOf([record(1, 20), payload]);
    for (let cut = 28; cut < file.length; cut++) {
      const torn = Buffer.concat([file.subarray(0, cut), Buffer.alloc(file.length - cut)]);
      assert.deepEqual(numbersIn(findingsOf(torn)), [1], `torn at byte ${cut}`);
      torn.fill(0, 27, cut);
      file.copy(torn, cut, cut);
      assert.deepEqual(numbersIn(findingsOf(torn)), [1], `lost up to byte ${cut}`);
    }
  });

  it("does not go where the bytes behind a lost header point", () => {
    const forged = fragment(1, record(666, 100));
    const wrong = fragment(1, Buffer.alloc(5));
    wrong[0]! ^= 1;
    const chains = [
      [Buffer.alloc(7), forged],
      [Buffer.alloc(7), wrong, forged],
      [wrong, wrong, forged],
    ];
    for (const chain of chains) {
      const file = Buffer.concat([fragment(1, record(1, 20)), ...chain]);
      assert.deepEqual(numbersIn(findingsOf(file)), [1]);
    }
  });

  it("notices fragments in an order that LevelDB never writes", () => {
    const [full, first, middle, last] = [1, 2, 3, 4].map((type) => fragment(type, record(type, 8)));
    const bad = (...parts: (Buffer | undefined)[]) => firstBad(findingsOf(Buffer.concat(parts.map((part) => part!))));
    assert.equal(bad(full, first, middle, last), -1);
    assert.equal(bad(middle), 0);
    assert.equal(bad(full, last), 1);
    assert.equal(bad(first, full), 0);
    assert.equal(bad(first, middle), 0);
    assert.equal(bad(fragment(5, record(5, 8))), 0);
  });
});
