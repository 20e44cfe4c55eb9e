/**
 * One option of the node: what `schema.ts` writes its table with, and what the loader and `atoll config` read from it.
 *
 * An option is a typebox schema (its type, default and bounds) that carries the facts JSON Schema has no word for: how text
 * becomes the value, which environment names set it, whether it is a secret.
 */

import Type, {
  type TArray,
  type TBoolean,
  type TInteger,
  type TNumber,
  type TObject,
  type TSchema,
  type TString,
} from "typebox";
import { PEER_NAME_LENGTH_MAX, PEER_NAME_PATTERN } from "../types/peer-name.ts";

/** An environment name that existing deployments use. Some of them count a bare number in another unit than we do. */
export interface Alias {
  readonly name: string;
  /** What one of a bare number is worth in the option's own unit. */
  readonly factor?: number;
}

/** How text from the environment, a flag or a file becomes the value. */
export type Reader =
  | "text"
  | "choice"
  | "number"
  | "duration"
  | "bytes"
  | "list"
  | "addresses"
  | "members"
  | "pairs"
  | "peers"
  | "toggle";

export interface OptionFacts {
  readonly reader: Reader;
  readonly description: string;
  readonly unit?: string;
  readonly aliases: readonly Alias[];
  /** Never printed, never a flag: command lines are visible to every user of the machine. */
  readonly isSecret: boolean;
  /** The flag's short form or shorter name, in commander's words; absent means `--group-option <value>`. */
  readonly flag?: string;
  /** The port of an address that names none. */
  readonly defaultPort?: number;
  /** Other spellings of a choice. */
  readonly synonyms?: Readonly<Record<string, string>>;
  /** What is accepted, where the schema alone does not say it well. */
  readonly expected?: string;
}

/** Where another node can be dialled. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

interface Common {
  readonly description: string;
  readonly aliases?: readonly (string | Alias)[];
  readonly flag?: string;
}

interface Bounded extends Common {
  readonly default: number;
  readonly minimum: number;
  readonly maximum: number;
}

const FACTS = "x-atoll";

function keywords(reader: Reader, option: Common, more: Partial<OptionFacts> = {}): Record<string, OptionFacts> {
  const facts: OptionFacts = {
    reader,
    description: option.description,
    aliases: (option.aliases ?? []).map((alias) => (typeof alias === "string" ? { name: alias } : alias)),
    isSecret: false,
    ...(option.flag !== undefined && { flag: option.flag }),
    ...more,
  };
  return { [FACTS]: facts };
}

/** The facts of an option; undefined for a schema that is none (a group). */
export function factsOf(schema: TSchema): OptionFacts | undefined {
  return (schema as Record<string, OptionFacts | undefined>)[FACTS];
}

/** An alias whose bare numbers are seconds; `30s` and `500ms` are read as they stand. */
export const inSeconds = (name: string): Alias => ({ name, factor: 1_000 });

interface TextOption extends Common {
  readonly default?: string;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength: number;
  readonly expected: string;
  readonly isSecret?: boolean;
}

export function text(option: TextOption): TString {
  const { description, default: byDefault, pattern, minLength = 1, maxLength, expected, isSecret = false } = option;
  return Type.String({
    description,
    minLength,
    maxLength,
    ...(byDefault !== undefined && { default: byDefault }),
    ...(pattern !== undefined && { pattern }),
    ...keywords("text", option, { expected, isSecret }),
  });
}

interface ChoiceOption<Value extends string> extends Common {
  readonly default: Value;
  readonly values: readonly Value[];
  readonly synonyms?: Readonly<Record<string, Value>>;
}

export function choice<const Value extends string>(option: ChoiceOption<Value>) {
  return Type.Enum([...option.values] as Value[], {
    description: option.description,
    default: option.default,
    ...keywords("choice", option, {
      expected: `one of ${option.values.join(", ")}`,
      ...(option.synonyms && { synonyms: option.synonyms }),
    }),
  });
}

/** On or off. The flag alone means on. */
export function toggle(option: Common & { default: boolean }): TBoolean {
  const { description, default: byDefault } = option;
  return Type.Boolean({ description, default: byDefault, ...keywords("toggle", option, { expected: "on or off" }) });
}

