/** Every command of README.md and docs/operations.md, run as it stands there against real nodes. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { describe, it } from "node:test";
import { type PageOptions, PageRun } from "../support/document-commands.ts";
import { needs } from "../support/programs.ts";

const ROOT = join(import.meta.dirname, "../..");

const PAGES: readonly PageOptions[] = [
  {
    page: "README.md",
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
      await page.run();
    });
  }

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
