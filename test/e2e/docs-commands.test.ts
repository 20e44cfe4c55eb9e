/** Every command of README.md and docs/operations.md, run as it stands there against real nodes. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { describe, it } from "node:test";
import { blocksOf } from "../support/document.ts";
import { type PageOptions, PageRun } from "../support/document-commands.ts";
import { needs } from "../support/programs.ts";

const ROOT = join(import.meta.dirname, "../..");

const PAGES: readonly PageOptions[] = [
  {
    page: "README.md",
    // Type-checked below.
    alsoShows: ["ts"],
    // Where `npm start` below has its first node.
    env: { ATOLL_URL: "http://localhost:22450" },
    instead: [
      {
        firstLine: "npm start     # installs what it needs, starts two regions of three nodes, says what to try next",
        run: `npm start -- --http-base 8000 > dev.log 2>&1 &
          until curl -fs localhost:8100/v1/regions | jq -e '[.regions[] | select(.inSync)] | length == 2'; do kill -0 $!; sleep 0.2; done`,
        because: "a federation runs until it is told to stop; npm test runs this very test",
      },
    ],
  },
  {
    page: "docs/operations.md",
    instead: [
      {
        firstLine: "npm pack && npm install --global ./atoll-0.1.0.tgz",
        run: "",
        because: "nothing is installed for all of this machine; test/integration/package.test.ts packs and runs it",
      },
    ],
  },
];

/** What a reader needs beside Node, and the Debian packages that have it. */
const PROGRAMS = [
  ["bash", "bash"],
  ["curl", "curl"],
  ["jq", "jq"],
  ["openssl", "openssl"],
  ["promtool", "prometheus"],
] as const;
const skip = PROGRAMS.map(([name, debianPackage]) => needs(name, debianPackage).skip).find(Boolean) ?? false;

describe("the commands of the documents", () => {
  for (const options of PAGES) {
    it(`do what ${options.page} says`, { skip }, async (t) => {
      const page = new PageRun(options);
      t.after(() => page.destroy());
      const { run, replaced, compared } = await page.run();
      const blocks = blocksOf(readFileSync(join(ROOT, options.page), "utf8"));
      const commands = blocks.filter(({ language }) => language === "sh").length;
      t.diagnostic(`${options.page}: ${commands} blocks, ${run} run as they stand, ${compared} outputs compared`);
      assert.deepEqual([run + replaced, replaced], [commands, options.instead?.length ?? 0]);
    });
  }

  it("include a program in TypeScript that fits the client as it is", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "atoll-program-"));
    t.after(() => rmSync(folder, { recursive: true }));
    // Like a clone, in which the package is known by its name.
    for (const name of ["package.json", "src", "node_modules"]) symlinkSync(join(ROOT, name), join(folder, name));
    const [program] = blocksOf(readFileSync(join(ROOT, "README.md"), "utf8")).filter(
      ({ language }) => language === "ts",
    );
    writeFileSync(join(folder, "program.ts"), program!.text);
    const compilerOptions = { noUnusedLocals: false };
    const settings = { extends: join(ROOT, "tsconfig.json"), compilerOptions, include: ["program.ts"] };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(settings));
    execFileSync(join(ROOT, "node_modules/.bin/tsc"), ["-p", folder], { cwd: folder, encoding: "utf8", stdio: "pipe" });
  });

  it("are told when one of them is in a language that would leave it out", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "atoll-unread-page-"));
    t.after(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "page.md"), "```sh\ntrue\n```\n\nText.\n\n```bash\nfalse\n```\n");
    const page = new PageRun({ page: relative(ROOT, join(folder, "page.md")) });
    t.after(() => page.destroy());
    await assert.rejects(page.run(), /page\.md:8: a block of bash that no test reads/);
  });

  it("are told with file and line when they fail, also inside of a function", { skip }, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "atoll-failing-page-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "page.md");
    writeFileSync(file, "```sh\nfails() {\n  false\n}\n```\n\n```sh\necho before\nfails\necho after\n```\n");
    const page = new PageRun({ page: relative(ROOT, file) });
    t.after(() => page.destroy());
    await assert.rejects(page.run(), (error: Error) => {
      assert.match(error.message, /page\.md:9 failed\n.*before/s);
      assert.doesNotMatch(error.message, /after/);
      return true;
    });
  });
});
