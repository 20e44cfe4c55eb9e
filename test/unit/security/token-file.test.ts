import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { hashToken } from "../../../src/security/token.ts";
import { parseTokenFile, TokenFileError } from "../../../src/security/token-file.ts";

const SHA = hashToken("a token of mine");

describe("the file of tokens", () => {
  it("gives each token its role, its namespaces and its end, and keeps hashes only", () => {
    const text = `
tokens:
  - { id: ops, token: a token of mine, role: operator }
  - { id: pay, sha256: ${hashToken("other")}, role: agent, namespaces: [payments], expires: 2027-01-31T00:00:00Z }
`;
    const [ops, pay] = parseTokenFile(text);
    assert.deepEqual([ops?.sha256, ops?.role, ops?.namespaces, ops?.expiresAtMs], [SHA, "operator", null, null]);
    assert.deepEqual([pay?.namespaces, pay?.expiresAtMs], [["payments"], Date.UTC(2027, 0, 31)]);
    assert.doesNotMatch(JSON.stringify([ops, pay]), /of mine/);
  });

  const BAD: readonly (readonly [what: string, text: string, expected: RegExp])[] = [
    ["no YAML", "tokens: [", /neither YAML nor JSON/],
    ["no list", "tokens: 5", /should hold a list/],
    ["a bad id", `tokens: [{ id: "A b", sha256: ${SHA}, role: agent }]`, /tokens\[0\]\.id should be/],
    ["no secret", "tokens: [{ id: a, role: agent }]", /sha256 should be there, or else token/],
    ["both", `tokens: [{ id: a, token: secret-1, sha256: ${SHA}, role: agent }]`, /but not both/],
    ["a bad hash", "tokens: [{ id: a, sha256: abc, role: agent }]", /64 lower-case hex digits/],
    ["a short token", "tokens: [{ id: a, token: short, role: agent }]", /text of 8 to 256 characters/],
    ["no role", `tokens: [{ id: a, sha256: ${SHA}, role: root }]`, /one of reader, agent, operator/],
    ["an empty scope", `tokens: [{ id: a, sha256: ${SHA}, role: agent, namespaces: [] }]`, /namespaces should be/],
    ["a bad time", `tokens: [{ id: a, sha256: ${SHA}, role: agent, expires: soon }]`, /expires should be a time/],
    ["a field too many", `tokens: [{ id: a, sha256: ${SHA}, role: agent, scope: x }]`, /has a field scope/],
    [
      "one twice",
      `tokens: [{ id: a, sha256: ${SHA}, role: agent }, { id: b, sha256: ${SHA}, role: agent }]`,
      /b is there twice/,
    ],
  ];
  for (const [what, text, expected] of BAD) {
    it(`is refused with ${what}, and no secret is told`, () => {
      assert.throws(
        () => parseTokenFile(text),
        (error: unknown) => {
          assert.ok(error instanceof TokenFileError);
          assert.match(error.message, expected);
          assert.doesNotMatch(error.message, /secret-1|short\b/);
          return true;
        },
      );
    });
  }
});
