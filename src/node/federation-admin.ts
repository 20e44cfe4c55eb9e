/** Operators' changes of how this region stands to the others: asked of any node, recorded by its log for all. */

import { ClusterError, type ClusterErrorDetail } from "../api/cluster-error.ts";
import type { FederationAdmin, RegionName } from "../api/ports.ts";
import type { Federation } from "../federation/federation.ts";
import { toHex } from "../federation/key-succession.ts";
import { RegistryError } from "../registry/errors.ts";
import type { RegistryService } from "../registry/registry-service.ts";
import type { RegistryStateMachine } from "../registry/registry-state-machine.ts";
import { originOf } from "../types/cluster-id.ts";
import { asClusterId, asRegionId, type RegionId } from "../types/ids.ts";
import type { RegionKeyKeeper } from "./region-key-keeper.ts";

export interface NodeFederationAdminParts {
  readonly region: RegionId;
  readonly registry: Pick<RegistryService, "retireRegion" | "admitRegion" | "setFarewell">;
  readonly stateMachine: Pick<RegistryStateMachine, "farewell" | "keySuccessions" | "retirements">;
  /** Both present once the region is founded. */
  readonly keyKeeper: () => Pick<RegionKeyKeeper, "rotate" | "farewell"> | undefined;
  readonly federation: () => Pick<Federation, "standingOf"> | undefined;
}

export class NodeFederationAdmin implements FederationAdmin {
  readonly #parts: NodeFederationAdminParts;

  constructor(parts: NodeFederationAdminParts) {
    this.#parts = parts;
  }

  async rotateKey(): Promise<{ region: string; publicKey: string }> {
    const { region, stateMachine } = this.#parts;
    // The farewell is signed with the key that there is: with another one, nobody could follow it any more.
    if (stateMachine.farewell !== undefined) throw refusal({ code: "REGION_RETIRED", region });
    return { region, publicKey: toHex(await this.#keeper().rotate()) };
  }

  async retire(name: string): Promise<RegionName> {
    const region = asRegionId(name);
    if (region === this.#parts.region) throw refusal({ code: "REGION_IS_OWN", region });
    const standing = this.#parts.federation()?.standingOf(region);
    if (standing === undefined) {
      const known = this.#parts.stateMachine.retirements.findLast((gone) => gone.region === region);
      if (known !== undefined) return { region, cluster: known.cluster };
      throw new RegistryError(`no region ${region} is known here`, { code: "UNKNOWN_REGION", region });
    }
    const { publicKey } = standing;
    const cluster = standing.cluster === "" ? "" : originOf(asClusterId(standing.cluster));
    await this.#parts.registry.retireRegion({ region, cluster, publicKey });
    return { region, cluster };
  }

  async admit(name: string): Promise<{ region: string }> {
    const region = asRegionId(name);
    const isAdmitted = await this.#parts.registry.admitRegion(region);
    if (!isAdmitted) throw refusal({ code: "REGION_NOT_RETIRED", region });
    return { region };
  }

  async retireSelf(): Promise<RegionName> {
    const { region, registry, stateMachine } = this.#parts;
    await registry.setFarewell(this.#keeper().farewell(stateMachine.keySuccessions));
    return { region, cluster: stateMachine.farewell?.cluster ?? "" };
  }

  #keeper(): Pick<RegionKeyKeeper, "rotate" | "farewell"> {
    const keeper = this.#parts.keyKeeper();
    if (keeper === undefined) throw refusal({ code: "REGION_KEY_MISSING" });
    return keeper;
  }
}

function refusal(detail: ClusterErrorDetail): ClusterError {
  return new ClusterError("how this region stands to others was not changed", detail);
}
