import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { canonicalExport, compileExport, equalExport } from "../../../src/registry/export-policy.ts";

describe("export policy", () => {
  const cases: readonly (readonly [readonly string[], readonly string[]])[] = [
    [["*"], ["a", "b", "c"]],
    [["a"], ["a"]],
    [
      ["a", "b"],
      ["a", "b"],
    ],
    [
      ["*", "!b"],
      ["a", "c"],
    ],
    [["!b"], ["a", "c"]],
    [["a", "b", "!b"], ["a"]],
    [["!*"], []],
    [["a", "!*"], []],
    [["!a", "a"], []],
  ];
  for (const [policy, seen] of cases) {
    it(`${policy.join(",")} shows ${seen.join(",") || "nothing"} of a, b and c`, () => {
      const isExported = compileExport(policy);
      assert.deepEqual(
        ["a", "b", "c"].filter((namespace) => isExported?.(namespace) ?? true),
        seen,
      );
    });
  }

  it("asks nobody where everything is exported", () => {
    assert.equal(compileExport(["*"]), null);
    assert.equal(compileExport([]), null);
  });

  it("is the same in whatever order it is written", () => {
    assert.deepEqual(canonicalExport(["b", "!c", "b"]), ["!c", "b"]);
    assert.equal(equalExport(["b", "!c"], ["!c", "b", "b"]), true);
    assert.equal(equalExport(["b"], ["b", "!c"]), false);
  });
});
