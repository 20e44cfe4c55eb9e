/** The documents name what the code has. */

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, it } from "node:test";
import { createTestApp } from "../support/api-app.ts";
import { anchorsOf, linksOf } from "../support/document.ts";

const ROOT = resolve(import.meta.dirname, "../..");

/** Codes of the operating system, which nobody is told. */
const NOT_OURS = ["EEXIST"];

/** Codes where they are declared or given: `code: "A"`, `code: "A" | "B"`. */
function codesIn(source: string): string[] {
  const places = source.match(/\bcode: "[A-Z][A-Z_]+"(\s*\| "[A-Z][A-Z_]+")*/g) ?? [];
  const codes = places.flatMap((place) => place.match(/[A-Z][A-Z_]+/g) ?? []);
  return codes.filter((code) => !NOT_OURS.includes(code));
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

describe("every route of the server", () => {
  /** Parameters are called as the reader likes: `{id}`, `{name}`, `ID`. */
  const shapeOf = (path: string) => path.replace(/\{[^}]*\}/g, "{}");

  it("is in docs/http-api.md", async () => {
    const { send } = await createTestApp();
    const { paths } = (await send({ method: "GET", url: "/openapi.json" })).json<{
      paths: Record<string, Record<string, unknown>>;
    }>();
    const page = readFileSync(join(ROOT, "docs/http-api.md"), "utf8");
    const named = routesIn(page).map(([method, path]) => `${method} ${shapeOf(path)}`);
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    assert.ok(routes.length > 50, `only ${routes.length} routes`);
    const isNamed = (route: string) =>
      route.endsWith("{*}")
        ? named.some((each) => each.startsWith(route.slice(0, -"{*}".length)))
        : named.includes(shapeOf(route));
    assert.deepEqual(
      routes.filter((route) => !isNamed(route)),
      [],
    );
  });
});

/** `GET /a`, `/b` and `POST`, `DELETE /c` are four of them: methods go on to the next path, paths with the last methods. */
function routesIn(page: string): [string, string][] {
  return page.split("\n").flatMap((line) => {
    const found: [string, string][] = [];
    let methods: string[] = [];
    let isNew = true;
    for (const [, code] of line.matchAll(/`([^`]+)`/g)) {
      const [, words = "", path] = /^((?:[A-Z]+ ?)*)(\/[^\s?[]*)?/.exec(code!) ?? [];
      const verbs = words.match(/\b(GET|HEAD|PUT|POST|PATCH|DELETE)\b/g) ?? [];
      if (verbs.length > 0) {
        methods = isNew ? verbs : [...methods, ...verbs];
        isNew = false;
      }
      if (path === undefined) continue;
      found.push(...methods.map((method): [string, string] => [method, path]));
      isNew = true;
    }
    return found;
  });
}

describe("the version", () => {
  const text = (file: string) => readFileSync(join(ROOT, file), "utf8");
  const { version } = JSON.parse(text("package.json")) as { version: string };

  it("is the same wherever it shows", () => {
    const shown = {
      "package-lock.json": /^ {2}"version": "(.*)",$/m,
      "CHANGELOG.md": /^## (?!Unreleased)(\S+)/m,
      "README.md": /It is young: (\S+),/,
      "docs/comparison.md": /Years\. It is (\S+),/,
      "docs/operations.md": /install --global \.\/atoll-(\S+)\.tgz/,
      "deploy/helm/atoll/Chart.yaml": /^appVersion: "(.*)"$/m,
      "deploy/kubernetes/base/statefulset.yaml": /image: atoll:(\S+)/,
    };
    const found = Object.entries(shown).map(([file, pattern]) => [file, pattern.exec(text(file))?.[1]]);
    assert.deepEqual(
      found,
      Object.keys(shown).map((file) => [file, version]),
    );
  });
});

describe("links", () => {
  const pages = [
    ...["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"],
    ...["docs", "deploy", "bench", "examples"].flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
        .filter((file) => file.endsWith(".md") && !file.includes("node_modules"))
        .map((file) => join(folder, file)),
    ),
  ].filter((page) => existsSync(join(ROOT, page)));

  it("between documents lead to a file that is there, and to a heading that it has", () => {
    assert.ok(pages.length > 30);
    const broken = pages.flatMap((page) =>
      linksOf(readFileSync(join(ROOT, page), "utf8")).flatMap(({ target, line }) => {
        const problem = problemOf(page, target);
        return problem === undefined ? [] : [`${page}:${line} ${target}: ${problem}`];
      }),
    );
    assert.deepEqual(broken, []);
  });
});

function problemOf(page: string, target: string): string | undefined {
  if (/^[a-z]+:/.test(target)) return undefined;
  const [path = "", anchor] = target.split("#");
  const file = path === "" ? join(ROOT, page) : resolve(ROOT, dirname(page), path);
  if (relative(ROOT, file).startsWith("..")) return "is outside of the repository";
  if (!existsSync(file)) return "there is no such file";
  if (anchor === undefined || !file.endsWith(".md")) return undefined;
  return anchorsOf(readFileSync(file, "utf8")).has(anchor) ? undefined : "there is no such heading";
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
