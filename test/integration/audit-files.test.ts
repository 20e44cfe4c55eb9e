import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { AuditFiles } from "../../src/node/audit-files.ts";
import type { AuditNote } from "../../src/security/audit.ts";
import { type LogEvent, silentLogger } from "../../src/util/logger.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const CHANGE: AuditNote = {
  kind: "change",
  caller: "auth-token",
  address: "10.0.0.1",
  method: "POST",
  path: "/admin/drain",
  status: 200,
  revision: 7,
};

describe("the audit trail on disk", () => {
  let dir: string;
  const clock = new VirtualClock();
  const lost: LogEvent[] = [];
  const logger = { ...silentLogger, error: (event: LogEvent) => void lost.push(event) };
  const open = (bytesMax = 1024 * 1024) => new AuditFiles({ dir: join(dir, "audit"), bytesMax, clock, logger });
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "atoll-audit-"));
    lost.length = 0;
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  it("is read newest first, in pages, and goes on where a node stopped", async () => {
    const first = open();
    for (let i = 1; i <= 3; i++) first.note({ ...CHANGE, revision: i });
    await first.flush();
    appendFileSync(join(dir, "audit/change.jsonl"), '{"sequence":4,"cut');
    const second = open();
    second.note({ ...CHANGE, revision: 4 });
    const revisions = async (page: { limit: number; before?: number }) =>
      (await second.list("change", page)).map(({ sequence, revision }) => [sequence, revision]);
    assert.deepEqual(await revisions({ limit: 2 }), [
      [4, 4],
      [3, 3],
    ]);
    assert.deepEqual(await revisions({ limit: 2, before: 3 }), [
      [2, 2],
      [1, 1],
    ]);
    assert.equal(statSync(join(dir, "audit/change.jsonl")).mode & 0o777, 0o600);
  });

  it("goes on where a node stopped that had put a file aside, and not begun another one", async () => {
    const first = open();
    for (let i = 1; i <= 3; i++) first.note({ ...CHANGE, revision: i });
    await first.flush();
    renameSync(join(dir, "audit/change.jsonl"), join(dir, "audit/change.1.jsonl"));
    const second = open();
    assert.equal((await second.list("change", { limit: 10 })).length, 3);
    second.note({ ...CHANGE, revision: 4 });
    const sequences = (await second.list("change", { limit: 10 })).map(({ sequence }) => sequence);
    assert.deepEqual(sequences, [4, 3, 2, 1]);
  });

  it("keeps a bounded number of files of bounded size", async () => {
    const trail = open(1_000);
    for (let i = 0; i < 300; i++) {
      trail.note({ ...CHANGE, revision: i });
      await trail.flush();
    }
    const files = readdirSync(join(dir, "audit"));
    assert.equal(files.length, 10);
    for (const file of files) assert.ok(statSync(join(dir, "audit", file)).size < 1_500, file);
    const [newest] = await trail.list("change", { limit: 1 });
    assert.equal(newest?.revision, 299);
  });

  it("P11: lets no flood of refusals fill a disk or push a change out, and says how many it left out", async () => {
    const trail = open();
    trail.note(CHANGE);
    for (let i = 0; i < 100_000; i++) trail.note({ ...CHANGE, kind: "refusal", status: 401, code: "TOKEN_UNKNOWN" });
    clock.stall(1_000);
    trail.note({ ...CHANGE, kind: "refusal", status: 401, code: "TOKEN_UNKNOWN" });
    const refusals = await trail.list("refusal", { limit: 1_000 });
    assert.deepEqual([refusals.length, refusals[0]?.suppressed], [201, 99_800]);
    assert.equal((await trail.list("change", { limit: 10 })).length, 1);
  });

  it("says to the log what the disk did not take, and goes on", async () => {
    const trail = open();
    rmSync(join(dir, "audit"), { recursive: true });
    trail.note(CHANGE);
    await trail.flush();
    assert.deepEqual(
      lost.map(({ code }) => code),
      ["AUDIT_TRAIL_LOST"],
    );
  });
});
