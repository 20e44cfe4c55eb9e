import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseStat } from "../../../bench/process-usage.ts";

const UNITS = { ticksPerSecond: 100, pageBytes: 4_096 };
/** As the kernel writes it, proc(5): utime and stime are the 14th and 15th field, rss the 24th. */
const line = (name: string) =>
  `4711 (${name}) S 1 4711 4711 0 -1 4194304 5000 0 3 0 250 50 7 8 20 0 11 0 123456 987654321 2048 18446744073709551615 1 1 0`;

describe("a line of /proc/PID/stat", () => {
  it("tells the time in user and kernel mode together, and the memory held", () => {
    assert.deepEqual(parseStat(line("node"), UNITS), { cpuMs: 3_000, rssBytes: 2_048 * 4_096 });
  });

  it("is read past a name of spaces and parentheses", () => {
    assert.deepEqual(parseStat(line("a) S 9 (b"), UNITS), parseStat(line("node"), UNITS));
  });

  it("is refused when it is none", () => {
    assert.throws(() => parseStat("", UNITS), /not a line of/);
    assert.throws(() => parseStat("4711 (node) S 1 2 3", UNITS), /not a line of/);
  });
});
