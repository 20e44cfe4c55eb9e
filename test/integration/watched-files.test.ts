/** Files that are read again, on a real disk. */

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { type WatchedFile, WatchedFiles } from "../../src/node/watched-files.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

/** Longer than it takes until the files are looked at again. */
const LOOK_MS = 2_500;

const parent = mkdtempSync(join(tmpdir(), "atoll-watched-"));
after(() => rmSync(parent, { recursive: true, force: true }));

function folder(name: string): string {
  mkdirSync(join(parent, name));
  return join(parent, name);
}

describe("watched files", () => {
  it("hands each text over with the file it came from, also when others are listed a moment later", () => {
    const dir = folder("renamed");
    const listed = ["bob", "carol"].map((name) => join(dir, name));
    for (const path of [join(dir, "alice"), ...listed]) writeFileSync(path, `of ${path}`);
    const taken: (readonly WatchedFile[])[] = [];
    const files = new WatchedFiles({
      // Another one comes before them as soon as they were read.
      paths: () => [...(taken.length === 0 ? [] : [join(dir, "alice")]), ...listed],
      clock: new VirtualClock(),
      onChange: (these) => {
        taken.push(these);
      },
      onUnusable: (error) => assert.ifError(error),
    });
    files.look();
    assert.deepEqual(
      taken.map((these) => these.map(({ path }) => path)),
      [listed, [join(dir, "alice"), ...listed]],
    );
    for (const { path, text } of taken.flat()) assert.equal(text, `of ${path}`);
  });

  it("says once that they can not be listed, again for another reason, and takes them when they can", async () => {
    const dir = folder("listed");
    writeFileSync(join(dir, "a"), "1");
    const clock = new VirtualClock();
    const [texts, reasons]: [string[][], string[]] = [[], []];
    let fault: string | undefined;
    const files = new WatchedFiles({
      paths: () => {
        if (fault !== undefined) throw new Error(fault);
        return readdirSync(dir).map((name) => join(dir, name));
      },
      clock,
      onChange: (these) => {
        texts.push(these.map(({ text }) => text));
      },
      onUnusable: (error) => {
        reasons.push((error as Error).message);
      },
    });
    files.start();
    for (fault of ["no such folder", "not permitted"]) await clock.advance(4 * LOOK_MS);
    assert.deepEqual(reasons, ["no such folder", "not permitted"]);
    fault = undefined;
    writeFileSync(join(dir, "a"), "now 2");
    await clock.advance(LOOK_MS);
    assert.deepEqual(texts, [["1"], ["now 2"]]);
    fault = "no such folder";
    await clock.advance(LOOK_MS);
    files.stop();
    assert.equal(reasons.length, 3);
  });
});
