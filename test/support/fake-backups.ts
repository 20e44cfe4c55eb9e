/** Backups of fixed content. */

import { Readable } from "node:stream";
import type { Backup, BackupSource } from "../../src/api/ports.ts";

export class FakeBackups implements BackupSource {
  revision = 41;
  content: readonly Uint8Array[] = [Buffer.from("a backup, "), Buffer.from("as it were")];
  /** Thrown in place of opening one. */
  refusal: Error | undefined;
  isClosed = false;

  async open(): Promise<Backup> {
    if (this.refusal !== undefined) throw this.refusal;
    return { revision: this.revision, content: Readable.from(this.content, { objectMode: false }) };
  }

  close(): void {
    this.isClosed = true;
  }
}
