/**
 * What a hostile or broken agent sends by the thousand, on every face that takes it, and what it is to be told: the field at
 * fault and its limit, or, where all of it is legal, the ordinary answer. The test looks at the answers and the memory
 * (`test/integration/floods.test.ts`), the benchmark at how long the event loop was kept (`bench/floods.ts`).
 */

import type { RegistryService } from "../../src/registry/registry-service.ts";
import type { AgentRecord } from "../../src/types/agent.ts";
import { asAgentId } from "../../src/types/ids.ts";

export interface Flood {
  readonly what: string;
  readonly method: "GET" | "PUT" | "POST";
  readonly url: string;
  readonly payload?: string;
  readonly status: number;
  /** Found in the body of the answer. */
  readonly says: RegExp;
}

const FLOODER = "flooder-1";
const CAPABILITIES = 10_000;
const DEPTH = 10_000;
const MIB = 1024 * 1024;
/** The native face takes no larger body; its tag is as large as fits in. */
const NATIVE_TEXT = MIB - 1_024;
const CONSTRAINT = "1".repeat(10 * 1024);
/** Takes a backtracking matcher longer than the universe lasted. */
const REGEX = "^(([a-z])+.)+[A-Z]([a-z])+$";
/** What all replicas offer (`addReplicas`). */
export const REPLICATED = "replicated";
export const REPLICA_TAGS: readonly string[] = Array.from({ length: 64 }, (_, i) => `common-tag-${i}`);

const many = <Item>(count: number, item: (i: number) => Item) => Array.from({ length: count }, (_, i) => item(i));
const deep = `${'{"a":'.repeat(DEPTH)}1${"}".repeat(DEPTH)}`;
const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));

const mesh = (tool: unknown): Pick<Flood, "method" | "url" | "payload"> => ({
  method: "POST",
  url: "/heartbeat",
  payload: `{"agent_id":"${FLOODER}","tools":[${text(tool)}]}`,
});
const meshTool = (fields: object) => mesh({ function_name: "f", capability: "c", ...fields });
const native = (capability: unknown): Pick<Flood, "method" | "url" | "payload"> => ({
  method: "PUT",
  url: `/v1/agents/${FLOODER}`,
  payload: `{"endpoint":"http://flooder:1","capabilities":[${text(capability)}]}`,
});
const nativeCapability = (fields: object) => native({ name: "c", ...fields });
const seed = (capability: unknown): Pick<Flood, "method" | "url" | "payload"> => ({
  method: "POST",
  url: "/agents",
  payload: `{"id":"${FLOODER}","endpoint":"http://flooder:1","capabilities":[${text(capability)}]}`,
});
const lookup = (query: Record<string, string>): Pick<Flood, "method" | "url"> => ({
  method: "GET",
  url: `/v1/lookup?${new URLSearchParams({ scope: "region", ...query })}`,
});
const dependency = (fields: object) => ({ dependencies: [{ capability: "c", ...fields }] });

/** The contract answers with 200 what it refuses for its meaning (A2). */
const SOFT = { status: 200 } as const;

