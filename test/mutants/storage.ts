/** What is on disk: whole batches, proved before they are used. */

import { type Mutant, mutantsOf } from "./mutant.ts";

const simulators = ["node"] as const;
const CONTRACT = "test/contract/raft-storage.test.ts";
const CRASH = "test/unit/storage/crash.test.ts";
const DAMAGE = "test/unit/storage/damage.test.ts";
const CHUNKS = "test/unit/storage/snapshot-chunks.test.ts";
const PROPERTY = "test/property/storage.test.ts";
const LEVEL = "test/integration/level-store.test.ts";
const POWER_LOSS = "test/integration/power-loss.test.ts";
const STORE_DAMAGE = "test/integration/store-damage.test.ts";
const tests = [CONTRACT, CRASH, DAMAGE, PROPERTY];

export const STORAGE: readonly Mutant[] = [
  ...mutantsOf({ file: "src/storage/raft-store.ts", tests, simulators }, [
    {
      name: "root is written once",
      rule: "R11",
      find: "for (const key of ROOT_KEYS) operations.push",
      replace: "for (const key of ROOT_KEYS.slice(0, 1)) operations.push",
      tests: [DAMAGE],
    },
    {
      name: "damaged copy of the root is not repaired",
      rule: "R11",
      find: "if (!found.isWhole) {",
      replace: "if (root.term < 0) {",
      tests: [DAMAGE],
    },
    {
      name: "copies of the root may differ",
      rule: "R11",
      find: "if (second !== undefined && Buffer.compare(first.sealed, second.sealed) !== 0) {",
      replace: "if (second !== undefined && second.sealed.length === 0) {",
      tests: [DAMAGE],
    },
    {
      name: "lost root is taken for a fresh disk",
      rule: "R11, F7",
      find: "if (wasFounded) throw",
      replace: "if (wasFounded && copies.length === 0) throw",
      tests: [DAMAGE],
    },
    {
      name: "torn batch: each operation is written by itself",
      rule: "R5, R7",
      listed: "+",
      find: "await this.#persist(operations);",
      replace: "for (const operation of operations) await this.#persist([operation]);",
      tests: [PROPERTY],
    },
    {
      name: "torn batch: the root is written before what it speaks of",
      rule: "R5, R7",
      find: "const value = sealRoot(root);",
      replace: 'const value = sealRoot(root); await this.#persist([{ type: "put", key: ROOT_KEYS[0]!, value }]);',
      tests: [PROPERTY],
    },
    {
      name: "replaced tail stays on disk",
      rule: "R5",
      find: "deleteEntries(last.index + 1, root.last.index, operations);",
      replace: "",
    },
    {
      name: "a missing entry is passed over",
      rule: "R9",
      find: "if (index !== previous.index + 1) throw",
      replace: "if (index <= previous.index) throw",
      tests: [DAMAGE],
    },
    {
      name: "the end of the log is not looked at",
      rule: "R9, R10",
      find: "if (previous.index !== last.index) throw",
      replace: "if (previous.index > last.index) throw",
      tests: [DAMAGE],
    },
    {
      name: "the last entry may be the one that was replaced",
      rule: "R5, R9",
      find: "if (previous.checksum !== last.checksum) throw",
      replace: "if (previous.term > last.term) throw",
      tests: [DAMAGE],
    },
    {
      name: "entries behind the end are passed over",
      rule: "R9",
      find: "if (index === null || index > last.index) {",
      replace: "if (index === null) {",
      tests: [DAMAGE],
    },
    {
      name: "records of the state may be missing",
      rule: "R9",
      find: "checkState(found, root.state);",
      replace: "",
      tests: [DAMAGE],
    },
    {
      name: "positions of the log may contradict each other",
      rule: "R9",
      find: "if (!isOrdered) {",
      replace: "if (!isOrdered && term < 0) {",
    },
    {
      name: "applied index stays behind its effects",
      rule: "R7, F6",
      find: "return { ...root, state, membership, applied: { index: appliedIndex, term } };",
      replace:
        "return { ...root, state, membership, applied: term < 0 ? { index: appliedIndex, term } : root.applied };",
    },
    {
      name: "an applied entry may be replaced",
      rule: "R29",
      find: 'invariant(first.index > root.applied.index, "an applied entry is never replaced");',
      replace: "",
    },
    {
      name: "compaction above the durable state",
      rule: "R42",
      find: "invariant(index <= root.applied.index, ",
      replace: "invariant(index <= root.last.index, ",
    },
    {
      name: "the term on disk may fall",
      rule: "R1",
      find: 'invariant(term >= root.term, "the term on disk never falls");',
      replace: "",
    },
    {
      name: "writing goes on upon a failed write",
      rule: "R8",
      find: "this.#failure = error;",
      replace: "",
      tests: [CRASH],
    },
    {
      name: "batches overtake each other",
      rule: "R5",
      find: "const turn = this.#lastTurn.then(work);",
      replace: "const turn = work();",
    },
    {
      name: "snapshot is received over the live state",
      rule: "R6",
      find: "const target = generation + 1;",
      replace: "const target = generation;",
      tests: [CRASH],
    },
    {
      name: "remains of a broken installation become part of the next",
      rule: "R6",
      find: "const target = generation + 1;\n    await this.#clear(stateRange(target));",
      replace: "const target = generation + 1;",
      tests: [CRASH],
    },
    {
      name: "old log stays behind an installed snapshot",
      rule: "R6, R44",
      find: "deleteEntries(index + 1, before.last.index, operations);",
      replace: "",
    },
    {
      name: "snapshot takes the state back",
      rule: "R44",
      find: 'invariant(index > before.applied.index, "a snapshot never takes the state back (R44)");',
      replace: "",
      tests: [CRASH],
    },
    {
      name: "installation that may have happened is undone",
      rule: "R8",
      find: "if (!isOpen) return;",
      replace: "",
      tests: [CRASH],
    },
    {
      name: "what a crash left of dead generations stays",
      rule: "R6",
      find: "if (generation > 0) await this.#clear(stateRanges(0, generation - 1));",
      replace: "",
      tests: [CRASH],
    },
    {
      name: "damaged record is sent to a peer",
      rule: "F5",
      find: "if (!isIntact(sealed, seedOf(key))) throw",
      replace: "if (!isIntact(sealed, seedOf(key)) && key.length === 0) throw",
      tests: [DAMAGE],
    },
  ]),

  ...mutantsOf({ file: "src/storage/records.ts", tests: [DAMAGE, ...tests], simulators }, [
    {
      name: "checksum is not looked at",
      rule: "R9, F5",
      find: "if (!isIntact(sealed, seed)) throw",
      replace: "if (sealed.length < CHECKSUM_BYTES) throw",
    },
    {
      name: "checksum of an entry does not cover what precedes it",
      rule: "R9",
      find: "return crc32(key, previous.checksum);",
      replace: "return crc32(key, previous.checksum === 0 ? 1 : 0);",
    },
    {
      name: "checksum of a record does not cover its key",
      rule: "R9",
      find: "return (key) => crc32(key, seed);",
      replace: "return () => seed;",
    },
    {
      name: "records of another region pass",
      rule: "R9, F17",
      find: 'const seed = crc32("state", crc32(cluster));',
      replace: 'const seed = crc32("state", Math.sign(cluster.length));',
    },
    {
      name: "root of another format is read",
      rule: "R9",
      find: "if (format > FORMAT) {",
      replace: "if (format < 0) {",
    },
    {
      name: "terms of the log may fall",
      rule: "R9",
      find: "if (term < previous.term) throw",
      replace: "if (term < 0) throw",
    },
  ]),

  ...mutantsOf({ file: "src/storage/snapshot-chunks.ts", tests: [CHUNKS, ...tests], simulators }, [
    {
      name: "snapshot is taken before its last chunk",
      rule: "R6, R43",
      find: "if (!this.#isComplete) throw",
      replace: "if (this.#nextSequence < 0) throw",
    },
    {
      name: "snapshot is not what its sender had",
      rule: "R6, F5",
      find: "checkState(this.#proof, { records, sum });",
      replace: "",
      tests: [DAMAGE],
    },
    {
      name: "chunk of another snapshot passes",
      rule: "R43",
      find: "function chunkSeed({ cluster, lastIndex, lastTerm }: SnapshotIdentity): number {",
      replace:
        "function chunkSeed({ cluster, lastIndex, lastTerm }: SnapshotIdentity): number { lastIndex = lastTerm = 0;",
    },
    {
      name: "chunk of any size is taken",
      rule: "R43",
      find: "if (chunk.length > CHUNK_BYTES_MAX)",
      replace: "if (chunk.length < 0)",
    },
  ]),

  ...mutantsOf({ file: "src/storage/level-store.ts", tests: [LEVEL, STORE_DAMAGE], simulators: [] }, [
    {
      name: "LevelDB is not told to sync",
      rule: "R2",
      find: "const SYNCED = { sync: true };",
      replace: "const SYNCED = { sync: false };",
      tests: [POWER_LOSS],
    },
    {
      name: "batches overtake each other on their way to LevelDB",
      rule: "R5",
      find: "const turn = this.#lastWrite.then(async () => {",
      replace: "const turn = Promise.resolve().then(async () => {",
    },
    {
      name: "LevelDB is written upon a failed batch",
      rule: "R8",
      find: "if (this.#failure !== null) throw this.#failure;",
      replace: "",
    },
    {
      name: "acknowledged batch that is gone is not missed",
      rule: "R10",
      find: "if (mark.found !== null && mark.found > batchNumber) {",
      replace: "if (mark.found !== null && batchNumber < 0) {",
    },
    {
      name: "batch is acknowledged without a note of it",
      rule: "R10",
      find: "this.#mark.set(number);",
      replace: "",
    },
    {
      name: "files are not proved before LevelDB opens them",
      rule: "R9",
      find: "await proveAtRest(path);",
      replace: "",
    },
  ]),

  ...mutantsOf({ file: "src/storage/node-facts.ts", tests: ["test/unit/storage/node-facts.test.ts"], simulators: [] }, [
    {
      name: "one fact passes for another",
      rule: "R9",
      find: "value: seal(value, factSeed(name)) }]);",
      replace: 'value: seal(value, factSeed("")) }]);',
    },
  ]),
];
