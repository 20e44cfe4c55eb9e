/**
 * What a record may weigh: bounds on every field and on the whole, each with a name.
 *
 * Lengths count UTF-16 code units, bytes the msgpack encoding that is replicated. Formats that only one face knows, such
 * as the id pattern of MCP Mesh, are that face's to check.
 */

import type { AgentRecord, Capability, Dependency, Surface } from "../types/agent.ts";
import type { AgentId } from "../types/ids.ts";
import { encode } from "./codec.ts";
import { RegistryError } from "./errors.ts";

export interface RecordLimits {
  /** Agents in the region, unhealthy ones included. */
  readonly agentsMax: number;
  readonly recordBytesMax: number;
  readonly metadataBytesMax: number;
  readonly idLengthMax: number;
  /** Names, namespaces, versions, zones, functions and capabilities. */
  readonly nameLengthMax: number;
  readonly endpointLengthMax: number;
  readonly descriptionLengthMax: number;
  /** Tools are described to language models, at length. */
  readonly capabilityDescriptionLengthMax: number;
  readonly capabilitiesMax: number;
  readonly surfacesMax: number;
  readonly tagsPerCapabilityMax: number;
  readonly tagLengthMax: number;
  readonly dependenciesPerCapabilityMax: number;
  /** Of all capabilities together: each is resolved anew with every full heartbeat. */
  readonly dependenciesMax: number;
  /** Tags in one dependency's constraints, those within groups included. */
  readonly constraintTagsMax: number;
  readonly constraintLengthMax: number;
  readonly labelsMax: number;
  readonly labelLengthMax: number;
  /** Nesting of metadata and schemas. */
  readonly depthMax: number;
  readonly leaseMsMin: number;
  readonly leaseMsMax: number;
}

export const LIMIT_DEFAULTS: RecordLimits = {
  agentsMax: 1_000_000,
  recordBytesMax: 64 * 1024,
  metadataBytesMax: 16 * 1024,
  idLengthMax: 253,
  nameLengthMax: 256,
  endpointLengthMax: 2_048,
  descriptionLengthMax: 1_024,
  capabilityDescriptionLengthMax: 8_192,
  capabilitiesMax: 256,
  surfacesMax: 64,
  tagsPerCapabilityMax: 64,
  tagLengthMax: 256,
  dependenciesPerCapabilityMax: 64,
  dependenciesMax: 256,
  constraintTagsMax: 128,
  constraintLengthMax: 512,
  labelsMax: 64,
  labelLengthMax: 256,
  depthMax: 32,
  leaseMsMin: 1_000,
  leaseMsMax: 86_400_000,
};

/**
 * Refuses what the registry will not keep.
 *
 * @throws RegistryError INVALID_RECORD or RECORD_TOO_LARGE with the path of the field, such as `capabilities[3].tags[1]`
 */
export function checkAgent(id: AgentId, record: AgentRecord, limits: RecordLimits): void {
  new RecordCheck(limits).check(id, record);
}

class RecordCheck {
  readonly #limits: RecordLimits;

  constructor(limits: RecordLimits) {
    this.#limits = limits;
  }

