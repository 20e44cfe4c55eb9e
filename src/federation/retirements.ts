/**
 * The clusters that are gone for good, so that nothing of them comes back (P10): those whose regions said farewell, as this
 * node heard it, and those that this region's operators had it forget.
 *
 * Elsewhere: whether a farewell is believed (`region-trust.ts`).
 */

import type { NodeFacts } from "../storage/interface.ts";
import { originOf } from "../types/cluster-id.ts";
import type { ClusterId, RegionId } from "../types/ids.ts";
import { FAREWELLS_MAX, type Farewell } from "../types/region-standing.ts";
import type { LocalRegion } from "./interface.ts";
import { encode, readFarewells } from "./wire.ts";

/** The name under which farewells lie among the node's facts. */
export const FAREWELLS_FACT = "federation/farewells";

export class Retirements {
  readonly #facts: NodeFacts;
  readonly #local: Pick<LocalRegion, "retirements" | "farewell">;
  /** Oldest first. */
  #heard: readonly Farewell[];

  constructor(facts: NodeFacts, local: Pick<LocalRegion, "retirements" | "farewell">) {
    this.#facts = facts;
    this.#local = local;
    const kept = facts.get(FAREWELLS_FACT);
    this.#heard = kept === undefined ? [] : readFarewells(kept);
  }

  /** Whether any cluster of that name is gone. */
  hasName(region: RegionId): boolean {
    return this.#some((gone) => gone.region === region);
  }

  has(region: RegionId, cluster: ClusterId): boolean {
    // Asked of every link at every lookup: the origin is looked for only where the name is gone.
    return this.#some((gone) => gone.region === region && gone.cluster === originOf(cluster));
  }

  /** Whether the key, in hex, is or was that of a cluster which is gone. */
  hasKey(region: RegionId, key: string): boolean {
    const isKeyOf = ({ publicKey, successions }: Farewell) =>
      publicKey === key || successions.some(({ previous }) => previous === key);
    return (
      this.#heard.some((farewell) => farewell.region === region && isKeyOf(farewell)) ||
      this.#local.retirements().some((gone) => gone.region === region && gone.publicKey === key)
    );
  }

  /** Resolves when it is on disk. Beyond a bound the oldest is forgotten. */
  async keep(farewell: Farewell): Promise<void> {
    this.#heard = [...this.#heard, farewell].slice(-FAREWELLS_MAX);
    await this.#facts.put(FAREWELLS_FACT, encode(this.#heard));
  }

  /** What is passed on to other regions, this region's own farewell included. */
  toTell(): readonly Farewell[] {
    const own = this.#local.farewell();
    return own === undefined ? this.#heard : [...this.#heard.slice(1 - FAREWELLS_MAX), own];
  }

  #some(test: (gone: { readonly region: RegionId; readonly cluster: string }) => boolean): boolean {
    return this.#heard.some(test) || this.#local.retirements().some(test);
  }
}
