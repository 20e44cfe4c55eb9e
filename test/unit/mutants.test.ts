/** The catalogue of mutants (`test/mutants`) must follow the code that it breaks, or `npm run mutants` proves less each month. */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, it } from "node:test";
import { CATALOGUE } from "../mutants/catalogue.ts";
import { mutate } from "../mutants/mutant.ts";

const ROOT = resolve(import.meta.dirname, "../..");
/** The mutants that any simulator of Raft must kill; they are numbered from 1. */
const NUMBERED = 20;

describe("mutants", () => {
  for (const mutant of CATALOGUE) {
    it(`"${mutant.name}" breaks a line that is still there, once`, () => {
      const intact = readFileSync(join(ROOT, mutant.file), "utf8");
      assert.notEqual(mutate(mutant, intact), intact);
    });
  }

  it("have names of their own", () => {
    const names = CATALOGUE.map(({ name }) => name);
    assert.deepEqual(
      names.filter((name, i) => names.indexOf(name) !== i),
      [],
    );
  });

  it("break each line in a way of their own", () => {
    const breaks = CATALOGUE.map(({ file, find, replace }) => `${file}: ${find} -> ${replace}`);
    assert.equal(new Set(breaks).size, breaks.length);
  });

  it("name tests that exist", () => {
    const files = new Set(CATALOGUE.flatMap(({ tests }) => tests));
    assert.deepEqual(
      [...files].filter((file) => !existsSync(join(ROOT, file))),
      [],
    );
  });

  it("include those that any simulator of Raft must kill", () => {
    const missing = [];
    for (let number = 1; number <= NUMBERED; number++) {
      const isThere = CATALOGUE.some(({ listed, simulators }) => listed === number && simulators.length > 0);
      if (!isThere) missing.push(number);
    }
    assert.deepEqual(missing, []);
  });
});
