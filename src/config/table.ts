/** The schema as a flat list, the way the loader, `atoll start --help` and `atoll config` walk it. */

import type { TSchema } from "typebox";
import { factsOf, type OptionFacts } from "./option.ts";
import { ConfigSchema } from "./schema.ts";

export interface Option {
  readonly group: string;
  /** `raft.heartbeatMs`. */
  readonly path: string;
  /** `ATOLL_RAFT_HEARTBEAT_MS`. */
  readonly env: string;
  /** `--raft-heartbeat-ms <value>`; undefined for a secret. */
  readonly flag: string | undefined;
  readonly facts: OptionFacts;
  readonly schema: TSchema;
  /** Undefined when the option is optional or derived from others. */
  readonly default: unknown;
}

/** Their options are named without them: ATOLL_REGION, ATOLL_TOKENS. */
const UNNAMED_GROUPS = ["node", "security"];

export const OPTIONS: readonly Option[] = Object.entries(ConfigSchema.properties).flatMap(([group, { properties }]) =>
  Object.entries(properties as Record<string, TSchema>).map(([key, schema]) => toOption(group, key, schema)),
);

export const OPTION_BY_PATH: ReadonlyMap<string, Option> = new Map(OPTIONS.map((option) => [option.path, option]));

function toOption(group: string, key: string, schema: TSchema): Option {
  const facts = factsOf(schema);
  if (facts === undefined) throw new TypeError(`${group}.${key} is in the schema without the facts of an option`);
  const words = [...(UNNAMED_GROUPS.includes(group) ? [] : [group]), ...key.split(/(?=[A-Z])/)].map((word) =>
    word.toLowerCase(),
  );
  return {
    group,
    path: `${group}.${key}`,
    env: `ATOLL_${words.join("_").toUpperCase()}`,
    flag: facts.isSecret ? undefined : (facts.flag ?? `--${words.join("-")} <value>`),
    facts,
    schema,
    default: (schema as { default?: unknown }).default,
  };
}

/** What an option accepts, in words: type, bounds, unit. */
export function expectation({ schema, facts }: Option): string {
  if (facts.expected !== undefined) return facts.expected;
  const { type, minimum, maximum } = schema as { type?: string; minimum?: number; maximum?: number };
  const unit = { duration: " ms, or text such as 500ms, 30s, 5m, 1h", bytes: " bytes, or text such as 64KiB, 1MiB" }[
    facts.reader as string
  ];
  return `${type === "integer" ? "an integer" : "a number"} from ${minimum} to ${maximum}${unit ?? ""}`;
}
