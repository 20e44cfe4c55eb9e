/** The documents name what the code has. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, it } from "node:test";

const ROOT = resolve(import.meta.dirname, "../..");

/** Codes where they are declared or given: `code: "A"`, `code: "A" | "B"`. */
function codesIn(source: string): string[] {
  const places = source.match(/\bcode: "[A-Z][A-Z_]+"(\s*\| "[A-Z][A-Z_]+")*/g) ?? [];
  return places.flatMap((place) => place.match(/[A-Z][A-Z_]+/g) ?? []);
}

describe("docs/errors.md", () => {
  it("lists every code in the source", () => {
    const listed = new Set(readFileSync(join(ROOT, "docs/errors.md"), "utf8").match(/`[A-Z][A-Z_]+`/g));
    const sources = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" }).filter((f) =>
      f.endsWith(".ts"),
    );
    const missing = sources.flatMap((file) =>
      codesIn(readFileSync(join(ROOT, "src", file), "utf8"))
        .filter((code) => !listed.has(`\`${code}\``))
        .map((code) => `${code} in src/${file}`),
    );
    assert.deepEqual(missing, []);
  });
});
