/**
 * What an agent is told of others, and whether that is still true.
 *
 * Dependencies resolve in this region first, then in the nearest one that has a provider. A provider abroad is kept for as
 * long as it is there and nobody here can take over; one that returns here takes over once it has lasted, and the longer the
 * more often it left lately, so that a provider that comes and goes does not take its consumers along.
 *
 * Whether something changed is judged from this node's state and from what is known of other regions without asking: a fast
 * heartbeat costs no request and, as long as nothing changed that the agent needs, hardly a comparison.
 *
 * A capability may have thousands of replicas, and an agent hundreds of dependencies. So what was chosen for a dependency is
 * kept until its capability changes; a resolution gives way to others between two dependencies; and where comparing would
 * take too long, a fast heartbeat says that there may be news.
 *
 * Elsewhere: how one provider is chosen (`matching/`), what other regions are known to offer (`RemoteRegions`).
 */

import type { Capability, Dependency, FoundAgent, JsonObject, StoredAgent } from "../types/agent.ts";
import type { RegionId } from "../types/ids.ts";
import type { RegionQuery } from "../types/lookup.ts";
import type { Clock } from "../util/clock.ts";
import { type KeptAgent, offerOf } from "./agent-index.ts";
import { hostAndPortOf } from "./endpoint.ts";
import { GiveWay } from "./give-way.ts";
import type {
  RemoteRegions,
  Resolutions,
  ResolvedDependency,
  ResolvedLlmProvider,
  ResolvedTools,
} from "./interface.ts";
import { Availability } from "./matching/availability.ts";
import { findLlmTools, hasInputSchema, LLM_STEPS_MAX, llmDependency } from "./matching/llm.ts";
import { chooseProvider, type Offer } from "./matching/resolve.ts";
import { SCHEMA_TEST_STEPS_MAX, type SchemaTest, schemaTest } from "./matching/schema-compatibility.ts";
import type { StepBudget } from "./matching/step-budget.ts";
import type { RegistryStateMachine } from "./registry-state-machine.ts";
import { ReturnWatch } from "./return-watch.ts";

/** Providers that one region is asked for: more than one, because the first may have moved here since. */
const ABROAD_MAX = 4;
const ENDPOINTS_MAX = 10_000;

/** Versions and tags of candidates that are looked at without giving way; some ten milliseconds. */
const WORK_PER_TURN = 200_000;
/** A fast heartbeat, or a list, compares no more than this for one agent. */
const WORK_AT_ONCE_MAX = 1_000_000;

export interface ResolverParts {
  readonly region: RegionId;
  readonly stateMachine: RegistryStateMachine;
  readonly remote: RemoteRegions;
  readonly clock: Clock;
  /** Consumers see only providers of their own namespace. */
  readonly isolatesNamespaces: boolean;
  /** A provider that returned here takes over after this long, in milliseconds. */
  readonly handBackMs: number;
}

/** One thing that an agent needs somebody for. */
interface Need {
  readonly of: Capability;
  readonly dependency: Dependency;
  readonly fits: SchemaTest | undefined;
  /** Of who provides a language model nobody asks what it requires of others (contract A7). */
  readonly isForModel: boolean;
}

/** Who was chosen for it. */
interface Choice {
  readonly provider: FoundAgent | null;
  /** False when a region that may have one would have to be asked. */
  readonly isCertain: boolean;
  /** A provider of this region waits to take over: time alone changes the choice. */
  readonly isHeldBack: boolean;
}

/** What an agent was last told by this node, in the order of its declarations. */
interface Told {
  providers: readonly (FoundAgent | null)[];
  keys: readonly string[];
  /** Of this region's state, and of what was known of others. */
  revision: number;
  remoteChanges: number;
  isHeldBack: boolean;
}

export class Resolver {
  readonly #parts: ResolverParts;
  readonly #availability: Availability;
  readonly #returns: ReturnWatch;
  /** By incarnation. */
  readonly #told = new Map<number, Told>();
  /** Who of this region was chosen for a dependency, and of which state. */
  readonly #chosen = new WeakMap<Dependency, Chosen>();
  readonly #giveWay: GiveWay;
  /** Endpoints abroad that somebody here was told of, by `host:port`, the latest last. */
  readonly #endpointsTold = new Map<string, string>();
  #remoteChanges = 0;
  /** Counts how often availability was judged anew for another reason than a change of the capability. */
  #epoch = 0;