/** Refused, each with the name of the limit. */
export const REFUSED: readonly Flood[] = [
  {
    what: "an agent of 10,000 capabilities, mesh",
    ...mesh(many(CAPABILITIES, (i) => `{"function_name":"f${i}","capability":"c${i}"}`).join()),
    ...SOFT,
    says: /"status":"error".*capabilities: has 10000 entries, at most 256/,
  },
  {
    what: "an agent of 10,000 capabilities, native",
    ...native(many(CAPABILITIES, (i) => `"c${i}"`).join()),
    status: 400,
    says: /"field":"capabilities".*256|256.*"field":"capabilities"/,
  },
  {
    what: "an agent of 10,000 capabilities, seed form",
    ...seed(many(CAPABILITIES, (i) => `"c${i}"`).join()),
    status: 400,
    says: /capabilities.*256/,
  },
  {
    what: "a tag of 1 MiB, mesh",
    ...meshTool({ tags: ["t".repeat(MIB)] }),
    ...SOFT,
    says: /capabilities\[0\]\.tags\[0\].*1048576 characters long, at most 256/,
  },
  {
    what: "a tag of nearly 1 MiB, native",
    ...nativeCapability({ tags: ["t".repeat(NATIVE_TEXT)] }),
    status: 400,
    says: /capabilities\[0\]\.tags\[0\].*128/,
  },
  {
    what: "a tag of 1 MiB, native",
    ...nativeCapability({ tags: ["t".repeat(MIB)] }),
    status: 413,
    says: /1048576/,
  },
  {
    what: "a tag of nearly 1 MiB, seed form",
    ...seed({ name: "c", tags: ["t".repeat(NATIVE_TEXT)] }),
    status: 400,
    says: /capabilities\[0\]\.tags\[0\]/,
  },
  {
    what: "30,000 tags, mesh",
    ...meshTool({ tags: many(30_000, (i) => `t${i}`) }),
    ...SOFT,
    says: /capabilities\[0\]\.tags.*30000 entries, at most 64/,
  },
  {
    what: "a schema 10,000 deep, mesh",
    ...mesh(`{"function_name":"f","capability":"c","inputSchema":${deep}}`),
    status: 400,
    says: /nested deeper than 64/,
  },
  {
    what: "a schema 10,000 deep, native",
    ...native(`{"name":"c","inputSchema":${deep}}`),
    status: 400,
    says: /nested deeper than 64/,
  },
  {
    what: "metadata 10,000 deep, seed form",
    ...seed(`{"name":"c","x":${deep}}`),
    status: 400,
    says: /nested deeper than 64/,
  },
  {
    what: "a prototype of its own, mesh",
    ...mesh('{"function_name":"f","capability":"c","kwargs":{"__proto__":{"polluted":true}}}'),
    status: 400,
    says: /__proto__/,
  },
  {
    what: "a prototype of its own, native",
    ...native('{"name":"c","kwargs":{"a":{"__proto__":{"polluted":true}}}}'),
    status: 400,
    says: /__proto__/,
  },
  {
    what: "a prototype of its own, seed form",
    ...seed('{"name":"c","__proto__":{"polluted":true}}'),
    status: 400,
    says: /__proto__/,
  },
  {
    what: "a version constraint of 10 KiB, mesh",
    ...meshTool(dependency({ version: CONSTRAINT })),
    ...SOFT,
    says: /dependencies\[0\]\.version.*10240 characters long, at most 512/,
  },
  {
    what: "a version constraint of 10 KiB, native",
    ...nativeCapability(dependency({ version: CONSTRAINT })),
    status: 400,
    says: /capabilities\[0\]\.dependencies\[0\]\.version/,
  },
  {
    what: "a version constraint of 10 KiB in a lookup",
    ...lookup({ capability: "c", version: CONSTRAINT }),
    status: 400,
    says: /"field":"version"|version must/,
  },
  {
    what: "a tag constraint of 10 KiB in a lookup",
    ...lookup({ capability: "c", tags: CONSTRAINT }),
    status: 400,
    says: /tags/,
  },
  {
    what: "a group of 4,000 tags, mesh",
    ...meshTool(dependency({ tags: [many(4_000, (i) => `t${i}`)] })),
    ...SOFT,
    says: /dependencies\[0\]\.tags.*4000/,
  },
  {
    what: "64 groups of 64 tags each, mesh",
    ...meshTool(dependency({ tags: many(64, () => many(64, (i) => `t${i}`)) })),
    ...SOFT,
    says: /dependencies\[0\]\.tags: has 4096 tags in all its groups, at most 128/,
  },
  {
    what: "more than 128 tags in the groups of a lookup",
    ...lookup({ capability: REPLICATED, tags: many(5, () => many(32, (i) => `t${i}`).join("|")).join() }),
    status: 400,
    says: /"field":"tags"/,
  },
  {
    what: "more dependencies than a record may have, mesh",
    ...mesh(
      many(5, (tool) =>
        text({
          function_name: `f${tool}`,
          capability: `c${tool}`,
          dependencies: many(60, () => ({ capability: REPLICATED })),
        }),
      ).join(),
    ),
    ...SOFT,
    says: /capabilities: have 300 dependencies together, at most 256/,
  },
  {
    what: "more values than a body may have, mesh",
    ...meshTool({ kwargs: { list: many(100_000, () => 0) } }),
    status: 400,
    says: /more than 32768 values/,
  },
  {
    what: "a record of 1 MiB of many small parts, mesh",
    ...mesh(many(200, (i) => text({ function_name: `f${i}`, capability: "c", description: "d".repeat(5_000) })).join()),
    status: 413,
    says: /record has \d+ bytes; the limit is 65536/,
  },
];

