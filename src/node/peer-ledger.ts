/**
 * The peers that operators named while the region ran, as its nodes tell them to each other: a map in which the newest word on
 * each name wins, whatever order the words come in. Pure.
 *
 * A removal is kept as well, or a node that was away would bring the name back. At most 64 names are dialled and 256 words kept;
 * what is dropped then are the oldest removals. A name can come back only from a node that was away meanwhile.
 */

import { PEER_NAME_LENGTH_MAX, parsePeerName } from "../types/peer-name.ts";

/** The newest word on one name. */
export interface PeerWord {
  readonly name: string;
  /** Greater than that of every word that was known where this one was given. */
  readonly revision: number;
  readonly isNamed: boolean;
}

export type PeerLedger = ReadonlyMap<string, PeerWord>;

export const NAMED_MAX = 64;
const WORDS_MAX = 256;

export function namesIn(ledger: PeerLedger): string[] {
  return [...ledger.values()]
    .filter(({ isNamed }) => isNamed)
    .map(({ name }) => name)
    .sort();
}

/** A word on `name` that wins over all of `ledger`. */
export function newWord(ledger: PeerLedger, name: string, isNamed: boolean): PeerWord {
  const newest = Math.max(0, ...[...ledger.values()].map(({ revision }) => revision));
  return { name, revision: newest + 1, isNamed };
}

/** The newer word on each name; the same on every node that heard the same. */
export function merge(ledger: PeerLedger, words: Iterable<PeerWord>): PeerLedger {
  const merged = new Map(ledger);
  for (const word of words) {
    const known = merged.get(word.name);
    if (known === undefined || isNewer(word, known)) merged.set(word.name, word);
  }
  const inOrder = [...merged.values()].sort(byWeight);
  const kept = inOrder.filter(({ isNamed }, i) => !isNamed || i < NAMED_MAX).slice(0, WORDS_MAX);
  return new Map(kept.map((word) => [word.name, word]));
}

/** Of two words that were given at once, on nodes that had not heard of each other's, the one that names it. */
function isNewer(word: PeerWord, known: PeerWord): boolean {
  if (word.revision !== known.revision) return word.revision > known.revision;
  return word.isNamed && !known.isNamed;
}

/** What is named first, then removals; of each the newest first. */
function byWeight(a: PeerWord, b: PeerWord): number {
  if (a.isNamed !== b.isNamed) return a.isNamed ? -1 : 1;
  return b.revision - a.revision || (a.name < b.name ? -1 : 1);
}

/** The same text for the same ledger. */
export function textOf(ledger: PeerLedger): string {
  return JSON.stringify(wordsOf(ledger));
}

export function wordsOf(ledger: PeerLedger): PeerWord[] {
  return [...ledger.values()].sort(byWeight);
}

/** What of a list, from disk or from another node, can be read. */
export function asPeerWords(value: unknown): PeerWord[] {
  return Array.isArray(value) ? value.slice(0, WORDS_MAX).filter(isPeerWord).map(onlyItsFields) : [];
}

function isPeerWord(value: unknown): value is PeerWord {
  if (typeof value !== "object" || value === null) return false;
  const { name, revision, isNamed } = value as Record<string, unknown>;
  return (
    typeof name === "string" &&
    name.length <= PEER_NAME_LENGTH_MAX &&
    parsePeerName(name) !== null &&
    Number.isSafeInteger(revision) &&
    (revision as number) > 0 &&
    (revision as number) <= REVISION_MAX &&
    typeof isNamed === "boolean"
  );
}

/** So far below the largest integer that no word can make the next one impossible. */
const REVISION_MAX = 2 ** 48;

const onlyItsFields = ({ name, revision, isNamed }: PeerWord): PeerWord => ({ name, revision, isNamed });
