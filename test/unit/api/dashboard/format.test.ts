import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";

interface Format {
  visible(text: string): string;
  shorten(text: string, lengthMax: number): string;
  duration(ms: number | null | undefined): string;
  rate(value: number): string;
  ago(atMs: number, nowMs: number): string;
  isoTime(atMs: number): string;
}

/** A module of the page, which is checked against the browser's types and not against Node's. */
const PAGE = new URL("../../../../src/api/dashboard/page/", import.meta.url);
const { visible, shorten, duration, rate, ago, isoTime }: Format = await import(`${PAGE}format.js`);

describe("names that somebody else chose", () => {
  it("show what can not be seen, so that nothing in them can hide or turn what stands around", () => {
    assert.equal(visible("safe\u202egnp.exe"), "safe⟨U+202E⟩gnp.exe");
    assert.equal(visible("a\u200bb\u2066c\ufeffd\u0000e\u2028f"), "a⟨U+200B⟩b⟨U+2066⟩c⟨U+FEFF⟩d⟨U+0000⟩e⟨U+2028⟩f");
    assert.equal(visible("tag\u{e0041}"), "tag⟨U+E0041⟩");
  });

  it("stay as they are in every script, with the ends of lines", () => {
    for (const text of ["weather-1", "предсказание", "الطقس", "天気予報", "prévision ☀", "two\nlines\tand a tab"]) {
      assert.equal(visible(text), text);
    }
  });

  it("pile no more than four marks on one letter", () => {
    assert.equal(visible(`z${"\u0301".repeat(1_000)}`), `z${"\u0301".repeat(4)}`);
  });

  it("have no mark of direction, no control and no half of a pair left, whatever was in them", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), fc.integer({ min: 1, max: 30 }), (text, lengthMax) => {
        const shown = shorten(visible(text), lengthMax);
        assert.ok(shown.length <= lengthMax);
        assert.ok(shown.isWellFormed());
        assert.doesNotMatch(shown, /[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]|(?![\t\n])\p{Cc}/u);
      }),
    );
  });

  it("are read in time that grows with their length alone", () => {
    const marks = `${"\u0301".repeat(64 * 1024)}x`;
    assert.equal(visible(marks.repeat(8)).length, 4 * 8 + 8);
  });
});

describe("values", () => {
  it("are durations that people read at a glance", () => {
    const shown = [0.25, 9.96, 61.5, 999, 1_500, 61_000, 5_400_000, 200_000_000, Number.MAX_SAFE_INTEGER, null].map(
      duration,
    );
    assert.deepEqual(shown, ["0.3 ms", "10 ms", "62 ms", "999 ms", "1.5 s", "1 min", "2 h", "2 d", "never", "never"]);
  });

  it("are rates with as many digits as mean something", () => {
    assert.deepEqual([0, 0.04, 0.5, 12, 99.94, 1_234.5].map(rate), ["0", "<0.1", "0.5", "12", "99.9", "1,235"]);
  });

  it("are never in the future, and never break the page", () => {
    assert.equal(ago(10_000, 9_000), "just now");
    assert.equal(isoTime(Number.NaN), "");
    assert.equal(isoTime(0), "1970-01-01T00:00:00.000Z");
  });
});
