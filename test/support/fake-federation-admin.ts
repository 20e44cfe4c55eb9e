/** How a region stands to others, as the HTTP faces change it: answers what it is told to, and keeps what it was asked. */

import { ClusterError, type ClusterErrorDetail } from "../../src/api/cluster-error.ts";
import type { FederationAdmin, RegionName } from "../../src/api/ports.ts";

export class FakeFederationAdmin implements FederationAdmin {
  publicKey = "ab".repeat(32);
  /** Why every change is refused from now on. */
  refusal: ClusterErrorDetail | undefined;
  readonly asked: (readonly unknown[])[] = [];

  async rotateKey(): Promise<{ region: string; publicKey: string }> {
    this.#note("rotate");
    return { region: "us-east", publicKey: this.publicKey };
  }

  async retire(region: string): Promise<RegionName> {
    this.#note("retire", region);
    return { region, cluster: "c1" };
  }

  async admit(region: string): Promise<{ region: string }> {
    this.#note("admit", region);
    return { region };
  }

  async retireSelf(): Promise<RegionName> {
    this.#note("retire self");
    return { region: "us-east", cluster: "c0" };
  }

  #note(...asked: readonly unknown[]): void {
    this.asked.push(asked);
    if (this.refusal !== undefined) throw new ClusterError("nothing was changed", this.refusal);
  }
}
