/**
 * What LevelDB's MANIFEST says: which files are the store.
 *
 * Each record of it is an edit of what the records before it say; an edit is a row of fields, each behind its tag
 * (LevelDB, db/version_edit.cc).
 */

import { corrupt } from "../records.ts";
import { ByteReader } from "./byte-reader.ts";

const TAG = {
  comparator: 1,
  logNumber: 2,
  nextFileNumber: 3,
  lastSequence: 4,
  compactPointer: 5,
  deletedFile: 6,
  newFile: 7,
  previousLogNumber: 9,
} as const;

export class Manifest {
  /** Logs of this number and later ones hold what no sorted file has yet; 0 when there is none. */
  logNumber = 0;
  /** Of each sorted file, by its level and number: a file may move to another level. */
  readonly #tables = new Map<string, number>();

  /** The numbers of the sorted files that hold the store. */
  get tables(): readonly number[] {
    return [...this.#tables.values()];
  }

  /** @throws StorageError CORRUPT when the edit is none that LevelDB writes */
  apply(edit: Uint8Array): void {
    const reader = new ByteReader(edit, "the MANIFEST");
    while (!reader.isAtEnd) this.#applyField(reader.varint(), reader);
  }

  #applyField(tag: number, reader: ByteReader): void {
    switch (tag) {
      case TAG.logNumber:
        this.logNumber = reader.varint();
        return;
      case TAG.deletedFile:
        this.#tables.delete(`${reader.varint()}/${reader.varint()}`);
        return;
      case TAG.newFile: {
        const level = reader.varint();
        const number = reader.varint();
        this.#tables.set(`${level}/${number}`, number);
        // Its size, its smallest and its largest key.
        reader.varint();
        reader.prefixed();
        reader.prefixed();
        return;
      }
      case TAG.compactPointer:
        reader.varint();
        reader.prefixed();
        return;
      case TAG.comparator:
        reader.prefixed();
        return;
      case TAG.nextFileNumber:
      case TAG.lastSequence:
      case TAG.previousLogNumber:
        reader.varint();
        return;
      default:
        throw corrupt(`the MANIFEST has a field of unknown kind ${tag}`);
    }
  }
}
