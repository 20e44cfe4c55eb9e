/**
 * Whether what a provider returns is what a consumer expects (contract A9): the schema stage of a resolution.
 *
 * Pure. Both sides are schemas in canonical form, named by their hash: equal hashes are equal schemas, and only others are
 * compared field by field. Schemas come from outside, so a comparison takes no more than the size of what the consumer
 * expects, and is bounded in depth and steps besides. What is not compared to its end is incompatible.
 */

import type { Capability, Dependency, Json, JsonObject } from "../../types/agent.ts";
import { type StepBudget, spend } from "./step-budget.ts";

/** Tells whether a capability's output is what a dependency expects. */
export type SchemaTest = (capability: Capability) => boolean;

/** Objects and lists within each other that are followed. */
export const SCHEMA_DEPTH_MAX = 64;
/** Schemas, fields and type names looked at in one comparison; well under a millisecond. */
export const SCHEMA_STEPS_MAX = 10_000;
/** The same over all comparisons of one budget, whatever number of providers is judged. */
export const SCHEMA_TEST_STEPS_MAX = 100_000;
/** Conflicts that an explanation names. */
const CONFLICTS_MAX = 20;

/** The part of a dependency that speaks of schemas. */
export type ExpectedSchema = Pick<Dependency, "matchMode" | "expectedSchemaHash" | "expectedSchemaCanonical">;

/**
 * The schema stage of one resolution; undefined when there is no `matchMode`, which lets every schema pass.
 *
 * Providers that publish the same hash are judged once, so a test may be asked of any number of replicas. It belongs to
 * one resolution and is not to be kept.
 *
 * @param budget - shared by the tests of one agent's dependencies
 */
export function schemaTest(
  { matchMode, expectedSchemaHash, expectedSchemaCanonical }: ExpectedSchema,
  budget: StepBudget = { stepsLeft: SCHEMA_TEST_STEPS_MAX },
): SchemaTest | undefined {
  if (matchMode === undefined) return undefined;
  if (matchMode === "strict") {
    return ({ outputSchemaHash }) => !!outputSchemaHash && outputSchemaHash === expectedSchemaHash;
  }
  const verdicts = new Map<string, boolean>();
  return ({ outputSchemaHash, outputSchemaCanonical }) => {
    // A provider that says nothing of its schema is trusted: otherwise the first consumer to ask would cut off all of them.
    if (!outputSchemaHash || outputSchemaHash === expectedSchemaHash) return true;
    if (expectedSchemaCanonical === undefined || outputSchemaCanonical === undefined) return true;
    let verdict = verdicts.get(outputSchemaHash);
    if (verdict === undefined) {
      const comparison = new Comparison(Math.min(SCHEMA_STEPS_MAX, budget.stepsLeft), 1);
      verdict = comparison.run(expectedSchemaCanonical, outputSchemaCanonical).length === 0;
      verdicts.set(outputSchemaHash, verdict);
      spend(budget, comparison.steps);
    }
    return verdict;
  };
}

/** Why the schema stage dropped a capability, in the words of an audit event; names at most 20 conflicts. */
export function explainSchema(expected: ExpectedSchema, capability: Capability): JsonObject {
  const { matchMode, expectedSchemaHash = "", expectedSchemaCanonical = {} } = expected;
  const { outputSchemaHash = "", outputSchemaCanonical = {} } = capability;
  const hashes = { mode: matchMode ?? "subset", consumer_hash: expectedSchemaHash, producer_hash: outputSchemaHash };
  if (matchMode === "strict") {
    return outputSchemaHash === "" ? { ...hashes, reasons: [{ kind: "no_published_hash" }] } : hashes;
  }
  const comparison = new Comparison(SCHEMA_STEPS_MAX, CONFLICTS_MAX);
  const reasons = comparison.run(expectedSchemaCanonical, outputSchemaCanonical);
  // Without a conflict of its own, it was dropped because the test had used up its steps on others.
  return { ...hashes, reasons: reasons.length > 0 ? reasons : [{ path: "", kind: "too_complex" }] };
}

/** One walk through what a consumer requires, beside what a provider declares. */
class Comparison {
  readonly #stepsMax: number;
  readonly #conflictsMax: number;
  readonly #conflicts: JsonObject[] = [];
  #steps = 0;

