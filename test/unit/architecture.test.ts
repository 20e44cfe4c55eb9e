/**
 * The house rules of `src`, read from its import lines (ARCHITECTURE.md, "Arrows").
 *
 * A failure names the file, the line and the rule that is broken.
 */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, it } from "node:test";

const ROOT = resolve(import.meta.dirname, "../..");
const SRC = join(ROOT, "src");

/** What each folder may import beside itself; `util` and `types` are open to all. */
const ARROWS: Record<string, readonly string[]> = {
  cli: ["node", "config", "security"],
  node: ["api", "registry", "federation", "raft", "storage", "network", "security", "tracing", "config", "metrics"],
  api: ["registry", "security", "config", "metrics"],
  registry: ["raft/index.ts", "network/interface.ts", "storage/interface.ts", "config", "metrics"],
  federation: ["network/interface.ts", "storage/interface.ts", "config", "metrics"],
  raft: ["raft/core", "network/interface.ts", "storage/interface.ts", "config", "metrics"],
  "raft/core": [],
  network: ["config", "metrics"],
  storage: ["config", "metrics"],
  config: [],
  metrics: [],
  tracing: ["config"],
  security: [],
  types: [],
  util: [],
  client: [],
};
/** Benchmarks lie outside of `src`: one command runs them, and loads them when it does, so that no node ever does. */
const BENCH = "../bench/";
const BENCH_COMMAND = "cli/commands/bench.ts";
/** Programs elsewhere import it, browsers too: it has files of its own only, and in one of them what Node alone has. */
const CLIENT = "client/";
const CLIENT_FOR_NODE = "client/node.ts";

/** Only these folders know the library. */
const OWNERS: Record<string, string> = {
  fastify: "api",
  "@fastify/": "api",
  level: "storage",
  "classic-level": "storage",
  libp2p: "network",
  "@libp2p/": "network",
  "prom-client": "metrics",
  commander: "cli",
  "@peculiar/": "cli",
  "@opentelemetry/": "tracing",
};

