/** The documents name what the code has. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, it } from "node:test";
import { createTestApp } from "../support/api-app.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/** Codes where they are declared or given: `code: "A"`, `code: "A" | "B"`. */
function codesIn(source: string): string[] {
  const places = source.match(/\bcode: "[A-Z][A-Z_]+"(\s*\| "[A-Z][A-Z_]+")*/g) ?? [];
  return places.flatMap((place) => place.match(/[A-Z][A-Z_]+/g) ?? []);
}

/** The first block of a language after a place in a document. */
function blockAfter(document: string, place: string, language: string): string {
  const rest = document.slice(document.indexOf(place));
  const [, block] = new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, "s").exec(rest) ?? [];
  assert.ok(block !== undefined, `no ${language} after ${place}`);
  return block;
}

describe("docs/http-api.md", () => {
  it("shows the members of a region as they are answered", async () => {
    const example = blockAfter(readFileSync(join(ROOT, "docs/http-api.md"), "utf8"), "### Members", "json");
    const { send, admin } = await createTestApp();
    admin.status = JSON.parse(example);
    const answer = await send({ method: "POST", url: "/v1/cluster/members", payload: { name: "us-east-2" } });
    assert.deepEqual([answer.statusCode, answer.json()], [202, JSON.parse(example)]);
  });
});

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

describe("docs/protocol.md", () => {
  const page = readFileSync(join(ROOT, "docs/protocol.md"), "utf8");
  const source = (file: string) => readFileSync(join(ROOT, "src", file), "utf8");

  it("has every Raft message under its number", () => {
    const [, list] = /MESSAGE_TYPES = \[([^\]]*)\]/.exec(source("network/raft-codec.ts"))!;
    const types = [...list!.matchAll(/"(\w+)"/g)].map(([, type]) => type!);
    const rows = [...page.matchAll(/^\| ([\d, ]+) \| ([\w, ]+) \|/gm)].flatMap(([, numbers, names]) =>
      numbers!.split(", ").map((number, i) => [Number(number), names!.split(", ")[i]]),
    );
    assert.deepEqual(
      rows.filter(([, name]) => types.includes(`${name}`)),
      types.map((type, i) => [i, type]),
    );
  });

  it("has every method that a node serves", () => {
    const methods = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .flatMap((file) => [...source(file).matchAll(/METHOD = "([^"]+)"/g)].map(([, method]) => method!));
    assert.ok(methods.length > 8);
    assert.deepEqual(
      methods.filter((method) => !page.includes(`| \`${method}\` |`)),
      [],
    );
  });
});

/** Rules and cases that a test, or a decision record, must name; and those that must be told in a world of whole nodes. */
const RULES = [...Array.from({ length: 60 }, (_, i) => `R${i + 1}`), "F17"];
const SIMULATED = ["P7", ...[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 18, 19, 20, 21, 22].map((number) => `F${number}`)];

describe("the rules of the checklist", () => {
  const textsOf = (folder: string, isOne: (file: string) => boolean) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter(isOne)
      .map((file) => readFileSync(join(ROOT, folder, file), "utf8"));

  it("are each named by a test or a decision record", () => {
    const tests = textsOf("test", (file) => file.endsWith(".test.ts")).flatMap((text) => titlesIn(text));
    const named = [...tests, ...textsOf("docs/adr", (file) => file.endsWith(".md"))].join("\n");
    assert.deepEqual(unnamed(RULES, named), []);
  });

  it("are each simulated, where the failure is one of nodes, disks, links or leases", () => {
    const simulated = textsOf("test/sim", (file) => file.endsWith(".test.ts")).flatMap((text) => titlesIn(text));
    assert.deepEqual(unnamed(SIMULATED, simulated.join("\n")), []);
  });
});

function unnamed(rules: readonly string[], text: string): string[] {
  const named = new Set(text.match(/\b[RFP]\d+\b/g));
  return rules.filter((rule) => !named.has(rule));
}

/** Titles of tests, also those that stand in a table. */
function titlesIn(text: string): string[] {
  return text.match(/(?:\b(?:it|describe)\(\s*|what: |^\s*\[)["`][^\n]*/gm) ?? [];
}
