/** What a backup promises, and what a restore must not bring back. */

import { type Mutant, mutantsOf } from "./mutant.ts";

const FORMAT = "test/unit/storage/backup-format.test.ts";
const SERVED = "test/unit/node/backups.test.ts";
const SAVED = "test/unit/node/backup-file.test.ts";
const ROUTE = "test/unit/api/v1/backup.test.ts";
const RESTORED = "test/integration/restore.test.ts";

export const BACKUPS: readonly Mutant[] = [
  ...mutantsOf({ file: "src/storage/backup-format.ts", tests: [FORMAT], simulators: [] }, [
    {
      name: "backup is taken whoever sealed it",
      rule: "P11",
      find: "if (trailer.seal !== null && sharedKeys.length > 0 &&",
      replace: "if (trailer.seal === null && sharedKeys.length > 0 &&",
    },
    {
      name: "frames of a backup are not checked",
      rule: "P1",
      find: "if (written.readUInt32BE(0) !== this.#checksum) this.damaged(",
      replace: "if (written.length === 0) this.damaged(",
    },
  ]),
  ...mutantsOf({ file: "src/storage/raft-store.ts", tests: [FORMAT], simulators: [] }, [
    {
      name: "backup lacks a record that the disk lost",
      rule: "P1, F5",
      find: "checkState(found, this.#expected);",
      replace: "checkState(found, found);",
    },
  ]),
  ...mutantsOf({ file: "src/node/backups.ts", tests: [SERVED], simulators: [] }, [
    {
      name: "backup does not wait for this node's disk",
      rule: "P2",
      find: "backedUp.storage.durableAppliedIndex >= target",
      replace: "backedUp.storage.durableAppliedIndex >= 0",
    },
    {
      name: "backup holds the region's key",
      rule: "P11",
      find: " && !RECORDS_OF_CLUSTER.includes(key)",
      replace: "",
    },
  ]),
  ...mutantsOf({ file: "src/api/v1/backup.ts", tests: [ROUTE], simulators: [] }, [
    {
      name: "backup is of what this node happens to know",
      rule: "P2",
      find: 'await registry.read("linearizable");',
      replace: 'await registry.read("stale");',
    },
  ]),
  ...mutantsOf({ file: "src/node/backup-file.ts", tests: [SAVED], simulators: [] }, [
    {
      name: "cut-off backup stays where it was written",
      rule: "P1",
      find: "await files.remove(partial);",
      replace: "await files.exists(partial);",
    },
  ]),
  ...mutantsOf({ file: "src/node/restore.ts", tests: [RESTORED], simulators: [] }, [
    {
      name: "restored region gives out revisions of the old one again",
      rule: "P10, F21",
      find: "export const REVISION_GAP = 2 ** 28;",
      replace: "export const REVISION_GAP = 0;",
    },
    {
      name: "restore goes over what is there",
      rule: "P1",
      find: "if (other === undefined) return;",
      replace: 'if (other === undefined || other === "store") return;',
    },
  ]),
];
