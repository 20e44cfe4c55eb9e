/**
 * How a dependency came to its provider, or to none: which stage kept whom, and why the others were dropped (contract B,
 * "Audit").
 *
 * Pure. The names of stages, reasons and details are what `meshctl audit` reads. A trace lists a few candidates of a kind per
 * stage and says how many more there were, so a popular capability does not fill the log.
 *
 * Elsewhere: the same choice without its story (`resolve.ts`), the story of a lookup (`explain-lookup.ts`), where audits are kept (`registry-state-machine.ts`).
 */

import type { Dependency, Json, JsonObject, TagConstraint } from "../../types/agent.ts";
import { compareText } from "../../util/compare.ts";
import { equalData } from "../equal-data.ts";
import type { Offer } from "./resolve.ts";
import { explainSchema, schemaTest } from "./schema-compatibility.ts";
import { compileTags, scoreTags } from "./tags.ts";
import { compileConstraint } from "./version-constraint.ts";

/** Candidates listed of those that a stage kept, and of those that it dropped. */
export const TRACE_LISTED_MAX = 32;

export type EvictionReason =
  | "Unhealthy"
  | "Unavailable"
  | "MissingTag"
  | "ExtraTagDisallowed"
  | "VersionConstraintFailed"
  | "SchemaIncompatible";

export type Eviction = {
  /** `agent:function`, as everywhere in a trace. */
  id: string;
  reason: EvictionReason;
  details: JsonObject;
};

export type TraceStage = {
  stage: "health" | "capability_match" | "tags" | "version" | "schema" | "tiebreaker";
  kept: string[];
  /** How many more were kept than are listed. */
  kept_left_out?: number;
  evicted?: Eviction[];
  evicted_left_out?: number;
  /** Of the tiebreaker, which ranks what it kept. */
  chosen?: string;
  reason?: "HighestScoreThenVersion";
};

export type DependencyTrace = {
  spec: JsonObject;
  /** In the order in which they ran; the last one is the tiebreaker, or the one that left nobody. */
  stages: TraceStage[];
  chosen?: { agent_id: string; endpoint: string; function_name: string };
};

export interface TraceOptions {
  /** Why an offer is not available; undefined when it is. */
  readonly reasonOf?: ((offer: Offer) => string | undefined) | undefined;
  /** Offers of other namespaces are no candidates. */
  readonly namespace?: string;
  /** In place of `TRACE_LISTED_MAX`; at least 1. */
  readonly listedMax?: number;
}

/**
 * Chooses as `chooseProvider` does, and tells how.
 *
 * @param offers - all offers of the capability, in the order of `compareOffers`
 */
export function traceDependency(
  offers: readonly Offer[],
  dependency: Dependency,
  { reasonOf, namespace, listedMax = TRACE_LISTED_MAX }: TraceOptions = {},
): DependencyTrace {
  const inScope = namespace === undefined ? offers : offers.filter(({ agent }) => agent.record.namespace === namespace);
  const stages: TraceStage[] = [];
  const scores = new Map<Offer, number>();
  let remaining = inScope;
  for (const [stage, judge] of stagesOf(dependency, scores, reasonOf)) {
    const outcome = runStage(stage, remaining, judge, listedMax);
    stages.push(outcome.stage);
    remaining = outcome.kept;
    if (remaining.length === 0) return { spec: specOf(dependency), stages };
  }
  const ranked = rank(remaining, scores);
  const winner = ranked[0]!;
  const { id: agent_id, endpoint, functionName: function_name } = winner.found;
  const listed = listKept(ranked, listedMax);
  stages.push({ stage: "tiebreaker", ...listed, chosen: idOf(winner), reason: "HighestScoreThenVersion" });
  return { spec: specOf(dependency), stages, chosen: { agent_id, endpoint, function_name } };
}

