import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { openDataFolder } from "../../../src/cli/dev/data-folder.ts";
import { parseRegions } from "../../../src/cli/dev/options.ts";

describe("the data folder of atoll dev", () => {
  let parent: string;
  let dataDir: string;

  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), "atoll-dev-"));
    dataDir = join(parent, "deep", "data");
  });
  afterEach(() => rmSync(parent, { recursive: true }));

  const open = (more: { isFresh?: boolean; regions?: string; httpBase?: number } = {}) => {
    const { isFresh = false, regions = "a:1", httpBase = 8000 } = more;
    return openDataFolder({ dataDir, isFresh, httpBase, regions: parseRegions(regions), wanMs: 0, isJson: true });
  };

  it("keeps the shared key, in a file for its owner alone", () => {
    const { encryptionKey } = open();
    assert.match(encryptionKey, /^[0-9a-f]{64}$/);
    assert.equal(open().encryptionKey, encryptionKey);
    assert.equal(statSync(join(dataDir, "federation.json")).mode & 0o777, 0o600);
  });

  it("is refused for another federation than it was made for, with what it was made for", () => {
    open();
    assert.throws(() => open({ regions: "a:3" }), /DATA_FOLDER_UNUSABLE: .* --regions a:1 --http-base 8000.*--fresh/);
    assert.throws(() => open({ httpBase: 9000 }), /--http-base 8000/);
  });

  it("begins anew with --fresh: nothing of before is left, the key included", () => {
    const { encryptionKey } = open();
    mkdirSync(join(dataDir, "a-1"));
    assert.notEqual(open({ isFresh: true, regions: "b:1" }).encryptionKey, encryptionKey);
    assert.equal(existsSync(join(dataDir, "a-1")), false);
  });

  it("is never emptied when it was not made by atoll dev", () => {
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(join(dataDir, "thesis.txt"), "years of work");
    assert.throws(() => open({ isFresh: true }), /is not empty and was not made by atoll dev/);
    assert.equal(existsSync(join(dataDir, "thesis.txt")), true);
  });

  it("that can not be made or read is refused with what to do", () => {
    writeFileSync(join(parent, "deep"), "a file where a folder should be");
    assert.throws(() => open(), /DATA_FOLDER_UNUSABLE: .*Choose another folder with --data/);
  });

  it("whose record of itself is damaged is refused", () => {
    open();
    writeFileSync(join(dataDir, "federation.json"), "{}");
    assert.throws(() => open(), /DATA_FOLDER_UNUSABLE: .*has no encryptionKey/);
  });
});
