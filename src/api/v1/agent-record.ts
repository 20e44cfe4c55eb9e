/** An agent as the native face takes it and shows it. */

import { type Static, Type } from "typebox";
import type { ListedAgent, RegisterOutcome } from "../../registry/interface.ts";
import type { AgentRecord, Capability, Dependency } from "../../types/agent.ts";
import type { AgentId, RegionId } from "../../types/ids.ts";
import {
  AgentIdText,
  AgentTypeName,
  AnyObject,
  Count,
  HealthName,
  Milliseconds,
  Name,
  Prose,
  RuntimeName,
  Shown,
  StringMap,
  Strings,
  Text,
  WallTime,
} from "../schemas.ts";
import { wholeMs } from "../whole-ms.ts";

const NAME_LENGTH_MAX = 253;
const VERSION_LENGTH_MAX = 128;
const TAG_LENGTH_MAX = 128;
const DESCRIPTION_LENGTH_MAX = 1_024;
/** Tools are described to language models, at length. */
const CAPABILITY_DESCRIPTION_LENGTH_MAX = 8_192;

export const CapabilityName = Name(NAME_LENGTH_MAX, "What lookups ask for; case-sensitive.");
export const Endpoint = Type.String({
  minLength: 1,
  maxLength: 2_048,
  format: "uri",
  description: "An absolute URL.",
  examples: ["http://weather.example:8080"],
});
const Tag = Name(TAG_LENGTH_MAX);
const Version = Text(VERSION_LENGTH_MAX);
const Labels = Type.Unsafe<Record<string, string>>({
  type: "object",
  maxProperties: 64,
  propertyNames: { pattern: "^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$", maxLength: 128 },
  additionalProperties: Text(NAME_LENGTH_MAX),
});
const Metadata = Type.Unsafe<AgentRecord["metadata"]>({ ...AnyObject, maxProperties: 128 });
const TagConstraints = Type.Array(Type.Union([Tag, Type.Array(Tag, { maxItems: 32 })]), {
  maxItems: 64,
  description: "t required, +t preferred, -t forbidden; a nested list is an OR group.",
});