/**
 * Whether a trace says something that an operator wants to know and was not told last time: a choice among several, another
 * choice than before, one that became possible again, or candidates of which none would do.
 *
 * A dependency with a single candidate that is taken, and one that nobody ever offered, are not worth telling.
 *
 * @param prior - the audit that was last told of the same dependency
 */
export function isWorthTelling(trace: DependencyTrace, prior: JsonObject | undefined): boolean {
  if (prior !== undefined && saysTheSame(trace, prior)) return false;
  if (trace.stages.some(hadChoice)) return true;
  const before = lastChosen(prior);
  if (trace.chosen === undefined)
    return before !== undefined || trace.stages.some(({ evicted }) => evicted !== undefined);
  const wasUnresolved = prior !== undefined && prior.chosen === undefined;
  return wasUnresolved || (before !== undefined && before !== trace.chosen.agent_id);
}

/** The data of the audit event that tells a trace. */
export function auditData(
  consumer: string,
  position: number,
  trace: DependencyTrace,
  prior: JsonObject | undefined,
): JsonObject {
  const before = lastChosen(prior);
  return { consumer, dep_index: position, ...trace, ...(before !== undefined && { prior_chosen: before }) };
}

/** The agent that was chosen when the dependency was last resolved, be it long ago. */
function lastChosen(prior: JsonObject | undefined): string | undefined {
  const chosen = prior?.chosen;
  const id = isObject(chosen) ? chosen.agent_id : prior?.prior_chosen;
  return typeof id === "string" ? id : undefined;
}

type Why = Omit<Eviction, "id">;

/** Undefined when a stage keeps an offer; otherwise tells why it does not, which costs more than to find out. */
type Judge = (offer: Offer) => (() => Why) | undefined;

/**
 * The stages in the order in which they run.
 *
 * @param scores - where the stage of the tags notes those of the offers that it keeps
 */
export function stagesOf(
  dependency: Dependency,
  scores: Map<Offer, number>,
  reasonOf: TraceOptions["reasonOf"],
): readonly (readonly [TraceStage["stage"], Judge])[] {
  const { tags, version } = dependency;
  const admits = compileConstraint(version);
  const scoreOf = compileTags(tags);
  const fits = schemaTest(dependency);
  return [
    ["health", (offer) => judgeHealth(offer, reasonOf)],
    // What was looked up by name has it: the stage is there for those who read it.
    ["capability_match", () => undefined],
    [
      "tags",
      (offer) => {
        const given = offer.capability.tags;
        const score = scoreOf(given);
        if (score === null) return () => tellMismatch(tags, given);
        if (score > 0) scores.set(offer, score);
        return undefined;
      },
    ],
    [
      "version",
      ({ version: given }) =>
        admits(given)
          ? undefined
          : () => ({ reason: "VersionConstraintFailed", details: { version: given.text, constraint: version } }),
    ],
    [
      "schema",
      ({ capability }) =>
        fits?.(capability) === false
          ? () => ({ reason: "SchemaIncompatible", details: explainSchema(dependency, capability) })
          : undefined,
    ],
  ];
}

function judgeHealth(offer: Offer, reasonOf: TraceOptions["reasonOf"]): ReturnType<Judge> {
  const { health } = offer.agent;
  if (health !== "healthy") return () => ({ reason: "Unhealthy", details: { status: health } });
  const reason = reasonOf?.(offer);
  return reason === undefined ? undefined : () => ({ reason: "Unavailable", details: { reason } });
}

/** Which constraint excludes these tags: the plain ones are told before the groups, a forbidden tag before missing ones. */
function tellMismatch(constraints: readonly TagConstraint[], tags: readonly string[]): Why {
  const plain = constraints.filter((constraint) => typeof constraint === "string");
  const disallowed = plain.find((constraint) => isForbidden(constraint, tags));
  if (disallowed !== undefined) return extraTag(disallowed);
  const missing = plain.filter((constraint) => scoreTags([constraint], tags) === null);
  if (missing.length > 0) return { reason: "MissingTag", details: { missing } };
  const group = constraints.find(
    (constraint) => typeof constraint !== "string" && scoreTags([constraint], tags) === null,
  );
  const members = typeof group === "object" ? [...group] : [];
  const forbidden = members.find((member) => isForbidden(member, tags));
  return forbidden === undefined ? { reason: "MissingTag", details: { missing_one_of: members } } : extraTag(forbidden);
}