  constructor(stepsMax: number, conflictsMax: number) {
    this.#stepsMax = stepsMax;
    this.#conflictsMax = conflictsMax;
  }

  get steps(): number {
    return this.#steps;
  }

  /** @returns what does not fit, in the order it was met; empty when the provider satisfies the consumer */
  run(consumer: JsonObject, producer: JsonObject): JsonObject[] {
    this.#compare("", consumer, producer, 0);
    return this.#conflicts;
  }

  #compare(path: string, consumer: JsonObject, producer: JsonObject, depth: number): void {
    const types = lengthOf(own(consumer, "type")) + lengthOf(own(producer, "type"));
    if (!this.#spend(1 + types, path, depth)) return;
    this.#compareTypes(path, own(consumer, "type"), own(producer, "type"));
    this.#compareFields(path, consumer, producer, depth);
    this.#compareItems(path, consumer, producer, depth);
  }

  /** Each type that the consumer names has to be one that the provider names; whoever names none allows any. */
  #compareTypes(path: string, consumer: Json | undefined, producer: Json | undefined): void {
    const expected = namesOf(consumer);
    const given = new Set(namesOf(producer));
    if (expected.length === 0 || given.size === 0) return;
    const isMet = (type: string) => given.has(type) || (type === "number" && given.has("integer"));
    if (expected.every(isMet)) return;
    this.#report({
      path,
      kind: "type_mismatch",
      ...(consumer !== undefined && { consumer_type: consumer }),
      ...(producer !== undefined && { producer_type: producer }),
    });
  }

  #compareFields(path: string, consumer: JsonObject, producer: JsonObject, depth: number): void {
    const required = own(consumer, "required");
    if (!Array.isArray(required)) return;
    const expected = objectOf(own(consumer, "properties"));
    const given = objectOf(own(producer, "properties"));
    // A name that is repeated says nothing more, but would be compared, with all that is below it, each time.
    for (const field of new Set(required)) {
      if (this.#isDone) return;
      if (typeof field !== "string" || !this.#spend(1, path, depth)) continue;
      const at = join(path, field);
      const producerField = given === undefined ? undefined : own(given, field);
      if (producerField === undefined) {
        this.#report({ path: at, kind: "missing_field", field });
        continue;
      }
      const consumerSchema = expected === undefined ? undefined : objectOf(own(expected, field));
      const producerSchema = objectOf(producerField);
      if (consumerSchema === undefined || producerSchema === undefined) continue;
      this.#compare(at, consumerSchema, producerSchema, depth + 1);
    }
  }

  #compareItems(path: string, consumer: JsonObject, producer: JsonObject, depth: number): void {
    const expected = objectOf(own(consumer, "items"));
    if (expected === undefined || this.#isDone) return;
    const at = join(path, "[]");
    const given = objectOf(own(producer, "items"));
    if (given === undefined) this.#report({ path: at, kind: "missing_items_schema" });
    else this.#compare(at, expected, given, depth + 1);
  }

  /** @returns false when a bound is passed; the comparison is over then, with that as a conflict */
  #spend(steps: number, path: string, depth: number): boolean {
    this.#steps += steps;
    if (this.#steps <= this.#stepsMax && depth <= SCHEMA_DEPTH_MAX) return true;
    this.#steps = Math.max(this.#steps, this.#stepsMax + 1);
    this.#report({ path, kind: "too_complex" });
    return false;
  }

  get #isDone(): boolean {
    return this.#conflicts.length >= this.#conflictsMax || this.#steps > this.#stepsMax;
  }

  #report(conflict: JsonObject): void {
    if (this.#conflicts.length < this.#conflictsMax) this.#conflicts.push(conflict);
  }
}

/** Never what an object inherits: a field may be called `constructor`. */
function own(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

function objectOf(value: Json | undefined): JsonObject | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
}

function lengthOf(value: Json | undefined): number {
  return Array.isArray(value) ? value.length : 0;
}

/** A type is written as one name or as a list of them. */
function namesOf(type: Json | undefined): string[] {
  const names = Array.isArray(type) ? type : [type];
  return names.filter((name): name is string => typeof name === "string" && name !== "");
}

function join(path: string, part: string): string {
  return path === "" ? part : `${path}.${part}`;
}
