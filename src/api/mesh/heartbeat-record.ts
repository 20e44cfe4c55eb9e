/**
 * From a heartbeat to an agent's record: defaults on first registration, merging afterwards (contract A2).
 *
 * Pure. What the contract calls a semantic refusal comes back as text, since it is answered with 200.
 */

import type {
  AgentRecord,
  AgentRuntime,
  AgentType,
  Capability,
  Dependency,
  JsonObject,
  Surface,
} from "../../types/agent.ts";
import type { Heartbeat, SurfaceOfAgent, Tool, ToolDependency } from "./heartbeat-body.ts";

/** A record to register, or why there is none. */
export type Translation =
  | { readonly record: AgentRecord; readonly warnings: readonly string[] }
  | { readonly refusal: string };

const NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;
const NAME_RULE = "must consist of lower case letters, digits and '-', and start and end with a letter or digit";
const AGENT_ID_LENGTH_MAX = 253;
const NAME_LENGTH_MAX = 63;
const DESCRIPTION_LENGTH_MAX = 256;
const PORT_MAX = 65_535;
const SCHEMA_HASH = /^sha256:[0-9a-f]{64}$/;
/** Hosts are put into a URL as they are, so nothing that ends a host may be in them. */
const HOST = /^[^\s/?#@\\\p{Cc}]{1,253}$/u;

const HTTP_ENDPOINT = /^(https?):\/\/([^/?#]+?)(?::(\d+))?(?:[/?#]|$)/;
const DEFAULT_PORTS: Readonly<Record<string, number>> = { http: 80, https: 443 };

const AGENT_TYPES: readonly string[] = ["mcp_agent", "api", "a2a", "mesh_tool", "decorator_agent"];
const RUNTIMES: readonly string[] = ["python", "typescript", "java"];
const MATCH_MODES: readonly string[] = ["subset", "strict"];

/**
 * @param held - the record the agent has, if it is known: what the heartbeat does not say stays as it is
 * @param leaseMs - lifetime without a heartbeat, in milliseconds
 * @param hasEntity - its certificate names an entity, so that it serves TLS itself (contract A2)
 */
export function translate(
  heartbeat: Heartbeat,
  held: AgentRecord | undefined,
  leaseMs: number,
  hasEntity = false,
): Translation {
  const fault = held === undefined ? findBadName(heartbeat) : findOverlongName(heartbeat);
  const reason = fault ?? findBadValue(heartbeat);
  if (reason !== undefined) return { refusal: `validation failed: ${reason}` };

  const { description, warnings } = shorten(heartbeat.description);
  const a2aProducer = heartbeat.a2a_producer ?? held?.a2aProducer;
  const a2aConsumer = heartbeat.a2a_consumer ?? held?.a2aConsumer;
  const surfaces = heartbeat.surfaces?.flatMap(toSurface) ?? held?.surfaces;
  const shownDescription = description ?? held?.description;
  const record: AgentRecord = {
    name: unless(heartbeat.agent_id, heartbeat.name) ?? held?.name ?? heartbeat.agent_id,
    namespace: unless("default", heartbeat.namespace) ?? held?.namespace ?? "default",
    type: unless<AgentType>("mcp_agent", heartbeat.agent_type as AgentType) ?? held?.type ?? "mcp_agent",
    runtime: unless<AgentRuntime>("python", heartbeat.runtime as AgentRuntime) ?? held?.runtime ?? "python",
    version: unless("", heartbeat.version) ?? held?.version ?? "",
    endpoint: endpointOf(heartbeat, held, hasEntity),
    labels: held?.labels ?? {},
    metadata: held?.metadata ?? {},
    // All of them each time, also when it is silent about tools: an agent that lost its last one sends no list.
    capabilities: (heartbeat.tools ?? []).flatMap(toCapability),
    leaseMs,
    ...(held?.zone === undefined ? {} : { zone: held.zone }),
    ...(shownDescription === undefined ? {} : { description: shownDescription }),
    ...(a2aProducer === undefined ? {} : { a2aProducer }),
    ...(a2aConsumer === undefined ? {} : { a2aConsumer }),
    ...(surfaces === undefined ? {} : { surfaces }),
  };
  return { record, warnings };
}

/** A value equal to the default can not be told from one that was left out, so it does not overwrite (contract A2). */
function unless<Value extends string>(defaultValue: Value, value: Value | undefined): Value | undefined {
  return value === defaultValue || value === "" ? undefined : value;
}

/** The format of names, looked at only when an agent is new. */
function findBadName({ agent_id, name, namespace }: Heartbeat): string | undefined {
  return (
    judgeName("agent_id", agent_id, AGENT_ID_LENGTH_MAX) ??
    judgeName("name", name ?? agent_id, NAME_LENGTH_MAX) ??
    judgeName("namespace", namespace ?? "default", NAME_LENGTH_MAX)
  );
}

/** A known agent's names are not judged again, but they stay bounded. */
function findOverlongName({ name = "", namespace = "" }: Heartbeat): string | undefined {
  if (name.length > AGENT_ID_LENGTH_MAX) return `name: must be at most ${AGENT_ID_LENGTH_MAX} characters`;
  if (namespace.length > AGENT_ID_LENGTH_MAX) return `namespace: must be at most ${AGENT_ID_LENGTH_MAX} characters`;
  return undefined;
}

function judgeName(field: string, value: string, lengthMax: number): string | undefined {
  if (value === "") return `${field}: must not be empty`;
  if (value.length > lengthMax) return `${field}: must be at most ${lengthMax} characters`;
  return NAME.test(value) ? undefined : `${field}: ${NAME_RULE}`;
}

function findBadValue({
  agent_type,
  runtime,
  http_host = "",
  http_port = 0,
  tools = [],
}: Heartbeat): string | undefined {
  if (http_host !== "" && !HOST.test(http_host)) return "http_host: is not a host name or address";
  if (http_port > PORT_MAX) return `http_port: must be at most ${PORT_MAX}`;
  return (
    judgeOneOf("agent_type", agent_type, AGENT_TYPES) ??
    judgeOneOf("runtime", runtime, RUNTIMES) ??
    first(tools, ({ dependencies = [] }, tool) =>
      first(dependencies, ({ matchMode }, index) =>
        judgeOneOf(`tools[${tool}].dependencies[${index}].matchMode`, matchMode || undefined, MATCH_MODES),
      ),
    )
  );
}

function judgeOneOf(field: string, value: string | undefined, allowed: readonly string[]): string | undefined {
  if (value === undefined || allowed.includes(value)) return undefined;
  return `${field}: must be one of ${allowed.join(", ")}`;
}

function first<Item>(
  items: readonly Item[],
  judge: (item: Item, index: number) => string | undefined,
): string | undefined {
  for (const [index, item] of items.entries()) {
    const fault = judge(item, index);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Counts characters, not UTF-16 units: a cut must not halve an emoji. */
function shorten(description: string | undefined): { description?: string; warnings: string[] } {
  if (description === undefined) return { warnings: [] };
  const characters = [...description.trim()];
  if (characters.length <= DESCRIPTION_LENGTH_MAX) return { description: characters.join(""), warnings: [] };
  return {
    description: characters.slice(0, DESCRIPTION_LENGTH_MAX).join(""),
    warnings: [`description truncated from ${characters.length} to ${DESCRIPTION_LENGTH_MAX} chars`],
  };
}

/** An empty host, or a port that is none, is as good as left out: it does not take the address of a known agent away. */
function endpointOf(
  { agent_id, http_host, http_port = 0 }: Heartbeat,
  held: AgentRecord | undefined,
  hasEntity: boolean,
): string {
  if (!http_host && http_port <= 0) return held?.endpoint ?? `stdio://${agent_id}`;
  const known = hostAndPort(held?.endpoint);
  const host = http_host || known.host;
  const port = http_port > 0 ? http_port : known.port;
  if (host === "" || port === 0) return `stdio://${agent_id}`;
  const isBareIPv6 = host.includes(":") && !host.startsWith("[");
  return `${hasEntity ? "https" : "http"}://${isBareIPv6 ? `[${host}]` : host}:${port}`;
}

/** Host and port as they were written, which a parsed URL would not keep. */
function hostAndPort(endpoint = ""): { host: string; port: number } {
  const [, scheme, host = "", port] = HTTP_ENDPOINT.exec(endpoint) ?? [];
  if (scheme === undefined) return { host: "", port: 0 };
  return { host, port: port === undefined ? DEFAULT_PORTS[scheme]! : Number(port) };
}

/** A surface without a path or a skill can not be reached, and is left out. */
function toSurface(surface: SurfaceOfAgent): Surface[] {
  const { path, skill_id, name, description, input_modes, output_modes, tags } = surface;
  if (!path || !skill_id) return [];
  return [
    {
      path,
      skillId: skill_id,
      ...(name === undefined ? {} : { name }),
      ...(description === undefined ? {} : { description }),
      ...(input_modes === undefined ? {} : { inputModes: input_modes }),
      ...(output_modes === undefined ? {} : { outputModes: output_modes }),
      ...(tags === undefined ? {} : { tags }),
    },
  ];
}

/** A tool without a function name or a capability offers nothing that could be found, and is left out. */
function toCapability(tool: Tool): Capability[] {
  const { function_name, capability, description, inputSchema, outputSchema, schemaWarnings } = tool;
  if (!function_name || !capability) return [];
  return [
    {
      name: capability,
      functionName: function_name,
      version: tool.version || "1.0.0",
      tags: tool.tags ?? [],
      dependencies: (tool.dependencies ?? []).map(toDependency),
      ...(description === undefined ? {} : { description }),
      ...(inputSchema === undefined ? {} : { inputSchema }),
      ...(outputSchema === undefined ? {} : { outputSchema }),
      ...pair("inputSchemaCanonical", tool.inputSchemaCanonical, "inputSchemaHash", tool.inputSchemaHash),
      ...pair("outputSchemaCanonical", tool.outputSchemaCanonical, "outputSchemaHash", tool.outputSchemaHash),
      ...(schemaWarnings === undefined ? {} : { schemaWarnings }),
      ...(tool.llm_filter === undefined ? {} : { llmFilter: tool.llm_filter }),
      ...(tool.llm_provider === undefined ? {} : { llmProvider: tool.llm_provider }),
      ...(tool.kwargs === undefined ? {} : { kwargs: tool.kwargs }),
    },
  ];
}

/** What is expected of a provider's schema may be said by either half: the hash is enough for `strict`, the schema for `subset`. */
function toDependency(dependency: ToolDependency): Dependency {
  const { capability = "", tags = [], version = "", required = false, matchMode } = dependency;
  const { expectedSchemaCanonical, expectedSchemaHash } = dependency;
  return {
    capability,
    tags,
    version,
    required,
    ...(isJsonObject(expectedSchemaCanonical) ? { expectedSchemaCanonical } : {}),
    ...(isSchemaHash(expectedSchemaHash) ? { expectedSchemaHash } : {}),
    ...(matchMode ? { matchMode: matchMode as "subset" | "strict" } : {}),
  };
}

/** A provider's schema and its hash are worth something only together. */
function pair<SchemaName extends string, HashName extends string>(
  schemaName: SchemaName,
  schema: unknown,
  hashName: HashName,
  hash: string | undefined,
): { [Name in SchemaName]?: JsonObject } & { [Name in HashName]?: string } {
  const isPair = isJsonObject(schema) && isSchemaHash(hash);
  return (isPair ? { [schemaName]: schema, [hashName]: hash } : {}) as ReturnType<typeof pair<SchemaName, HashName>>;
}

function isSchemaHash(hash: string | undefined): hash is string {
  return hash !== undefined && SCHEMA_HASH.test(hash);
}

function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
