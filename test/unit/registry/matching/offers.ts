/** Offers as an index would hold them, without one. */

import { compareOffers, type Offer } from "../../../../src/registry/matching/resolve.ts";
import { parseVersion } from "../../../../src/registry/matching/version-constraint.ts";
import type { AgentRecord, Capability, Dependency, StoredAgent } from "../../../../src/types/agent.ts";
import { asAgentId, asRegionId } from "../../../../src/types/ids.ts";

const REGION = asRegionId("us-east");

export interface OfferFields extends Partial<Omit<Capability, "dependencies">> {
  readonly health?: StoredAgent["health"];
  readonly endpoint?: string;
  readonly dependencies?: readonly Dependency[];
}

/** @param name - `agent:function`, or the agent alone, whose function is then `f` */
export function anOffer(name: string, capabilityName: string, fields: OfferFields = {}): Offer {
  const [id = "", functionName = "f"] = name.split(":");
  const { health = "healthy", endpoint = `http://${id}:8080`, ...rest } = fields;
  const capability: Capability = {
    name: capabilityName,
    functionName,
    version: "1.0.0",
    tags: [],
    dependencies: [],
    ...rest,
  };
  const record: AgentRecord = {
    name: id,
    namespace: "default",
    type: "mcp_agent",
    runtime: "python",
    version: "",
    endpoint,
    labels: {},
    metadata: {},
    capabilities: [capability],
    leaseMs: 20_000,
  };
  const agentId = asAgentId(id);
  const agent: StoredAgent = {
    id: agentId,
    record,
    incarnation: 1,
    health,
    revision: 1,
    registeredAtMs: 0,
    changedAtMs: 0,
  };
  const { version, tags, description, kwargs } = capability;
  return {
    agent,
    capability,
    version: parseVersion(version),
    found: {
      id: agentId,
      name: id,
      namespace: "default",
      type: "mcp_agent",
      runtime: "python",
      endpoint,
      labels: {},
      metadata: {},
      region: REGION,
      capability: capabilityName,
      functionName,
      version,
      tags,
      ...(description !== undefined && { description }),
      ...(kwargs !== undefined && { kwargs }),
      health,
      revision: 1,
      registeredAtMs: 0,
      score: 0,
    },
  };
}

export function aDependency(capability: string, fields: Partial<Dependency> = {}): Dependency {
  return { capability, tags: [], version: "", required: false, ...fields };
}

export function requires(capability: string, fields: Partial<Dependency> = {}): Dependency {
  return aDependency(capability, { required: true, ...fields });
}

/** Offers by capability, each in the order of `compareOffers`. */
export class OfferBook {
  readonly #offers = new Map<string, Offer[]>();

  constructor(offers: Iterable<Offer> = []) {
    for (const offer of offers) this.add(offer);
    for (const held of this.#offers.values()) held.sort(compareOffers);
  }

  add(offer: Offer): void {
    const { name } = offer.capability;
    const held = this.#offers.get(name) ?? [];
    held.push(offer);
    this.#offers.set(name, held);
  }

  readonly offersOf = (capability: string): readonly Offer[] => this.#offers.get(capability) ?? [];

  capabilityNames(): Iterable<string> {
    return this.#offers.keys();
  }
}
