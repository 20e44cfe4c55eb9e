import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { barOf, formatBytes } from "../../../src/cli/commands/backup-progress.ts";
import { backupOf, HEADER, SHARED_KEY } from "../../support/backup-data.ts";
import { runCommand as atoll } from "../../support/run-command.ts";
import { withTemporaryFolder } from "../../support/stores.ts";

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function serve(listener: RequestListener): Promise<string> {
  const listening = createServer(listener);
  server = listening;
  await new Promise<void>((resolve) => void listening.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
}

const formerKey = process.env.ENCRYPTION_KEY;
before(() => {
  process.env.ENCRYPTION_KEY = SHARED_KEY.toString();
});
after(() => {
  if (formerKey === undefined) delete process.env.ENCRYPTION_KEY;
  else process.env.ENCRYPTION_KEY = formerKey;
});

describe("atoll backup", () => {
  it("writes what the node sends, asking with its token, and says what it holds", async () => {
    await withTemporaryFolder(async (folder) => {
      const file = join(folder, "r.backup");
      const bytes = await backupOf();
      const asked: unknown[] = [];
      const url = await serve((request, response) => {
        asked.push([request.method, request.url, request.headers.authorization]);
        response.end(bytes);
      });
      const { code, printed } = await atoll("backup", file, "--url", url, "--token", "atoll_x");
      assert.equal(code, 0);
      assert.deepEqual(asked, [["GET", "/v1/cluster/backup", "Bearer atoll_x"]]);
      assert.deepEqual(await readFile(file), bytes);
      assert.match(printed, /holds a backup of\nregion r of federation f, cluster c1c1\nat revision 7 \(term 3\)/);
      assert.match(printed, /2 agents, 0 tokens, 0 events, 1 other records/);
      assert.match(printed, /sealed with the shared key at hand/);
    });
  });

  it("asks nobody when the file exists", async () => {
    await withTemporaryFolder(async (folder) => {
      const file = join(folder, "r.backup");
      await writeFile(file, "of yesterday");
      const { code, noted } = await atoll("backup", file, "--url", "http://127.0.0.1:1");
      assert.deepEqual([code, noted.split(":")[0]], [1, "FILE_EXISTS"]);
    });
  });

  it("says that it is incomplete when the node dies in the middle, and leaves no file", async () => {
    await withTemporaryFolder(async (folder) => {
      const bytes = await backupOf();
      const url = await serve((_request, response) => {
        response.write(bytes.subarray(0, 150));
        setImmediate(() => response.destroy());
      });
      const { code, noted } = await atoll("backup", join(folder, "r.backup"), "--url", url);
      assert.equal(code, 1);
      assert.match(noted, /^BACKUP_INCOMPLETE: .*No file is left of it\. Repeat it, of another node with --url/);
      assert.deepEqual(await readdir(folder), []);
    });
  });

  it("hands on why the node refuses, and leaves no file", async () => {
    await withTemporaryFolder(async (folder) => {
      const url = await serve((_request, response) => {
        response.statusCode = 403;
        response.end(JSON.stringify({ error: { code: "ROLE_MISSING", message: "This needs an operator's token" } }));
      });
      const { code, noted } = await atoll("backup", join(folder, "r.backup"), "--url", url);
      assert.deepEqual([code, noted], [1, "ROLE_MISSING: This needs an operator's token"]);
      const nobody = await atoll("backup", join(folder, "r.backup"), "--url", "http://127.0.0.1:1");
      assert.match(nobody.noted, /^UNREACHABLE: /);
      assert.deepEqual(await readdir(folder), []);
    });
  });
});

describe("atoll verify", () => {
  it("shows what a whole backup holds, and refuses any other with the place", async () => {
    await withTemporaryFolder(async (folder) => {
      const file = join(folder, "r.backup");
      const bytes = await backupOf();
      await writeFile(file, bytes);
      const { code, printed } = await atoll("verify", file, "--json");
      const { header, totals } = JSON.parse(printed);
      assert.deepEqual([code, header, totals.kinds], [0, HEADER, { agent: 2, capability: 1 }]);
      await writeFile(file, bytes.subarray(0, 200));
      const cut = await atoll("verify", file);
      assert.equal(cut.code, 1);
      assert.match(cut.noted, /^BACKUP_TRUNCATED: it ends at byte 200, before its trailer\. .*take another copy/);
    });
  });
});

describe("atoll restore", () => {
  const place = (folder: string) => ["--data-dir", join(folder, "data"), "--federation", "f", "--name", "r-1"];

  it("shows what it would do, and does it when told to", async () => {
    await withTemporaryFolder(async (folder) => {
      const file = join(folder, "r.backup");
      await writeFile(file, await backupOf());
      const asked = await atoll("restore", file, ...place(folder), "--region", "r");
      assert.equal(asked.code, 1);
      assert.match(asked.printed, /would found a NEW region named r, in .*data/);
      assert.match(asked.noted, /^NOT_CONFIRMED: nothing was changed\. Before you repeat this with --as-new-region/);
      assert.deepEqual(await readdir(folder), ["r.backup"]);

      const done = await atoll("restore", file, ...place(folder), "--region", "r", "--as-new-region");
      assert.equal(done.code, 0, done.noted);
      assert.match(
        done.printed,
        /RESTORED AS A NEW REGION: r, cluster [0-9a-f]{32}, in .*data, with r-1 as its only node/,
      );
      const again = await atoll("restore", file, ...place(folder), "--region", "r", "--as-new-region");
      assert.match(again.noted, /^FOLDER_NOT_EMPTY: .* holds store\. A backup is restored into an empty folder only/);
    });
  });

  it("goes over no region that a node of the federation is linked to", async () => {
    await withTemporaryFolder(async (folder) => {
      const file = join(folder, "r.backup");
      await writeFile(file, await backupOf());
      let link = "connected";
      const url = await serve((request, response) => {
        assert.equal(request.headers.authorization, "Bearer atoll_x");
        response.end(JSON.stringify({ regions: [{ region: "r", link }] }));
      });
      const asking = ["--url", url, "--token", "atoll_x"];
      const words = ["restore", file, ...place(folder), "--region", "r", "--as-new-region", ...asking];
      assert.match((await atoll(...words)).noted, /^REGION_ALIVE: a region named r lives/);
      link = "away";
      assert.equal((await atoll(...words)).code, 0);
    });
  });
});

describe("the bar of a backup", () => {
  it("shows how far it is, in records and bytes", () => {
    const header = { ...HEADER, records: 1_000 };
    const bar = "[############------------] 50 %, 1.2 MB, 500 of 1000 records";
    assert.equal(barOf({ header, records: 500, bytes: 1_234_567 }), bar);
    assert.match(barOf({ header: { ...HEADER, records: 0 }, records: 0, bytes: 90 }), /^\[#+\] 100 %, 90 B/);
    assert.deepEqual([950, 9_500, 2_500_000_000].map(formatBytes), ["950 B", "9.5 kB", "2.50 GB"]);
  });
});
