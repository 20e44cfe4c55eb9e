/**
 * Whether a capability can do its work: its agent is healthy, and each dependency that it requires is offered by somebody
 * who can do theirs (contract A8).
 *
 * Pure, and remembered until `forget`. Available is what can be derived from capabilities that require nothing, so the
 * answer does not depend on who is asked about first, and a cycle of requirements, which registration refuses but older
 * data may hold, is unavailable rather than endless. Nothing recurses, and the work between two changes is bounded.
 */

import type { Capability, Dependency } from "../../types/agent.ts";
import type { Offer } from "./resolve.ts";
import { schemaTest } from "./schema-compatibility.ts";
import { type StepBudget, spend } from "./step-budget.ts";
import { compileTags } from "./tags.ts";
import { compileConstraint } from "./version-constraint.ts";

/** What may be spent between two changes: some tens of milliseconds, for 20,000 different requirements or a few with many offers. */
export const JUDGING_STEPS_MAX = 500_000;
/** An offer that is looked at costs a step; a requirement that is looked at costs as much as this many offers. */
const REQUIREMENT_STEPS = 25;
/** Why an offer is not available when there was more to look at than that. */
export const NOT_JUDGED = "required dependencies not judged: too many offers";

export interface AvailabilityOptions {
  /** Whether another region has a provider, or may have one. The answer is remembered until `forget`. */
  readonly isOfferedElsewhere?: (dependency: Dependency) => boolean;
}

export class Availability {
  readonly #offersOf: (capability: string) => readonly Offer[];
  readonly #isOfferedElsewhere: (dependency: Dependency) => boolean;
  readonly #claims = new Map<Capability, Claim>();
  readonly #needs = new Map<string | Dependency, Need>();
  readonly #budget: StepBudget = { stepsLeft: JUDGING_STEPS_MAX };

  /** @param offersOf - all offers of a capability, healthy or not */
  constructor(
    offersOf: (capability: string) => readonly Offer[],
    { isOfferedElsewhere = () => false }: AvailabilityOptions = {},
  ) {
    this.#offersOf = offersOf;
    this.#isOfferedElsewhere = isOfferedElsewhere;
  }

  /** Has everything judged anew: to be called after each change of what is offered, here or elsewhere. */
  forget(): void {
    this.#claims.clear();
    this.#needs.clear();
    this.#budget.stepsLeft = JUDGING_STEPS_MAX;
  }

