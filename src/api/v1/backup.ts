/** `GET /v1/cluster/backup`: the state of this region, as one file (docs/backup.md). */

import type { Readable } from "node:stream";
import { Type } from "typebox";
import { noteChange } from "../audit.ts";
import { showView } from "../headers.ts";
import type { Face } from "../modules.ts";
import { ERROR_RESPONSES, NoQuery } from "../schemas.ts";

const BackupFile = Type.Unsafe<Readable>({
  description:
    "The state at the revision in x-atoll-revision. It is whole only with its trailer: atoll verify says so.",
  content: { "application/octet-stream": { schema: Type.String({ contentEncoding: "binary" }) } },
});

export const backupRoute: Face = async (app, { registry, backups }) => {
  // Before the server waits for its connections to end: a reader may be slow.
  app.addHook("preClose", (done) => {
    backups.close();
    done();
  });

  const schema = {
    tags: ["cluster"],
    summary: "A backup of this region: everything that was acknowledged before it was asked for",
    querystring: NoQuery,
    response: { 200: BackupFile, ...ERROR_RESPONSES },
  };
  app.get("/v1/cluster/backup", { schema }, async (request, reply) => {
    await registry.read("linearizable");
    const { revision, content } = await backups.open();
    // It changes nothing, and takes a copy of everything out of the region.
    noteChange(request, `backup at revision ${revision}`);
    showView(reply, { revision, stalenessMs: 0 });
    return reply.type("application/octet-stream").header("cache-control", "no-store").send(content);
  });
};