  check(id: AgentId, record: AgentRecord): void {
    const { nameLengthMax, endpointLengthMax, descriptionLengthMax, recordBytesMax, metadataBytesMax } = this.#limits;
    this.#name("id", id, this.#limits.idLengthMax);
    this.#name("name", record.name, nameLengthMax);
    this.#name("namespace", record.namespace, nameLengthMax);
    this.#text("version", record.version, nameLengthMax);
    this.#name("endpoint", record.endpoint, endpointLengthMax);
    this.#text("description", record.description, descriptionLengthMax);
    this.#text("zone", record.zone, nameLengthMax);
    this.#labels(record.labels);
    this.#leaseMs(record.leaseMs);
    this.#data("metadata", record.metadata);
    this.#list("capabilities", record.capabilities, this.#limits.capabilitiesMax, (path, capability) =>
      this.#capability(path, capability),
    );
    this.#dependencyCount(record.capabilities);
    this.#list("surfaces", record.surfaces ?? [], this.#limits.surfacesMax, (path, surface) =>
      this.#surface(path, surface),
    );
    // Last, so that a field over its own limit is named rather than the whole.
    this.#bytes("metadata", record.metadata, metadataBytesMax);
    this.#bytes("record", record, recordBytesMax);
  }

  #surface(path: string, { path: where, skillId, name, description, ...lists }: Surface): void {
    const { endpointLengthMax, nameLengthMax, descriptionLengthMax, tagsPerCapabilityMax, tagLengthMax } = this.#limits;
    this.#name(`${path}.path`, where, endpointLengthMax);
    this.#name(`${path}.skillId`, skillId, nameLengthMax);
    this.#text(`${path}.name`, name, nameLengthMax);
    this.#text(`${path}.description`, description, descriptionLengthMax);
    for (const [field, items = []] of Object.entries(lists)) {
      this.#list(`${path}.${field}`, items, tagsPerCapabilityMax, (itemPath, item) =>
        this.#text(itemPath, item, tagLengthMax),
      );
    }
  }

  #capability(path: string, capability: Capability): void {
    const { nameLengthMax, tagsPerCapabilityMax, tagLengthMax, capabilityDescriptionLengthMax } = this.#limits;
    this.#name(`${path}.name`, capability.name, nameLengthMax);
    this.#name(`${path}.functionName`, capability.functionName, nameLengthMax);
    this.#text(`${path}.version`, capability.version, nameLengthMax);
    this.#text(`${path}.description`, capability.description, capabilityDescriptionLengthMax);
    this.#list(`${path}.tags`, capability.tags, tagsPerCapabilityMax, (tagPath, tag) =>
      this.#text(tagPath, tag, tagLengthMax),
    );
    const dependenciesMax = this.#limits.dependenciesPerCapabilityMax;
    this.#list(`${path}.dependencies`, capability.dependencies, dependenciesMax, (dependencyPath, dependency) =>
      this.#dependency(dependencyPath, dependency),
    );
    for (const field of FREE_FIELDS) this.#data(`${path}.${field}`, capability[field]);
  }

  #dependencyCount(capabilities: readonly Capability[]): void {
    const { dependenciesMax } = this.#limits;
    const count = capabilities.reduce((sum, { dependencies }) => sum + dependencies.length, 0);
    if (count > dependenciesMax) {
      refuse("capabilities", `have ${count} dependencies together, at most ${dependenciesMax} are allowed`);
    }
  }

  #dependency(path: string, dependency: Dependency): void {
    const { nameLengthMax, constraintLengthMax, constraintTagsMax, tagsPerCapabilityMax, tagLengthMax } = this.#limits;
    this.#name(`${path}.capability`, dependency.capability, nameLengthMax);
    this.#text(`${path}.version`, dependency.version, constraintLengthMax);
    this.#text(`${path}.namespace`, dependency.namespace, nameLengthMax);
    this.#text(`${path}.expectedSchemaHash`, dependency.expectedSchemaHash, nameLengthMax);
    this.#data(`${path}.expectedSchemaCanonical`, dependency.expectedSchemaCanonical);
    this.#list(`${path}.tags`, dependency.tags, tagsPerCapabilityMax, (tagPath, tag) => {
      if (typeof tag === "string") this.#text(tagPath, tag, tagLengthMax);
      else this.#list(tagPath, tag, tagsPerCapabilityMax, (path, member) => this.#text(path, member, tagLengthMax));
    });
    const tags = dependency.tags.flat().length;
    if (tags > constraintTagsMax) {
      refuse(`${path}.tags`, `has ${tags} tags in all its groups, at most ${constraintTagsMax} are allowed`);
    }
  }

  #labels(labels: AgentRecord["labels"]): void {
    const { labelsMax, labelLengthMax } = this.#limits;
    const keys = Object.keys(labels);
    if (keys.length > labelsMax) refuse("labels", `has ${keys.length} entries, at most ${labelsMax} are allowed`);
    for (const key of keys) {
      this.#key("labels", key);
      this.#name("labels", key, labelLengthMax);
      this.#text(`labels.${key}`, labels[key], labelLengthMax);
    }
  }

  #leaseMs(leaseMs: number): void {
    const { leaseMsMin, leaseMsMax } = this.#limits;
    if (!Number.isInteger(leaseMs) || leaseMs < leaseMsMin || leaseMs > leaseMsMax) {
      refuse("leaseMs", `must be an integer from ${leaseMsMin} to ${leaseMsMax}`);
    }
  }

  #name(path: string, text: string, lengthMax: number): void {
    if (text.length === 0) refuse(path, "must not be empty");
    this.#text(path, text, lengthMax);
  }

  #text(path: string, text: string | undefined, lengthMax: number): void {
    if (text === undefined) return;
    if (text.length > lengthMax) refuse(path, `is ${text.length} characters long, at most ${lengthMax} are allowed`);
    this.#unicode(path, text);
  }

  #list<Item>(path: string, items: readonly Item[], max: number, check: (path: string, item: Item) => void): void {
    if (items.length > max) refuse(path, `has ${items.length} entries, at most ${max} are allowed`);
    items.forEach((item, i) => {
      check(`${path}[${i}]`, item);
    });
  }

  /** Free data: bounded in depth here and in size by the whole record. */
  #data(path: string, value: unknown, depth = 0): void {
    if (typeof value === "string") return this.#unicode(path, value);
    if (typeof value === "number" && !Number.isFinite(value)) refuse(path, "must be a finite number");
    if (typeof value !== "object" || value === null) return;
    if (depth === this.#limits.depthMax) refuse(path, `is nested deeper than ${this.#limits.depthMax} levels`);
    if (Array.isArray(value)) {
      for (const [i, item] of value.entries()) this.#data(`${path}[${i}]`, item, depth + 1);
      return;
    }
    for (const [key, item] of Object.entries(value)) {
      this.#key(path, key);
      this.#data(`${path}.${key}`, item, depth + 1);
    }
  }

  #key(path: string, key: string): void {
    // The decoder renames it, for its readers' safety; the record would not come back as it went.
    if (key === "__proto__") refuse(path, "must not have a key named __proto__");
    this.#unicode(path, key);
  }

  /** Half a surrogate pair has no UTF-8, so two texts would become one on disk. */
  #unicode(path: string, text: string): void {
    if (!text.isWellFormed()) refuse(path, "must be well-formed Unicode");
  }

  #bytes(field: string, value: unknown, bytesMax: number): void {
    const bytes = encode(value).byteLength;
    if (bytes <= bytesMax) return;
    throw new RegistryError(`${field} has ${bytes} bytes, at most ${bytesMax} are kept`, {
      code: "RECORD_TOO_LARGE",
      field,
      bytes,
      bytesMax,
    });
  }
}

const FREE_FIELDS = [
  "inputSchema",
  "outputSchema",
  "inputSchemaCanonical",
  "outputSchemaCanonical",
  "inputSchemaHash",
  "outputSchemaHash",
  "schemaWarnings",
  "llmFilter",
  "llmProvider",
  "kwargs",
] as const satisfies readonly (keyof Capability)[];

function refuse(field: string, reason: string): never {
  throw new RegistryError(`${field} ${reason}`, { code: "INVALID_RECORD", field, reason });
}