  /**
   * Why nobody is given `offer`, one level deep and in the words of the contract; undefined when it is available.
   *
   * An offer that can not be judged within the bound is not available, and the reason says so (`NOT_JUDGED`).
   */
  reasonOf(offer: Offer): string | undefined {
    if (offer.agent.health !== "healthy") return "agent unhealthy";
    const { capability } = offer;
    if (!requiresAnything(capability)) return undefined;
    const claim = this.#claims.get(capability) ?? this.#judge(capability);
    if (claim.isAvailable) return undefined;
    const broken = requirementsOf(capability).find((dependency) => this.#needs.get(keyOf(dependency))?.isMet !== true);
    return (broken === undefined ? undefined : this.#describe(broken)) ?? NOT_JUDGED;
  }

  /** Collects what the capability depends on, however indirectly, as far as it is not known yet, and then what follows. */
  #judge(capability: Capability): Claim {
    const claim = this.#claim(capability);
    const collected = [claim];
    const available: Claim[] = [];
    // Grows while it is walked.
    for (const next of collected) {
      for (const dependency of requirementsOf(next.capability)) {
        const need = this.#needOf(dependency, collected);
        if (need?.isMet === true) continue;
        next.unmet++;
        need?.askers.push(next);
      }
      if (next.unmet === 0) available.push(next);
    }
    settle(available);
    return claim;
  }

  /** @returns undefined when nothing is left to spend */
  #needOf(dependency: Dependency, collected: Claim[]): Need | undefined {
    if (!spend(this.#budget, REQUIREMENT_STEPS)) return undefined;
    const key = keyOf(dependency);
    const known = this.#needs.get(key);
    if (known !== undefined) return known;
    const need: Need = { isMet: false, askers: [], reason: undefined };
    this.#needs.set(key, need);
    need.isMet = this.#isMetNow(need, dependency, collected) || this.#isOfferedElsewhere(dependency);
    return need;
  }

  /** Looks for a provider that is available; those that require something themselves are `collected`, to be judged. */
  #isMetNow(need: Need, dependency: Dependency, collected: Claim[]): boolean {
    const fits = schemaTest(dependency, this.#budget);
    const matches = matcherOf(dependency);
    for (const candidate of this.#offersOf(dependency.capability)) {
      if (!spend(this.#budget, 1)) return false;
      if (candidate.agent.health !== "healthy" || !matches(candidate)) continue;
      if (fits?.(candidate.capability) === false) continue;
      const held = this.#claims.get(candidate.capability);
      if (!requiresAnything(candidate.capability) || held?.isAvailable === true) return true;
      const claim = held ?? this.#claim(candidate.capability);
      if (held === undefined) collected.push(claim);
      claim.candidateFor.push(need);
    }
    return false;
  }

  #claim(capability: Capability): Claim {
    const claim: Claim = { capability, isAvailable: false, unmet: 0, candidateFor: [] };
    this.#claims.set(capability, claim);
    return claim;
  }

  /** @returns undefined when the bound is reached before the reason is known */
  #describe(dependency: Dependency): string | undefined {
    const need = this.#needs.get(keyOf(dependency));
    if (need === undefined) return undefined;
    need.reason ??= this.#reasonWhyUnmet(dependency);
    return need.reason;
  }

  /**
   * A provider that the tags or the version rule out is not to blame, whatever its health. Schemas are left out of it, as
   * the real registry does: one that does not fit is told as unavailable.
   */
  #reasonWhyUnmet(dependency: Dependency): string | undefined {
    const { capability } = dependency;
    const matches = matcherOf(dependency);
    let matching: Offer | undefined;
    for (const candidate of this.#offersOf(capability)) {
      if (!spend(this.#budget, 1)) return undefined;
      if (!matches(candidate)) continue;
      if (candidate.agent.health !== "healthy") return unavailable(capability, candidate, "unhealthy");
      matching ??= candidate;
    }
    return matching === undefined ? unresolved(dependency) : unavailable(capability, matching, "unavailable");
  }
}

/** A healthy agent's capability that requires something, and so has to prove that it is available. */
interface Claim {
  readonly capability: Capability;
  isAvailable: boolean;
  /** Its requirements that nobody is known to meet. */
  unmet: number;
  /** What is met as soon as this is available. */
  readonly candidateFor: Need[];
}

/** What somebody requires; the same for all who write it the same way. */
interface Need {
  isMet: boolean;
  /** Once for each requirement that is this. */
  readonly askers: Claim[];
  /** Why it is not met, once somebody wanted to know. */
  reason: string | undefined;
}

/** Makes the claims available, and all that follows from them. */
function settle(available: Claim[]): void {
  // Grows while it is walked.
  for (const claim of available) {
    claim.isAvailable = true;
    for (const need of claim.candidateFor) {
      if (need.isMet) continue;
      need.isMet = true;
      for (const asker of need.askers) {
        if (--asker.unmet === 0) available.push(asker);
      }
    }
  }
}

function requiresAnything({ dependencies }: Capability): boolean {
  return dependencies.some(({ required }) => required);
}

function requirementsOf({ dependencies }: Capability): readonly Dependency[] {
  return dependencies.filter(({ required }) => required);
}

/** Equal for requirements that are met by the same offers. A schema is too long to be part of a text, so it stands alone. */
function keyOf(dependency: Dependency): string | Dependency {
  const { capability, tags, version, matchMode, expectedSchemaHash, expectedSchemaCanonical } = dependency;
  // What nearly all of them are; no JSON of a list begins like this.
  if (matchMode === undefined && tags.length === 0 && version === "") return `=${capability}`;
  if (matchMode === undefined) return JSON.stringify([capability, tags, version]);
  if (matchMode === "subset" && expectedSchemaCanonical !== undefined) return dependency;
  return JSON.stringify([capability, tags, version, matchMode, expectedSchemaHash]);
}

/** The tags and version stages. */
function matcherOf({ tags, version }: Dependency): (offer: Offer) => boolean {
  const admits = compileConstraint(version);
  const scoreOf = compileTags(tags);
  return (offer) => scoreOf(offer.capability.tags) !== null && admits(offer.version);
}

function unavailable(capability: string, { agent }: Offer, why: "unhealthy" | "unavailable"): string {
  return `required dep '${capability}' unavailable (provider ${agent.id} ${why})`;
}

function unresolved({ capability, tags, version, matchMode }: Dependency): string {
  const plainTags = tags.filter((tag) => typeof tag === "string");
  const constraints = [
    ...(plainTags.length > 0 ? [`tags=[${plainTags.join(" ")}]`] : []),
    ...(version === "" ? [] : [`version ${version}`]),
    ...(matchMode === undefined ? [] : [`schema=${matchMode}`]),
  ];
  const detail = constraints.length === 0 ? "" : ` (no provider matches ${constraints.join(", ")})`;
  return `required dep '${capability}' unresolved${detail}`;
}