/** Legal, if strange: answered as anything else, and no slower than it has to be. */
export const BORNE: readonly Flood[] = [
  {
    what: "keys named constructor, mesh",
    ...meshTool({ kwargs: { constructor: { prototype: { polluted: true } }, toString: 1, hasOwnProperty: null } }),
    ...SOFT,
    says: /"status":"success"/,
  },
  {
    what: "a constraint that looks like a regular expression, mesh",
    ...meshTool(dependency({ version: REGEX, tags: [REGEX] })),
    ...SOFT,
    says: /"status":"unresolved"/,
  },
  {
    what: "a constraint that looks like a regular expression in a lookup",
    ...lookup({ capability: REGEX, version: REGEX, tags: "a".repeat(100) }),
    status: 200,
    says: /"agents":\[\]/,
  },
  {
    what: "a lookup of a name with many replicas",
    ...lookup({ capability: REPLICATED }),
    status: 200,
    says: /"nextCursor"/,
  },
  {
    what: "a lookup of a name with many replicas, all that one may ask for",
    ...lookup({ capability: REPLICATED, limit: "1000", tags: REPLICA_TAGS.map((tag) => `+${tag}`).join() }),
    status: 200,
    says: /"nextCursor"/,
  },
  {
    what: "a lookup with groups of tags among many replicas",
    ...lookup({ capability: REPLICATED, tags: many(4, () => many(32, (i) => `+o${i}`).join("|")).join() }),
    status: 200,
    says: /"agents":\[\]/,
  },
  {
    what: "a dependency on a name with many replicas, mesh",
    ...meshTool({ dependencies: [{ capability: REPLICATED, tags: REPLICA_TAGS.map((tag) => `+${tag}`) }] }),
    ...SOFT,
    says: /"status":"available"/,
  },
  {
    what: "255 dependencies on it, all of them different, mesh",
    ...mesh(
      many(5, (tool) =>
        text({
          function_name: `f${tool}`,
          capability: `c${tool}`,
          dependencies: many(51, (i) => ({
            capability: REPLICATED,
            tags: [`+common-tag-${i}`],
            version: `>${tool}.${i}`,
          })),
        }),
      ).join(),
    ),
    ...SOFT,
    says: /"status":"success"/,
  },
  {
    what: "the seed form of a name with many replicas",
    method: "GET",
    url: `/agents?capability=${REPLICATED}`,
    status: 200,
    says: /"replica-/,
  },
];

/** Registers many agents that offer the same, as a fleet of replicas does. */
export async function addReplicas(registry: RegistryService, count: number, aRecord: AgentRecord): Promise<void> {
  const capability = { name: REPLICATED, functionName: REPLICATED, version: "1.0.0", dependencies: [] };
  for (let i = 0; i < count; i++) {
    const tags = [...REPLICA_TAGS.slice(1), `replica-${i}`];
    await registry.register(asAgentId(`replica-${i}`), {
      ...aRecord,
      leaseMs: 86_400_000,
      endpoint: `http://replica-${i}:1`,
      capabilities: [{ ...capability, version: `1.0.${i}`, tags }],
    });
  }
}
