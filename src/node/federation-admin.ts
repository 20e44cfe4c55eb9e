/** Operators' changes of how this region stands to the others: asked of any node, recorded by its log for all. */

import { ClusterError } from "../api/cluster-error.ts";
import type { FederationAdmin } from "../api/ports.ts";
import { toHex } from "../federation/key-succession.ts";
import type { RegionId } from "../types/ids.ts";
import type { RegionKeyKeeper } from "./region-key-keeper.ts";

export interface NodeFederationAdminParts {
  readonly region: RegionId;
  /** Present once the region is founded. */
  readonly keyKeeper: () => RegionKeyKeeper | undefined;
}

export class NodeFederationAdmin implements FederationAdmin {
  readonly #parts: NodeFederationAdminParts;

  constructor(parts: NodeFederationAdminParts) {
    this.#parts = parts;
  }

  async rotateKey(): Promise<{ region: string; publicKey: string }> {
    const { region, keyKeeper } = this.#parts;
    const keeper = keyKeeper();
    if (keeper === undefined) throw new ClusterError("the region is not founded yet", { code: "REGION_KEY_MISSING" });
    return { region, publicKey: toHex(await keeper.rotate()) };
  }
}
