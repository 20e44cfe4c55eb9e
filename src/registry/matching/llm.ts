/**
 * What language models are given: the tools that a filter admits, and who provides the model (contract A7).
 *
 * Pure. Tools are healthy agents' capabilities with an input schema; what they require of others is not asked, as the real
 * registry does not. Filters are free JSON of their authors, so every part of them is looked at with suspicion, and a
 * question looks at a bounded number of offers whatever it says.
 *
 * Where several tools have one function name, which a model can not tell apart, the newest version wins, in the order of
 * an answer: the real registry takes the one that was stored first.
 */

import type { Capability, Dependency, FoundAgent, Json, JsonObject } from "../../types/agent.ts";
import type { Offer } from "./resolve.ts";
import { type StepBudget, spend } from "./step-budget.ts";
import { compileTags } from "./tags.ts";
import { compareVersions, compileConstraint } from "./version-constraint.ts";

/** Tools that one filter admits at most: more than any model can be told of. */
export const LLM_TOOLS_MAX = 1_000;
/** What the filters of one agent may spend: a step for each offer, each time that it is looked at. */
export const LLM_STEPS_MAX = 30_000;
/** A tool has to be answered with all of its schema, so it costs as much as this many offers. */
const TOOL_STEPS = 20;
/** More tags than a capability may have are met by none. */
const TAGS_MAX = 64;

/** What is offered, as an index holds it. */
export interface ToolIndex {
  /** Names that somebody offers, ascending. */
  names(): Iterable<string>;
  /** All offers of a capability, in the order of `compareOffers`. */
  offers(capability: string): readonly Offer[];
}

export interface LlmTool {
  readonly tool: FoundAgent;
  readonly inputSchema: JsonObject;
}

/**
 * The tools that `llm_filter` admits, at most 1,000: in the order of its parts and, within one, of score, name and version.
 *
 * `all` is the union of its parts; `best_match` takes of each capability the newest version, then the one with most tags;
 * `*` takes every tool but those of the requester.
 *
 * @param budget - shared by the filters of one agent; where it ends, so does the list
 * @returns undefined when the filter can not be read; the function is then given no list at all, not an empty one
 */
export function findLlmTools(
  llmFilter: JsonObject,
  { index, requester }: { readonly index: ToolIndex; readonly requester: string },
  budget: StepBudget = { stepsLeft: LLM_STEPS_MAX },
): readonly LlmTool[] | undefined {
  const { filter, filter_mode: mode } = llmFilter;
  if (!Array.isArray(filter)) return undefined;
  const search = new ToolSearch(index, budget);
  if (mode === "*") return search.everything((offer) => offer.agent.id !== requester);
  const parts = filter.map(readPart);
  if (!parts.every((part) => part !== null)) return undefined;
  return search.admittedBy(parts, mode === "best_match");
}

/** An LLM provider as a dependency like any other; undefined when the request can be met by nobody. */
export function llmDependency({ capability, tags, version }: JsonObject): Dependency | undefined {
  if (typeof capability !== "string" || capability === "") return undefined;
  const wanted = textsOf(tags);
  if (wanted.length > TAGS_MAX) return undefined;
  return { capability, tags: wanted, version: textOf(version), required: false };
}

/** What a tool or a provider for language models has to have. Stands in for the schema stage where one is chosen. */
export function hasInputSchema({ inputSchema }: Capability): boolean {
  return inputSchema !== undefined;
}

/** One part of a filter: a name, or what an object says. */
interface FilterPart {
  /** Undefined for any. */
  readonly capability: string | undefined;
  readonly tags: readonly string[];
  readonly version: string;
}

/** @returns null when it is neither a text nor an object, which makes the whole filter unreadable */
function readPart(part: Json): FilterPart | null {
  if (typeof part === "string") return { capability: part === "*" ? undefined : part, tags: [], version: "" };
  if (typeof part !== "object" || part === null || Array.isArray(part)) return null;
  const { capability, tags, version } = part;
  return {
    capability: typeof capability === "string" ? capability : undefined,
    tags: textsOf(tags),
    version: textOf(version),
  };
}

class ToolSearch {
  readonly #index: ToolIndex;
  /** By function name: the first one wins. */
  readonly #found = new Map<string, Offer>();
  readonly #budget: StepBudget;

  constructor(index: ToolIndex, budget: StepBudget) {
    this.#index = index;
    this.#budget = budget;
  }

  everything(admits: (offer: Offer) => boolean): readonly LlmTool[] {
    for (const offer of this.#toolsOf(undefined)) {
      if (admits(offer)) this.#add(offer);
      if (this.#isFull) break;
    }
    return toTools(this.#found.values());
  }

  admittedBy(parts: readonly FilterPart[], isBestMatch: boolean): readonly LlmTool[] {
    for (const part of parts) {
      if (this.#isFull) break;
      for (const offer of this.#admittedBy(part)) this.#add(offer);
    }
    return toTools(isBestMatch ? bestOfEach(this.#found.values()) : this.#found.values());
  }

  *#admittedBy({ capability, tags, version }: FilterPart): Iterable<Offer> {
    if (tags.length > TAGS_MAX) return;
    const admits = compileConstraint(version);
    const scoreOf = compileTags(tags);
    const scored: { offer: Offer; score: number }[] = [];
    for (const offer of this.#toolsOf(capability)) {
      const score = scoreOf(offer.capability.tags);
      if (score === null || !admits(offer.version)) continue;
      if (tags.length > 0) scored.push({ offer, score });
      else yield offer;
    }
    scored.sort((a, b) => b.score - a.score);
    for (const { offer } of scored) yield offer;
  }

  /** Tools of one capability, or of all, as long as there are steps left. */
  *#toolsOf(capability: string | undefined): Iterable<Offer> {
    for (const name of capability === undefined ? this.#index.names() : [capability]) {
      for (const offer of this.#index.offers(name)) {
        if (!spend(this.#budget, 1)) return;
        if (offer.agent.health === "healthy" && hasInputSchema(offer.capability)) yield offer;
      }
    }
  }

  #add(offer: Offer): void {
    const { functionName } = offer.capability;
    if (this.#isFull || this.#found.has(functionName) || !spend(this.#budget, TOOL_STEPS)) return;
    this.#found.set(functionName, offer);
  }

  get #isFull(): boolean {
    return this.#found.size >= LLM_TOOLS_MAX;
  }
}

function bestOfEach(offers: Iterable<Offer>): Iterable<Offer> {
  const best = new Map<string, Offer>();
  for (const offer of offers) {
    const { name } = offer.capability;
    const held = best.get(name);
    if (held === undefined || isBetter(offer, held)) best.set(name, offer);
  }
  return best.values();
}

function isBetter(a: Offer, b: Offer): boolean {
  return (compareVersions(a.version, b.version) || a.capability.tags.length - b.capability.tags.length) > 0;
}

function toTools(offers: Iterable<Offer>): readonly LlmTool[] {
  const tools: LlmTool[] = [];
  for (const { found, capability } of offers) {
    if (capability.inputSchema !== undefined) tools.push({ tool: found, inputSchema: capability.inputSchema });
  }
  return tools;
}

function textOf(value: Json | undefined): string {
  return typeof value === "string" ? value : "";
}

function textsOf(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}
