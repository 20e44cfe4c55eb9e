/**
 * Keeps once in memory what the records of a fleet have in common: names of capabilities, versions, tags, namespaces, and
 * that there is nothing where most have nothing.
 *
 * A record that was read from the log or the disk has texts of its own, some thirty bytes each. Shared, a lookup also finds
 * them near, however many agents there are.
 */

import { LRUCache } from "lru-cache";
import type { AgentRecord, Capability } from "../../types/agent.ts";

/** Texts that are kept once; with more in use at a time, some are kept more than once. */
const SHARED_TEXTS_MAX = 20_000;
/** What is longer is seldom the same as another one. */
const SHARED_TEXT_LENGTH_MAX = 128;

/** V8 copies what is shorter. */
const PART_LENGTH_MIN = 13;

const texts = new LRUCache<string, string>({ max: SHARED_TEXTS_MAX });
const NOTHING: Readonly<Record<string, never>> = Object.freeze({});
const NONE: readonly never[] = Object.freeze([]);

/** The same record, with shared texts: equal to it in every field, and in their order. */
export function shareTexts(record: AgentRecord): AgentRecord {
  return {
    ...record,
    name: own(record.name),
    endpoint: own(record.endpoint),
    namespace: shared(record.namespace),
    type: shared(record.type),
    runtime: shared(record.runtime),
    version: shared(record.version),
    labels: isEmpty(record.labels) ? NOTHING : record.labels,
    metadata: isEmpty(record.metadata) ? NOTHING : record.metadata,
    capabilities: record.capabilities.map(shareTextsOf),
  };
}

/** The text that records share, where there is one: comparing it with theirs takes no look at its letters. */
export function sharedText(text: string): string {
  return texts.get(text) ?? text;
}

function shareTextsOf(capability: Capability): Capability {
  const { name, functionName, version, tags, dependencies } = capability;
  return {
    ...capability,
    name: shared(name),
    functionName: shared(functionName),
    version: shared(version),
    tags: tags.length === 0 ? NONE : tags.map(shared),
    dependencies: dependencies.length === 0 ? NONE : dependencies,
  };
}

function shared<Text extends string>(text: Text): Text {
  if (text.length > SHARED_TEXT_LENGTH_MAX) return text;
  const known = texts.get(text);
  if (known !== undefined) return known as Text;
  const kept = own(text);
  texts.set(kept, kept);
  return kept;
}

/**
 * The same text by itself: one that was decoded is often a part of a longer one, with everything that was decoded around it,
 * which stays in memory for as long as any part does.
 */
function own<Text extends string>(text: Text): Text {
  if (text.length < PART_LENGTH_MIN) return text;
  const copy = Buffer.from(text, "utf8").toString("utf8");
  // But for halves of surrogate pairs, which UTF-8 has no bytes for.
  return copy === text ? (copy as Text) : text;
}

function isEmpty(fields: object): boolean {
  for (const _ in fields) return false;
  return true;
}