const DependencyInput = Type.Object(
  {
    capability: CapabilityName,
    tags: Type.Optional(TagConstraints),
    version: Type.Optional(Text(VERSION_LENGTH_MAX, "A version constraint; empty means any.")),
    required: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);

const CapabilityInput = Type.Object(
  {
    name: CapabilityName,
    functionName: Type.Optional(Name(NAME_LENGTH_MAX, "What is called; the capability's name when absent.")),
    version: Type.Optional(Text(VERSION_LENGTH_MAX, "1.0.0 when absent or empty.")),
    tags: Type.Optional(Type.Array(Tag, { maxItems: 64 })),
    description: Type.Optional(Prose(CAPABILITY_DESCRIPTION_LENGTH_MAX)),
    dependencies: Type.Optional(Type.Array(DependencyInput, { maxItems: 64 })),
    inputSchema: Type.Optional(AnyObject),
    outputSchema: Type.Optional(AnyObject),
    kwargs: Type.Optional(AnyObject),
  },
  { additionalProperties: false },
);

/** Body of `PUT /v1/agents/{id}`. Unknown fields are refused: a misspelt one must not be lost in silence. */
export const AgentInput = Type.Object(
  {
    name: Type.Optional(Name(NAME_LENGTH_MAX, "The id when absent. Agents may share a name.")),
    endpoint: Endpoint,
    capabilities: Type.Array(Type.Union([CapabilityName, CapabilityInput]), { maxItems: 256 }),
    namespace: Type.Optional(Name(63)),
    type: Type.Optional(AgentTypeName),
    runtime: Type.Optional(RuntimeName),
    version: Type.Optional(Version),
    description: Type.Optional(Prose(DESCRIPTION_LENGTH_MAX)),
    zone: Type.Optional(Name(63)),
    labels: Type.Optional(Labels),
    metadata: Type.Optional(Metadata),
    leaseMs: Type.Optional(
      Type.Integer({ minimum: 1_000, maximum: 86_400_000, description: "Lifetime without renewal, in milliseconds." }),
    ),
  },
  { additionalProperties: false },
);

/** A registration with everything that its sender left out. */
export function toRecord(id: AgentId, input: Static<typeof AgentInput>, defaultLeaseMs: number): AgentRecord {
  const { description, zone } = input;
  return {
    name: input.name ?? id,
    namespace: input.namespace ?? "default",
    type: input.type ?? "mcp_agent",
    runtime: input.runtime ?? "python",
    version: input.version ?? "",
    endpoint: input.endpoint,
    labels: input.labels ?? {},
    metadata: input.metadata ?? {},
    capabilities: input.capabilities.map(toCapability),
    leaseMs: input.leaseMs ?? defaultLeaseMs,
    ...(description === undefined ? {} : { description }),
    ...(zone === undefined ? {} : { zone }),
  };
}

/** A capability from its name alone, or from as much as its agent says. */
export function toCapability(input: string | Static<typeof CapabilityInput>): Capability {
  if (typeof input === "string") {
    return { name: input, functionName: input, version: "1.0.0", tags: [], dependencies: [] };
  }
  const { name, functionName, version, tags, dependencies, ...rest } = input;
  return {
    ...rest,
    name,
    functionName: functionName ?? name,
    version: version || "1.0.0",
    tags: tags ?? [],
    dependencies: (dependencies ?? []).map(toDependency),
  };
}

function toDependency(input: Static<typeof DependencyInput>): Dependency {
  const { capability, tags = [], version = "", required = false } = input;
  return { capability, tags, version, required };
}

/** What a registration is answered with. */
export const RegistrationAnswer = Type.Object({
  id: AgentIdText,
  region: Type.String(),
  incarnation: Type.Integer({ description: "Names this lease; renewals may quote it." }),
  revision: Count,
  change: Type.Unsafe<RegisterOutcome["change"]>({
    type: "string",
    enum: ["created", "recovered", "updated", "unchanged"],
  }),
  leaseMs: Milliseconds,
  renewInMs: Type.Integer({ minimum: 0, description: "When to renew for the first time." }),
});

export function registrationAnswer(region: RegionId, { agent, change, renewInMs }: RegisterOutcome) {
  const { id, incarnation, revision, record } = agent;
  return { id, region, incarnation, revision, change, leaseMs: record.leaseMs, renewInMs };
}

const ShownDependency = Type.Object({
  capability: Type.String(),
  // The array first: the serializer takes whatever has a toString for a string.
  tags: Type.Array(Type.Unsafe<string | readonly string[]>({ type: ["array", "string"], items: { type: "string" } })),
  version: Type.String(),
  required: Type.Boolean(),
});

const ShownCapability = Shown<Capability>(
  Type.Object({
    name: Type.String(),
    functionName: Type.String(),
    version: Type.String(),
    tags: Strings,
    description: Type.Optional(Type.String()),
    dependencies: Type.Array(ShownDependency),
    inputSchema: Type.Optional(AnyObject),
    outputSchema: Type.Optional(AnyObject),
    kwargs: Type.Optional(AnyObject),
  }),
);

export const ShownAgent = Type.Object({
  id: Type.String(),
  region: Type.String(),
  name: Type.String(),
  namespace: Type.String(),
  type: AgentTypeName,
  runtime: RuntimeName,
  version: Type.String(),
  endpoint: Type.String(),
  description: Type.Optional(Type.String()),
  zone: Type.Optional(Type.String()),
  labels: StringMap,
  metadata: AnyObject,
  capabilities: Shown<readonly Capability[]>(Type.Array(ShownCapability)),
  leaseMs: Milliseconds,
  health: HealthName,
  unhealthyReason: Type.Optional(
    Type.Unsafe<"lease-expired" | "deregistered">({ type: "string", enum: ["lease-expired", "deregistered"] }),
  ),
  incarnation: Count,
  revision: Count,
  registeredAtMs: WallTime,
  changedAtMs: WallTime,
  lastSeenMs: WallTime,
});

export function showAgent(region: RegionId, { id, record, unhealthyReason, ...state }: ListedAgent) {
  const { health, incarnation, revision, registeredAtMs, changedAtMs, lastSeenMs } = state;
  return {
    ...record,
    id,
    region,
    health,
    incarnation,
    revision,
    registeredAtMs,
    changedAtMs,
    lastSeenMs: wholeMs(lastSeenMs),
    ...(unhealthyReason === undefined ? {} : { unhealthyReason }),
  };
}