/** A count. */
export const integer = (option: Bounded): TInteger =>
  Type.Integer({ ...limits(option), ...keywords("number", option) });

/** A share of one, with fractions. */
export const share = (option: Bounded): TNumber => Type.Number({ ...limits(option), ...keywords("number", option) });

/** Milliseconds; text may say `500ms`, `30s`, `5m`, `1h30m`. */
export const duration = (option: Bounded): TInteger =>
  Type.Integer({ ...limits(option), ...keywords("duration", option, { unit: "ms" }) });

/** Bytes; text may say `64KiB`, `1MiB`. */
export const bytes = (option: Bounded): TInteger =>
  Type.Integer({ ...limits(option), ...keywords("bytes", option, { unit: "bytes" }) });

const limits = ({ description, default: byDefault, minimum, maximum }: Bounded) => ({
  description,
  default: byDefault,
  minimum,
  maximum,
});

const HOST_PATTERN = "^[A-Za-z0-9_.:-]+$";
const HostName = Type.String({ minLength: 1, maxLength: 253, pattern: HOST_PATTERN });

export function host(option: Common & { default: string }): TString {
  return text({ ...option, pattern: HOST_PATTERN, maxLength: 253, expected: "a host name or an IP address" });
}

const ADDRESS = { host: HostName, port: Type.Integer({ minimum: 1, maximum: 65_535 }) };

interface AddressList extends Common {
  readonly maxItems: number;
  readonly defaultPort: number;
  readonly isOptional?: boolean;
}

/** `host[:port]`, separated by commas; the word `none` is the empty list. */
export function addresses(option: AddressList): TArray<TObject<typeof ADDRESS>> {
  const { description, maxItems, defaultPort, isOptional = false } = option;
  const expected = `a list of host[:port], separated by commas, at most ${maxItems}, or the word none`;
  return Type.Array(Type.Object(ADDRESS), {
    description,
    maxItems,
    ...(!isOptional && { default: [] }),
    ...keywords("addresses", option, { defaultPort, expected }),
  });
}

/** Names of peers (`types/peer-name.ts`), separated by commas; the word `none` is the empty list. */
export function peers(option: Common & { maxItems: number }): TArray<TString> {
  const { description, maxItems } = option;
  const expected = `a list of host[:port] or srv:_service._proto.name, separated by commas, at most ${maxItems}, or the word none`;
  return Type.Array(Type.String({ pattern: PEER_NAME_PATTERN, maxLength: PEER_NAME_LENGTH_MAX }), {
    description,
    maxItems,
    default: [],
    ...keywords("peers", option, { expected }),
  });
}

/** Names of nodes, regions and federations: what DNS allows in a label, and dots. */
export const NAME_PATTERN = "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$";
export const NAME_EXPECTED =
  "1 to 63 lower-case letters, digits, dots and hyphens, beginning and ending with a letter or digit";

const MEMBER = { name: Type.String({ pattern: NAME_PATTERN, minLength: 1, maxLength: 63 }), ...ADDRESS };

/** `name@host[:port]`, separated by commas. */
export function members(option: Common & { maxItems: number; defaultPort: number }): TArray<TObject<typeof MEMBER>> {
  const { description, maxItems, defaultPort } = option;
  const expected = `a list of name@host[:port], separated by commas, at most ${maxItems}`;
  return Type.Array(Type.Object(MEMBER), {
    description,
    maxItems,
    default: [],
    ...keywords("members", option, { defaultPort, expected }),
  });
}

/** Words, separated by commas. */
export function list(option: Common & { maxItems: number; pattern: string; expected: string }): TArray<TString> {
  const { description, maxItems, pattern, expected } = option;
  return Type.Array(Type.String({ pattern, maxLength: 128 }), {
    description,
    maxItems,
    ...keywords("list", option, { expected }),
  });
}

/** `name=value`, separated by commas; a mapping in a file. */
export function pairs(option: Common & { maxProperties: number; valuePattern: string; expected: string }) {
  const { description, maxProperties, valuePattern, expected } = option;
  return Type.Record(Type.String({ pattern: NAME_PATTERN }), Type.String({ pattern: valuePattern }), {
    description,
    maxProperties,
    additionalProperties: false,
    default: {},
    ...keywords("pairs", option, { expected }),
  });
}
