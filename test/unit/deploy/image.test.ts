/** The image and the packages it is made of, as far as can be seen without an engine. */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";

const ROOT = join(import.meta.dirname, "../../..");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");

interface Instruction {
  readonly name: string;
  readonly rest: string;
}

/** Instructions of each stage, continued lines joined, comments left out. */
function stagesOf(dockerfile: string): Instruction[][] {
  const lines = dockerfile
    .replace(/^#.*\n/gm, "")
    .replace(/\\\n\s*/g, " ")
    .split("\n");
  const instructions = lines
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [name = "", ...rest] = line.split(" ");
      return { name, rest: rest.join(" ") };
    });
  const starts = instructions.flatMap(({ name }, i) => (name === "FROM" ? [i] : []));
  return starts.map((start, i) => instructions.slice(start, starts[i + 1]));
}

describe("Dockerfile", () => {
  const stages = stagesOf(read("Dockerfile"));
  const last = stages.at(-1) ?? [];
  const given = (name: string) => last.find((instruction) => instruction.name === name)?.rest;

  it("builds in stages, and ships neither the compiler nor development packages", () => {
    assert.ok(stages.length > 1);
    const { devDependencies } = JSON.parse(read("package.json")) as { devDependencies: { node: string } };
    const base = `node:${devDependencies.node}-bookworm-slim`;
    assert.ok(
      stages.every(([from]) => from?.rest.split(" ").includes(base)),
      `what the tests run on, ${base}`,
    );
    assert.equal(
      last.some(({ name, rest }) => name === "RUN" && rest.includes("npm")),
      false,
    );
    const packages = stages.find(([from]) => from?.rest.endsWith("AS packages"));
    assert.ok(packages?.some(({ rest }) => rest.startsWith("npm ci --omit=dev")));
  });

  it("runs as an ordinary user who may write the data folder", () => {
    assert.equal(given("USER"), "node");
    assert.match(given("RUN") ?? "", /--owner=node .*\/data$/);
    assert.equal(given("VOLUME"), "/data");
    const order = last.map(({ name }) => name);
    assert.ok(order.indexOf("RUN") < order.indexOf("USER"), "the folder is made before the user loses the right to");
  });

  it("says by /health whether it is alive, on the port that it was given", () => {
    const check = /CMD (\[.*\])$/.exec(given("HEALTHCHECK") ?? "")?.[1];
    const [program, flag, script] = JSON.parse(check ?? "[]") as string[];
    assert.deepEqual([program, flag], ["node", "-e"]);
    assert.match(script ?? "", /ATOLL_HTTP_METRICS_PORT \|\| METRICS_PORT\}\/health/);
    assert.match(given("ENV") ?? "", /\bMETRICS_PORT=9090\b/);
    assert.doesNotThrow(() => new Function(script ?? "throw 0"));
  });

  it("exposes the ports of agents, metrics and nodes, and starts a node", () => {
    assert.equal(given("EXPOSE"), "8000 9090 4001");
    assert.equal(given("ENTRYPOINT"), '["node", "dist/src/cli/main.js"]');
    assert.equal(given("CMD"), '["start"]');
  });

  it("copies only what the build context holds", () => {
    const context = read(".dockerignore")
      .split("\n")
      .filter((line) => line.startsWith("!"))
      .map((line) => line.slice(1));
    const copied = stages.flat().filter(({ name, rest }) => name === "COPY" && !rest.startsWith("--from"));
    for (const { rest } of copied) {
      for (const source of rest.split(" ").slice(0, -1)) {
        assert.ok(context.includes(source), `${source} is not in the build context`);
        assert.ok(existsSync(join(ROOT, source)), `${source} does not exist`);
      }
    }
  });
});

describe("package-lock.json", () => {
  const { packages } = JSON.parse(read("package-lock.json")) as {
    packages: Record<string, { resolved?: string; optionalDependencies?: Record<string, string> }>;
  };

  it("lists the binaries for every platform, so that npm ci takes it on all of them", () => {
    const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) => !(`${path}/node_modules/${name}` in packages) && !(`node_modules/${name}` in packages),
      ),
    );
    assert.deepEqual(missing, []);
  });

  it("names no server to fetch from: that is each machine's own choice", () => {
    assert.deepEqual(
      Object.entries(packages).filter(([, { resolved }]) => resolved !== undefined),
      [],
    );
  });
});
