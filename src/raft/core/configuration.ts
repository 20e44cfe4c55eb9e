/**
 * Which configuration is in force (Ongaro 2014, §4.1).
 *
 * It is always the newest in the log, committed or not: it comes with its entry, goes when that is replaced, and is the same
 * function of the log on every member (R49).
 */

import { decodeMembership, type Membership } from "../../types/membership.ts";
import type { LogEntry } from "../../types/raft.ts";

/** A configuration, and the index of the entry that brought it. */
interface Configuration {
  readonly index: number;
  readonly membership: Membership;
}

export class Configurations {
  /** The newest committed one, and those after it, which a truncation may take back. */
  #kept: readonly Configuration[];

  /** @param index - where the membership was in force: that of its entry, or of one after it */
  constructor(index: number, membership: Membership) {
    this.#kept = [{ index, membership }];
  }

  get current(): Membership {
    return this.#kept.at(-1)!.membership;
  }

  /** The entry that brought the current one. */
  get index(): number {
    return this.#kept.at(-1)!.index;
  }

  /** Those that may turn out to be in force, when nothing above `commit` is certain. */
  possible(commit: number): readonly Membership[] {
    return this.#from(commit).map(({ membership }) => membership);
  }

  /** Takes what these entries, just appended, bring; nothing up to `commit` will be taken back. */
  append(entries: readonly LogEntry[], commit: number): void {
    for (const { index, kind, data } of entries) {
      if (kind === "membership") {
        this.#kept = [...this.#from(commit), { index, membership: decodeMembership(data) }];
      }
    }
  }

  /** The log lost its entries from `index` on. */
  truncateFrom(index: number): void {
    if (this.index >= index) this.#kept = this.#kept.filter((configuration) => configuration.index < index);
  }

  #from(commit: number): readonly Configuration[] {
    const committed = this.#kept.findLastIndex(({ index }) => index <= commit);
    return this.#kept.slice(Math.max(0, committed));
  }
}