function isForbidden(constraint: string, tags: readonly string[]): boolean {
  return constraint.startsWith("-") && scoreTags([constraint], tags) === null;
}

function extraTag(constraint: string): Why {
  return { reason: "ExtraTagDisallowed", details: { disallowed: [constraint.slice(1)] } };
}

export function runStage(
  stage: TraceStage["stage"],
  offers: readonly Offer[],
  judge: Judge,
  listedMax: number,
): { stage: TraceStage; kept: readonly Offer[] } {
  const kept: Offer[] = [];
  const evicted: Eviction[] = [];
  let leftOut = 0;
  for (const offer of offers) {
    const why = judge(offer);
    if (why === undefined) kept.push(offer);
    else if (evicted.length === listedMax) leftOut++;
    else evicted.push({ id: idOf(offer), ...why() });
  }
  return {
    stage: {
      stage,
      ...listKept(kept, listedMax),
      ...(evicted.length > 0 && { evicted }),
      ...(leftOut > 0 && { evicted_left_out: leftOut }),
    },
    kept,
  };
}

function listKept(offers: readonly Offer[], listedMax: number): { kept: string[]; kept_left_out?: number } {
  const leftOut = offers.length - listedMax;
  const kept = offers.slice(0, listedMax).map(idOf);
  return leftOut > 0 ? { kept, kept_left_out: leftOut } : { kept };
}

/** Best score first; stable, so what was newest remains so among equals. */
function rank(offers: readonly Offer[], scores: ReadonlyMap<Offer, number>): readonly Offer[] {
  if (scores.size === 0) return offers;
  return offers.toSorted((a, b) => (scores.get(b) ?? 0) - (scores.get(a) ?? 0));
}

/** What was asked for. Alternatives of tags are not part of it, as the real registry tells it. */
function specOf({ capability, tags, version, matchMode }: Dependency): JsonObject {
  const plainTags = tags.filter((tag) => typeof tag === "string");
  return {
    capability,
    ...(plainTags.length > 0 && { tags: plainTags }),
    ...(version !== "" && { version_constraint: version }),
    schema_mode: matchMode ?? "none",
  };
}

function idOf({ agent, capability }: Offer): string {
  return `${agent.id}:${capability.functionName}`;
}

/** At least two candidates came into the stage. */
function hadChoice({ kept, kept_left_out = 0, evicted = [], evicted_left_out = 0 }: TraceStage): boolean {
  return kept.length + kept_left_out + evicted.length + evicted_left_out >= 2;
}

/** The same outcome, whatever the order in which candidates are listed. */
function saysTheSame({ spec, stages, chosen }: DependencyTrace, prior: JsonObject): boolean {
  const priorStages = prior.stages;
  return (
    equalData(chosen, prior.chosen) &&
    equalData(spec, prior.spec) &&
    Array.isArray(priorStages) &&
    equalData(stages.map(inOrder), priorStages.map(inOrder))
  );
}

function inOrder(stage: Json): Json {
  if (!isObject(stage)) return stage;
  const { kept, evicted } = stage;
  return {
    ...stage,
    ...(Array.isArray(kept) && { kept: sorted(kept) }),
    ...(Array.isArray(evicted) && { evicted: sorted(evicted) }),
  };
}

function sorted(items: readonly Json[]): Json[] {
  const nameOf = (item: Json) => String(isObject(item) ? item.id : item);
  return [...items].sort((a, b) => compareText(nameOf(a), nameOf(b)));
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
