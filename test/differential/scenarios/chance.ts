/**
 * Agents that come, change and go by chance, from fixed seeds: what no story has thought of.
 *
 * Few names, so that they meet; no agent has two functions that suit equally, since that has a story of its own.
 */

import { type Random, seededRandom } from "../../../src/util/random.ts";
import type { RegistryPair } from "../registry-pair.ts";
import type { Scenario } from "../scenario.ts";

const SEEDS = [1, 2, 3, 4];
const STEPS = 60;
const AGENTS = 7;
const CAPABILITIES = 5;
const VERSIONS = ["1.0.0", "1.2.0", "2.0.0", "2.1.0-rc.1", "v3", "odd"];
const CONSTRAINTS = ["", "", "", "^1", ">=2", "*", ">=2.0.0-0", "odd", "!=1.0.0"];
const TAGS = ["eu", "us", "fast", "slow"];
const MODES = ["", "", "strict", "subset"];
const SCHEMAS = [{}, { type: "string" }, { type: "object", properties: { a: {} }, required: ["a"] }];
/** Of ten steps, so many are an agent that leaves. */
const LEAVING = 2;

export const chance: readonly Scenario[] = SEEDS.map((seed) => ({
  name: `seed ${seed}`,
  run: (pair) => new Chance(seed, pair).run(),
}));

class Chance {
  readonly #seed: number;
  readonly #pair: RegistryPair;
  readonly #random: Random;

  constructor(seed: number, pair: RegistryPair) {
    this.#seed = seed;
    this.#pair = pair;
    this.#random = seededRandom(seed);
  }

  async run(): Promise<void> {
    for (let step = 0; step < STEPS; step++) {
      const id = this.#name("agent", AGENTS);
      if (this.#below(10) < LEAVING) await this.#pair.leave(id);
      else await this.#beat(id);
      if (step % 10 === 9) await this.#list();
    }
  }

  async #beat(id: string): Promise<void> {
    const body = JSON.stringify(this.#heartbeat(id));
    // Of several cycles each names one.
    await this.#pair.send({ method: "POST", path: "/heartbeat", body }, {}, ["message"]);
  }

  async #list(): Promise<void> {
    // Whom their dependencies went to was compared when they were told. Of several that are missing each names one.
    const leftOut = ["dependencies_resolved", "dependency_resolutions", "unavailable_reason", "details.reason"];
    await this.#pair.get(`/agents?namespace=chance-${this.#seed}`, {}, leftOut);
    const id = this.#name("agent", AGENTS);
    for (const type of ["dependency_resolved", "dependency_unresolved"]) {
      await this.#pair.get(`/events?agent_id=${id}&type=${type}`, {}, leftOut);
    }
  }

  #heartbeat(id: string): object {
    const port = 8_000 + this.#below(2);
    return {
      agent_id: id,
      namespace: `chance-${this.#seed}`,
      http_host: "10.0.0.7",
      http_port: port,
      tools: this.#tools(),
    };
  }

  #tools(): object[] {
    const offered = this.#some(CAPABILITIES, (index) => `chance-${this.#seed}-${index}`);
    return offered.map((capability) => ({
      function_name: `do_${capability}`,
      capability,
      version: this.#oneOf(VERSIONS),
      tags: TAGS.filter(() => this.#below(2) === 0),
      ...this.#schema("outputSchemaCanonical", "outputSchemaHash"),
      dependencies: this.#some(2, () => this.#dependency()),
    }));
  }

  #dependency(): object {
    const matchMode = this.#oneOf(MODES);
    return {
      capability: this.#name("", CAPABILITIES + 1),
      version: this.#oneOf(CONSTRAINTS),
      tags: this.#some(2, () => this.#tagConstraint()),
      required: this.#below(3) === 0,
      ...(matchMode === "" ? {} : { matchMode, ...this.#schema("expectedSchemaCanonical", "expectedSchemaHash") }),
    };
  }

  #tagConstraint(): string | string[] {
    const one = () => this.#oneOf(["", "", "+", "-"]) + this.#oneOf(TAGS);
    return this.#below(4) === 0 ? this.#some(3, one) : one();
  }

  #schema(schemaName: string, hashName: string): object {
    const index = this.#below(SCHEMAS.length + 1);
    const schema = SCHEMAS[index];
    return schema === undefined ? {} : { [schemaName]: schema, [hashName]: `sha256:${`${index}`.repeat(64)}` };
  }

  #name(kind: string, count: number): string {
    return `chance-${this.#seed}-${kind}${this.#below(count)}`;
  }

  /** None to all of `count`, each at most once. */
  #some<Item>(count: number, make: (index: number) => Item): Item[] {
    return Array.from({ length: count }, (_, index) => index)
      .filter(() => this.#below(2) === 0)
      .map(make);
  }

  #oneOf<Item>(items: readonly Item[]): Item {
    return items[this.#below(items.length)]!;
  }

  #below(count: number): number {
    return Math.floor(this.#random.next() * count);
  }
}
