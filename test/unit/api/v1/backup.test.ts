import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ClusterError } from "../../../../src/api/cluster-error.ts";
import { createTestApp } from "../../../support/api-app.ts";
import { FakeBackups } from "../../../support/fake-backups.ts";

const backup = { url: "/v1/cluster/backup" };

describe("GET /v1/cluster/backup", () => {
  it("answers the file as it is read, with the revision that it shows", async () => {
    const { send } = await createTestApp();
    const { statusCode, headers, body } = await send(backup);
    assert.deepEqual([statusCode, body], [200, "a backup, as it were"]);
    assert.deepEqual([headers["content-type"], headers["cache-control"]], ["application/octet-stream", "no-store"]);
    assert.equal(headers["x-atoll-revision"], "41");
  });

  it("P2: is begun only when this node has all that was acknowledged", async () => {
    const { send, node } = await createTestApp({}, { nodes: 3, serving: 1 });
    const reads = node.group.barriers;
    await send(backup);
    assert.equal(node.group.barriers, reads + 1);
  });

  it("says why none is begun, and when to come again", async () => {
    const backups = new FakeBackups();
    const { send } = await createTestApp({ backups });
    for (const detail of [
      { code: "TOO_MANY_BACKUPS", backupsMax: 2 },
      { code: "BACKUP_LAGS", waitedMs: 2_000 },
    ] as const) {
      backups.refusal = new ClusterError("not now", detail);
      const answer = await send(backup);
      assert.equal(answer.statusCode, 503);
      assert.equal(answer.json().error.code, detail.code);
      assert.ok(Number(answer.headers["retry-after"]) >= 1);
    }
  });

  it("ends the backups that are under way when the node stops", async () => {
    const backups = new FakeBackups();
    const { app } = await createTestApp({ backups });
    await app.close();
    assert.equal(backups.isClosed, true);
  });
});