  constructor(parts: ResolverParts) {
    this.#parts = parts;
    const { stateMachine, clock, handBackMs } = parts;
    this.#returns = new ReturnWatch(clock, handBackMs);
    this.#giveWay = new GiveWay(clock, WORK_PER_TURN);
    this.#availability = new Availability((name) => stateMachine.index.offers(name), {
      isOfferedElsewhere: (dependency) => this.#isOfferedAbroad(dependency),
    });
    stateMachine.observe({
      agentChanged: (before, after) => this.#follow(before, after),
      applied: () => this.#availability.forget(),
      restored: () => {
        this.#availability.forget();
        this.#epoch++;
        this.#told.clear();
      },
    });
  }

  /** Why nobody is given an agent's capability now; undefined when it is available (contract A8). */
  unavailableReason(agent: StoredAgent, capability: Capability): string | undefined {
    const held = this.#parts.stateMachine.index.get(agent.id);
    return held === undefined ? "agent unhealthy" : this.reasonOf(offerOf(held, capability, this.#parts.region));
  }

  /** The same of an offer of the index. */
  readonly reasonOf = (offer: Offer): string | undefined => {
    this.#forgetWhenOthersChanged();
    return this.#availability.reasonOf(offer);
  };

  readonly isAvailable = (offer: Offer): boolean => this.reasonOf(offer) === undefined;

  /** All that the agent needs, as far as is known without asking; what it was told, where finding out would take long. */
  view(agent: StoredAgent): Resolutions {
    const needs = needsOf(agent);
    const told = this.#told.get(agent.incarnation);
    const isCheap = told === undefined || told.providers.length !== needs.length || this.#canCompareAtOnce(needs);
    if (!isCheap) return this.#shown(agent, needs, told.providers);
    const choices = needs.map((need, slot) => this.#choose(agent, need, told?.keys[slot]));
    return this.#shown(agent, needs, providersOf(choices));
  }

  /**
   * The same after every region was asked that may have something this one has not, and noted as told to the agent.
   * Never rejects for a region.
   *
   * @param revision - of this region, when the caller began
   */
  async resolve(agent: StoredAgent, revision: number): Promise<Resolutions> {
    const keys = this.#told.get(agent.incarnation)?.keys;
    const needs = needsOf(agent);
    const choices: Choice[] = [];
    for (const [slot, need] of needs.entries()) {
      await this.#giveWay.before(this.#workFor(need));
      choices.push(this.#choose(agent, need, keys?.[slot]));
    }
    await this.#ask(agent, needs, choices);
    for (const [slot, need] of needs.entries()) {
      if (!choices[slot]!.isCertain) choices[slot] = this.#choose(agent, need, keys?.[slot]);
    }
    const providers = providersOf(choices);
    if (needs.length > 0) this.#told.set(agent.incarnation, this.#toldOf(choices, revision));
    this.noteEndpoints(providers.flatMap((provider) => provider ?? []));
    return this.#shown(agent, needs, providers);
  }

  /** Waits until an audit of so many comparisons may be made without keeping others waiting. */
  beforeAudit(dependency: Dependency): Promise<void> {
    return this.#giveWay.before(this.#workOf(dependency));
  }

  /** Asks the regions that may have somebody; their answers are kept, and known from then on. */
  async #ask(agent: StoredAgent, needs: readonly Need[], choices: readonly Choice[]): Promise<void> {
    const toAsk = needs.filter((_, slot) => !choices[slot]!.isCertain);
    const queries = new Map(
      toAsk.map(({ dependency }) => [JSON.stringify(dependency), this.#queryOf(agent, dependency)]),
    );
    await Promise.all([...queries.values()].map((query) => this.#parts.remote.lookup(query, { consistency: "stale" })));
  }

  /** Notes where agents abroad listen that somebody was told of. */
  noteEndpoints(agents: Iterable<FoundAgent>): void {
    for (const { region, endpoint } of agents) {
      if (region === this.#parts.region) continue;
      const where = hostAndPortOf(endpoint);
      if (where === undefined) continue;
      this.#endpointsTold.delete(where);
      this.#endpointsTold.set(where, endpoint);
    }
    for (const oldest of this.#endpointsTold.keys()) {
      if (this.#endpointsTold.size <= ENDPOINTS_MAX) break;
      this.#endpointsTold.delete(oldest);
    }
  }

  /** The endpoint abroad that somebody here was told of at `host:port`. */
  endpointTold(hostAndPort: string): string | undefined {
    return this.#endpointsTold.get(hostAndPort);
  }

  /**
   * Whether the agent may be told something new.
   *
   * @param informedRevision - up to which some node of the region told it
   */
  hasNews(agent: StoredAgent, informedRevision: number): boolean {
    const { stateMachine } = this.#parts;
    if (informedRevision < stateMachine.rotatedRevision) return true;
    if (this.#toolsChangedAt(agent) > informedRevision) return true;
    if (!hasNeeds(agent)) return false;
    const told = this.#told.get(agent.incarnation);
    if (told === undefined || told.revision < informedRevision) {
      return this.#mayHaveNews(agent, informedRevision);
    }
    // Nearly every heartbeat ends here, so what it needs is looked at in the record as it is.
    return !this.#isAsTold(agent, told) && this.#differs(agent, needsOf(agent), told);
  }

  /** Whether anything about those who offer what the agent needs, in this region, is newer than a revision. */
  hasOtherOffers(agent: StoredAgent, sinceRevision: number): boolean {
    return this.#needsChangedAt(agent) > sinceRevision;
  }

  /** Another node told the agent: what exactly is not known here, only up to when. */
  #mayHaveNews(agent: StoredAgent, informedRevision: number): boolean {
    if (this.#needsChangedAt(agent) > informedRevision) return true;
    const needs = needsOf(agent);
    if (!this.#canCompareAtOnce(needs)) return true;
    return needs.some((need) => {
      const { provider, isCertain } = this.#choose(agent, need, undefined);
      return !isCertain || (provider !== null && provider.region !== this.#parts.region);
    });
  }

  /** Nothing changed that may change what it was told. */
  #isAsTold(agent: StoredAgent, { revision, remoteChanges, isHeldBack }: Told): boolean {
    return !isHeldBack && this.#parts.remote.changes() === remoteChanges && this.#needsChangedAt(agent) <= revision;
  }

  #differs(agent: StoredAgent, needs: readonly Need[], told: Told): boolean {
    if (!this.#canCompareAtOnce(needs)) return true;
    const choices = needs.map((need, slot) => this.#choose(agent, need, told.keys[slot]));
    if (choices.some(({ isCertain }) => !isCertain)) return true;
    const now = this.#toldOf(choices, Math.max(told.revision, this.#needsChangedAt(agent)));
    if (now.keys.some((key, slot) => key !== told.keys[slot])) return true;
    this.#told.set(agent.incarnation, now);
    return false;
  }

  #toldOf(choices: readonly Choice[], revision: number): Told {
    const providers = providersOf(choices);
    return {
      providers,
      keys: providers.map(keyOf),
      revision,
      remoteChanges: this.#parts.remote.changes(),
      isHeldBack: choices.some(({ isHeldBack }) => isHeldBack),
    };
  }

  #choose(agent: StoredAgent, need: Need, told: string | undefined): Choice {
    const { region } = this.#parts;
    const { dependency } = need;
    const here = this.#chooseHere(agent, need);
    const mayWait = told !== undefined && told !== "" && !told.startsWith(`${region} `);
    if (here !== null && !(mayWait && this.#returns.isYoung(here.id))) {
      return { provider: here, isCertain: true, isHeldBack: false };
    }
    const { agents, isCertain } = this.#knownAbroad(this.#queryOf(agent, dependency));
    const kept = agents.find((found) => keyOf(found) === told);
    if (here !== null) return { provider: kept ?? here, isCertain: true, isHeldBack: kept !== undefined };
    return { provider: kept ?? agents[0] ?? null, isCertain, isHeldBack: false };
  }

  #chooseHere({ record }: StoredAgent, { dependency, fits, isForModel }: Need): FoundAgent | null {
    const held = this.#keptFor(dependency);
    if (held !== undefined) return held.provider;
    const { stateMachine, isolatesNamespaces } = this.#parts;
    const provider = chooseProvider(stateMachine.index.offers(dependency.capability), dependency, {
      fits,
      isAvailable: isForModel ? undefined : this.isAvailable,
      ...(isolatesNamespaces && { namespace: record.namespace }),
    });
    const changedAt = stateMachine.index.changedAt(dependency.capability);
    this.#chosen.set(dependency, { provider, changedAt, epoch: this.#epoch });
    return provider;
  }

  #keptFor(dependency: Dependency): Chosen | undefined {
    this.#forgetWhenOthersChanged();
    const held = this.#chosen.get(dependency);
    if (held === undefined || held.epoch !== this.#epoch) return undefined;
    return held.changedAt === this.#parts.stateMachine.index.changedAt(dependency.capability) ? held : undefined;
  }

  #canCompareAtOnce(needs: readonly Need[]): boolean {
    let work = 0;
    for (const need of needs) work += this.#workFor(need);
    return work <= WORK_AT_ONCE_MAX;
  }

  /** Comparisons that choosing takes, at most. */
  #workFor({ dependency }: Need): number {
    return this.#keptFor(dependency) === undefined ? this.#workOf(dependency) : 0;
  }

  #workOf({ capability, tags }: Dependency): number {
    const { index } = this.#parts.stateMachine;
    return tags.length === 0 ? index.offers(capability).length : index.sizeOf(capability);
  }

  /** The best provider of each region that is known to have one, nearest first. */
  #knownAbroad(query: RegionQuery): { readonly agents: readonly FoundAgent[]; readonly isCertain: boolean } {
    const known = this.#parts.remote.known(query);
    const agents = known.flatMap(({ agents }) => agents?.find((found) => !this.#livesHere(found)) ?? []);
    return { agents, isCertain: known.every(({ agents }) => agents !== null) };
  }

  #isOfferedAbroad(dependency: Dependency): boolean {
    const known = this.#parts.remote.known(queryOf(dependency));
    return known.some(({ agents }) => agents === null || agents.length > 0);
  }

  /** Whether an agent that another region still shows has registered here since. */
  #livesHere({ id, registeredAtMs }: FoundAgent): boolean {
    const held = this.#parts.stateMachine.index.get(id);
    return held?.health === "healthy" && held.incarnatedAtMs > registeredAtMs;
  }

  #queryOf({ record }: StoredAgent, dependency: Dependency): RegionQuery {
    return { ...queryOf(dependency), ...(this.#parts.isolatesNamespaces && { namespace: record.namespace }) };
  }

  #needsChangedAt({ record }: StoredAgent): number {
    const { index } = this.#parts.stateMachine;
    let latest = 0;
    for (const { dependencies, llmProvider } of record.capabilities) {
      for (const { capability } of dependencies) latest = Math.max(latest, index.changedAt(capability));
      const dependency = llmProvider && llmDependencyOf(llmProvider);
      if (dependency) latest = Math.max(latest, index.changedAt(dependency.capability));
    }
    return latest;
  }

  /** Filters can admit any tool, so anything that came or went may have changed what they find. */
  #toolsChangedAt({ record }: StoredAgent): number {
    const hasFilter = record.capabilities.some(({ llmFilter }) => llmFilter !== undefined);
    return hasFilter ? this.#parts.stateMachine.topologyRevision : 0;
  }

  /** @param providers - who was chosen for each need */
  #shown(agent: StoredAgent, needs: readonly Need[], providers: readonly (FoundAgent | null)[]): Resolutions {
    const dependencies: ResolvedDependency[] = [];
    const llmProviders: ResolvedLlmProvider[] = [];
    for (const [slot, { of, dependency, isForModel }] of needs.entries()) {
      const { functionName, llmProvider } = of;
      const provider = providers[slot] ?? null;
      if (!isForModel) dependencies.push({ functionName, dependency, provider });
      else llmProviders.push({ functionName, llmProvider: llmProvider!, provider });
    }
    return { dependencies, tools: this.#toolsOf(agent), llmProviders };
  }

  #toolsOf(agent: StoredAgent): readonly ResolvedTools[] {
    const { index } = this.#parts.stateMachine;
    const budget = { stepsLeft: LLM_STEPS_MAX };
    return agent.record.capabilities.flatMap(({ functionName, llmFilter }) => {
      const tools = llmFilter && findLlmTools(llmFilter, { index, requester: agent.id }, budget);
      return tools === undefined ? [] : [{ functionName, llmFilter: llmFilter!, tools }];
    });
  }

  #follow(before: KeptAgent | undefined, after: KeptAgent | undefined): void {
    if (before !== undefined && before.incarnation !== after?.incarnation) this.#told.delete(before.incarnation);
    this.#returns.follow(before, after);
  }

  #forgetWhenOthersChanged(): void {
    const changes = this.#parts.remote.changes();
    if (changes === this.#remoteChanges) return;
    this.#remoteChanges = changes;
    this.#availability.forget();
    // Only where something requires something can another region decide who is available here.
    if (this.#parts.stateMachine.index.dependencies.size > 0) this.#epoch++;
  }
}

interface Chosen {
  readonly provider: FoundAgent | null;
  readonly changedAt: number;
  readonly epoch: number;
}

function providersOf(choices: readonly Choice[]): readonly (FoundAgent | null)[] {
  return choices.map(({ provider }) => provider);
}

const llmDependencies = new WeakMap<JsonObject, Dependency | null>();

/** The same one each time, so that what was chosen for it can be kept. */
function llmDependencyOf(llmProvider: JsonObject): Dependency | null {
  let dependency = llmDependencies.get(llmProvider);
  if (dependency === undefined) {
    dependency = llmDependency(llmProvider) ?? null;
    llmDependencies.set(llmProvider, dependency);
  }
  return dependency;
}

function hasNeeds({ record }: StoredAgent): boolean {
  return record.capabilities.some(
    ({ dependencies, llmProvider }) => dependencies.length > 0 || Boolean(llmProvider && llmDependencyOf(llmProvider)),
  );
}

/** Everything that is chosen one provider for, in the order of declaration. */
function needsOf({ record }: StoredAgent): readonly Need[] {
  const budget = { stepsLeft: SCHEMA_TEST_STEPS_MAX };
  return record.capabilities.flatMap((capability) => [...needsOfCapability(capability, budget)]);
}

/** The dependencies of a function, then its LLM provider. */
function* needsOfCapability(of: Capability, budget: StepBudget): Iterable<Need> {
  for (const dependency of of.dependencies) {
    yield { of, dependency, fits: schemaTest(dependency, budget), isForModel: false };
  }
  const dependency = of.llmProvider && llmDependencyOf(of.llmProvider);
  if (dependency) yield { of, dependency, fits: hasInputSchema, isForModel: true };
}

function queryOf({ capability, tags, version, ...expected }: Dependency): RegionQuery {
  const { matchMode, expectedSchemaHash, expectedSchemaCanonical } = expected;
  const schema = {
    ...(matchMode !== undefined && { matchMode }),
    ...(expectedSchemaHash !== undefined && { expectedSchemaHash }),
    ...(expectedSchemaCanonical !== undefined && { expectedSchemaCanonical }),
  };
  return {
    capability,
    tags,
    version,
    health: "healthy",
    limit: ABROAD_MAX,
    ...(matchMode !== undefined && { schema }),
  };
}

/** Names what an agent is told of a provider: another text, another answer. */
function keyOf(provider: FoundAgent | null): string {
  if (provider === null) return "";
  const { region, id, functionName, endpoint, kwargs } = provider;
  return `${region} ${id} ${functionName} ${endpoint} ${kwargs === undefined ? "" : JSON.stringify(kwargs)}`;
}
