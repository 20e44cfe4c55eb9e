/** What a backup says of itself. */

/** What it was taken of, and when. */
export interface BackupHeader {
  readonly federation: string;
  readonly region: string;
  /** As peers compare it, with the epoch of forced recoveries. */
  readonly cluster: string;
  /** Name of the node that was asked. */
  readonly node: string;
  /** Version of the software there. */
  readonly version: string;
  /** Log index up to which every command is in it, and none after, and the term of that entry. */
  readonly revision: number;
  readonly term: number;
  /** Wall time of the node, for people. */
  readonly takenAtMs: number;
  /** Records of the region's state, of which a few are left out: how far reading has come can be told by it. */
  readonly records: number;
}

/** What was in it, known at its end. */
export interface BackupTotals {
  readonly chunks: number;
  readonly records: number;
  /** Records by the first part of their key: `agent`, `capability`, `event`, `token` ... */
  readonly kinds: Readonly<Record<string, number>>;
  /** Of the whole file. */
  readonly bytes: number;
  /** Of all that precedes the trailer, in hex: what two copies of one backup have in common. */
  readonly sha256: string;
  /**
   * `proved`: somebody who holds the federation's shared key made it, and nobody else changed it; `unproved`: the key was not at
   * hand; `none`: the region has no shared key.
   */
  readonly seal: "proved" | "unproved" | "none";
}