/** State and event in, new state out: no clock, no chance, no I/O, no waiting. */
const PURE = [
  "raft/core/",
  "registry/matching/",
  "registry/leases.ts",
  "registry/registry-state-machine.ts",
  "federation/capability-summary.ts",
];
const IMPURE = [
  { pattern: /\bDate\b(?!\w)/, what: "reads the wall clock" },
  { pattern: /\bperformance\b/, what: "reads a clock" },
  { pattern: /\bMath\.random\b/, what: "draws random numbers" },
  { pattern: /\bset(Timeout|Interval|Immediate)\b|\bqueueMicrotask\b/, what: "sets a timer" },
  { pattern: /from "node:/, what: "imports a part of Node" },
  { pattern: /\bawait\b/, what: "waits" },
];
/** The state machine is refilled from a stream of records; nothing else in it waits. */
const MAY_WAIT = "registry/registry-state-machine.ts";
/** Where real time and chance enter. */
const TIMELESS_EXCEPTIONS = ["util/clock.ts", "util/random.ts", "client/environment.ts", "cli/"];

interface Line {
  readonly file: string;
  readonly number: number;
  readonly code: string;
}

const files = readdirSync(SRC, { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .sort();

/** The lines of a file without comments. */
function codeLines(file: string): Line[] {
  const text = readFileSync(join(SRC, file), "utf8").replace(/\/\*[\s\S]*?\*\//g, (comment) =>
    comment.replace(/[^\n]/g, ""),
  );
  return text.split("\n").map((line, i) => ({ file, number: i + 1, code: line.replace(/(^|\s)\/\/.*$/, "") }));
}

/** Each import of a file: where it stands and what it names. Multi-line imports are found by their last line. */
function imports(file: string): (Line & { target: string })[] {
  return codeLines(file).flatMap((line) => {
    const match = /(?:\bfrom|\bimport)\s*\(?\s*"([^"]+)"/.exec(line.code);
    return match === null ? [] : [{ ...line, target: match[1]! }];
  });
}

function folderOf(file: string): string {
  if (file.startsWith("raft/core/")) return "raft/core";
  return file.split("/")[0]!;
}

const at = ({ file, number }: Line) => `src/${file}:${number}`;
const inSrc = (file: string, target: string) => relative(SRC, resolve(SRC, dirname(file), target));

describe("architecture", () => {
  it("has files to look at", () => {
    assert.ok(files.length > 40, `only ${files.length} files in src`);
  });

  it("imports only along the arrows", () => {
    const broken = files.flatMap((file) =>
      imports(file).flatMap((line) => {
        if (!line.target.startsWith(".")) return [];
        const target = inSrc(file, line.target);
        if (file === BENCH_COMMAND && target.startsWith(BENCH) && line.code.includes("await import(")) return [];
        const from = folderOf(file);
        const to = folderOf(target);
        if (from === to || to === "util" || to === "types") return [];
        const allowed = ARROWS[from] ?? assert.fail(`folder ${from} has no arrows yet: src/${file}`);
        const isAllowed = allowed.some((arrow) => target === arrow || to === arrow);
        return isAllowed ? [] : [`${at(line)} imports ${target}, but ${from} may import only ${allowed.join(", ")}`];
      }),
    );
    assert.deepEqual(broken, []);
  });

  it("lets the client stand alone", () => {
    const broken = files
      .filter((file) => file.startsWith(CLIENT))
      .flatMap((file) =>
        imports(file).flatMap((line) => {
          const isOwn = line.target.startsWith("./");
          const isOfNode = file === CLIENT_FOR_NODE && line.target.startsWith("node:");
          return isOwn || isOfNode ? [] : [`${at(line)} imports ${line.target}`];
        }),
      );
    assert.deepEqual(broken, []);
  });

  it("keeps each library in the folder that owns it", () => {
    const broken = files.flatMap((file) =>
      imports(file).flatMap((line) => {
        const owner = Object.entries(OWNERS).find(([name]) =>
          name.endsWith("/") ? line.target.startsWith(name) : line.target === name,
        )?.[1];
        if (owner === undefined || folderOf(file) === owner) return [];
        return [`${at(line)} imports ${line.target}, which only ${owner} may`];
      }),
    );
    assert.deepEqual(broken, []);
  });

  it("has no cycles between files", () => {
    const graph = new Map(
      files.map((file) => [
        file,
        imports(file)
          .filter(({ target }) => target.startsWith("."))
          .map(({ target }) => inSrc(file, target)),
      ]),
    );
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, path: readonly string[]) => {
      if (path.includes(file)) {
        cycles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
        return;
      }
      if (done.has(file)) return;
      for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
    assert.deepEqual(cycles, []);
  });

  it("keeps pure files pure", () => {
    const broken = files
      .filter((file) => PURE.some((pure) => file.startsWith(pure)))
      .flatMap((file) =>
        codeLines(file).flatMap((line) =>
          IMPURE.filter(({ pattern, what }) => pattern.test(line.code) && !(file === MAY_WAIT && what === "waits")).map(
            ({ what }) => `${at(line)} ${what}: ${line.code.trim()}`,
          ),
        ),
      );
    assert.deepEqual(broken, []);
  });

  it("takes time and chance from outside everywhere else", () => {
    const broken = files
      .filter((file) => !TIMELESS_EXCEPTIONS.some((exception) => file.startsWith(exception)))
      .flatMap((file) =>
        codeLines(file)
          .filter(({ code }) =>
            /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bMath\.random\b|\bsetInterval\b|\bsetTimeout\b/.test(
              code,
            ),
          )
          .map((line) => `${at(line)} ${line.code.trim()}`),
      );
    assert.deepEqual(broken, []);
  });

  it("ends the process only in the command line", () => {
    const broken = files
      .filter((file) => !file.startsWith("cli/"))
      .flatMap((file) => codeLines(file).filter(({ code }) => /\bprocess\.exit\b/.test(code)))
      .map((line) => `${at(line)} ${line.code.trim()}`);
    assert.deepEqual(broken, []);
  });
});
