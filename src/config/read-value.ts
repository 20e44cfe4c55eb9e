/**
 * Turns what was written, in a file, the environment or a flag, into the value of an option.
 *
 * Only the form is read here. What does not have it is handed on as it is, and fails the schema, which knows the bounds.
 */

import { splitList } from "../util/split-list.ts";
import type { Address, OptionFacts } from "./option.ts";

const DURATION_UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const ON_WORDS = ["on", "true", "yes", "1"];
const OFF_WORDS = ["off", "false", "no", "0"];
const BYTE_UNITS: Readonly<Record<string, number>> = { b: 1, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3 };
const ADDRESS = /^(?:\[(?<ipv6>[0-9A-Fa-f:.]+)\]|(?<host>[^\s:@[\]/]+))(?::(?<port>\d{1,5}))?$/;

/** @param factor - what one of a bare number is worth in the option's unit (an alias may count in seconds) */
export function readValue(raw: unknown, facts: OptionFacts, factor = 1): unknown {
  switch (facts.reader) {
    case "text":
      return raw;
    case "choice":
      return typeof raw === "string" ? readChoice(raw, facts) : raw;
    case "toggle":
      return typeof raw === "string" ? readToggle(raw) : raw;
    case "number":
      return typeof raw === "string" ? (readNumber(raw) ?? raw) : raw;
    case "duration":
      return readAmount(raw, factor, DURATION_UNITS_MS);
    case "bytes":
      return readAmount(raw, factor, BYTE_UNITS);
    case "list":
      return readItems(raw, (item) => item);
    case "peers":
      return raw === "none" ? [] : readItems(raw, (item) => item);
    case "addresses":
      return raw === "none" ? [] : readItems(raw, (item) => readAddress(item, facts.defaultPort ?? 0));
    case "members":
      return readItems(raw, (item) => readMember(item, facts.defaultPort ?? 0));
    case "pairs":
      return typeof raw === "string" ? Object.fromEntries(splitList(raw).map(readPair)) : raw;
  }
}

function readChoice(raw: string, { synonyms = {} }: OptionFacts): string {
  const word = raw.trim().toLowerCase();
  return Object.hasOwn(synonyms, word) ? (synonyms[word] ?? word) : word;
}

function readToggle(raw: string): boolean | string {
  const word = raw.trim().toLowerCase();
  if (ON_WORDS.includes(word)) return true;
  return OFF_WORDS.includes(word) ? false : raw;
}

function readNumber(raw: string): number | undefined {
  return /^[+-]?\d+(\.\d+)?$/.test(raw.trim()) ? Number(raw) : undefined;
}

/** A sum of numbers with units (`1h30m`), or one bare number. */
function readAmount(raw: unknown, factor: number, units: Readonly<Record<string, number>>): unknown {
  if (typeof raw === "number") return raw * factor;
  if (typeof raw !== "string") return raw;
  const bare = readNumber(raw);
  if (bare !== undefined) return bare * factor;
  const parts = [...raw.trim().matchAll(/(\d+(?:\.\d+)?)([A-Za-z]+)/gy)];
  const isWhole = parts.length > 0 && parts.map(([part]) => part).join("") === raw.trim();
  const amounts = parts.map(([, amount, unit = ""]) => Number(amount) * (units[unit.toLowerCase()] ?? Number.NaN));
  const sum = amounts.reduce((total, amount) => total + amount, 0);
  return isWhole && Number.isFinite(sum) ? sum : raw;
}

/** Reads each item of a list, or of text separated by commas; gives back what is not readable as it is. */
function readItems(raw: unknown, readItem: (item: string) => unknown): unknown {
  const items = typeof raw === "string" ? splitList(raw) : raw;
  return Array.isArray(items) ? items.map((item) => (typeof item === "string" ? readItem(item) : item)) : raw;
}

function readAddress(item: string, defaultPort: number): Address | string {
  const { ipv6, host = ipv6, port } = ADDRESS.exec(item)?.groups ?? {};
  if (host === undefined) return item;
  return { host, port: port === undefined ? defaultPort : Number(port) };
}

function readMember(item: string, defaultPort: number): unknown {
  const at = item.indexOf("@");
  const address = readAddress(item.slice(at + 1), defaultPort);
  return at > 0 && typeof address === "object" ? { name: item.slice(0, at), ...address } : item;
}

function readPair(item: string): [string, string] {
  const equals = item.indexOf("=");
  return equals > 0 ? [item.slice(0, equals).trim(), item.slice(equals + 1).trim()] : [item, ""];
}
