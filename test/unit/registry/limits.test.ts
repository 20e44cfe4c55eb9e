import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RegistryError } from "../../../src/registry/errors.ts";
import { checkAgent, LIMIT_DEFAULTS } from "../../../src/registry/limits.ts";
import type { AgentRecord, Capability, Json } from "../../../src/types/agent.ts";
import { asAgentId } from "../../../src/types/ids.ts";
import { aCapability, agentId, aRecord } from "./fixtures.ts";

function refusal(record: AgentRecord, id = agentId(1)): RegistryError["detail"] | null {
  try {
    checkAgent(id, record, LIMIT_DEFAULTS);
    return null;
  } catch (error) {
    if (error instanceof RegistryError) return error.detail;
    throw error;
  }
}

const withCapability = (fields: Partial<Capability>) =>
  aRecord({ capabilities: [aCapability("first"), aCapability("second", fields)] });

const nested = (depth: number): Json => (depth === 0 ? 1 : { a: nested(depth - 1) });

describe("record limits", () => {
  it("let an ordinary record pass, and one at its limits", () => {
    assert.equal(refusal(aRecord()), null);
    assert.equal(refusal(aRecord({ name: "n".repeat(LIMIT_DEFAULTS.nameLengthMax) })), null);
    assert.equal(refusal(withCapability({ tags: Array(LIMIT_DEFAULTS.tagsPerCapabilityMax).fill("t") })), null);
  });

  const dependency = { capability: "c", tags: [], version: "", required: false };
  const refused: Record<string, AgentRecord> = {
    name: aRecord({ name: "" }),
    namespace: aRecord({ namespace: "n".repeat(257) }),
    endpoint: aRecord({ endpoint: `http://${"h".repeat(2_048)}` }),
    description: aRecord({ description: "d".repeat(1_025) }),
    zone: aRecord({ zone: "z".repeat(257) }),
    leaseMs: aRecord({ leaseMs: 999 }),
    labels: aRecord({ labels: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, "v"])) }),
    "labels.key": aRecord({ labels: { key: "v".repeat(257) } }),
    "metadata.list[1]": aRecord({ metadata: { list: [1, Number.NaN] } }),
    "metadata.text": aRecord({ metadata: { text: "\ud800" } }),
    metadata: aRecord({ metadata: JSON.parse('{"__proto__":1}') }),
    capabilities: aRecord({ capabilities: Array.from({ length: 257 }, (_, i) => aCapability(`c${i}`)) }),
    "capabilities[1].name": withCapability({ name: "" }),
    "capabilities[1].functionName": withCapability({ functionName: "\udc00" }),
    "capabilities[1].version": withCapability({ version: "1".repeat(257) }),
    "capabilities[1].tags": withCapability({ tags: Array(65).fill("t") }),
    "capabilities[1].tags[1]": withCapability({ tags: ["t", "t".repeat(257)] }),
    "capabilities[1].dependencies": withCapability({ dependencies: Array(65).fill(dependency) }),
    "capabilities[1].dependencies[0].capability": withCapability({ dependencies: [{ ...dependency, capability: "" }] }),
    "capabilities[1].dependencies[0].version": withCapability({
      dependencies: [{ ...dependency, version: "1".repeat(513) }],
    }),
    "capabilities[1].dependencies[0].tags[0][1]": withCapability({
      dependencies: [{ ...dependency, tags: [["a", "b".repeat(257)]] }],
    }),
    "capabilities[1].dependencies[0].tags": withCapability({
      dependencies: [{ ...dependency, tags: Array.from({ length: 3 }, () => Array(43).fill("t")) }],
    }),
    "capabilities[1].kwargs.a": withCapability({ kwargs: { a: Number.POSITIVE_INFINITY } }),
  };
  for (const [field, record] of Object.entries(refused)) {
    it(`name the field that is over: ${field}`, () => {
      const detail = refusal(record);
      assert.equal(detail?.code, "INVALID_RECORD");
      assert.equal(detail.field, field);
    });
  }

  it("count the dependencies of all capabilities together", () => {
    const { dependenciesMax } = LIMIT_DEFAULTS;
    const withDependencies = (counts: readonly number[]) =>
      aRecord({
        capabilities: counts.map((count, i) => aCapability(`c${i}`, { dependencies: Array(count).fill(dependency) })),
      });
    const rest = dependenciesMax - 4 * 50;
    assert.equal(refusal(withDependencies([50, 50, 50, 50, rest])), null);
    const detail = refusal(withDependencies([50, 50, 50, 50, rest + 1]));
    assert.ok(detail?.code === "INVALID_RECORD" && detail.field === "capabilities");
    assert.match(detail.reason, new RegExp(`${dependenciesMax + 1} dependencies together, at most ${dependenciesMax}`));
  });

  it("take whatever text for a constraint, and no expression for more than its letters", () => {
    const version = "^(([a-z])+.)+[A-Z]([a-z])+$";
    assert.equal(
      refusal(withCapability({ dependencies: [{ ...dependency, version, tags: [version, [version]] }] })),
      null,
    );
  });

  it("keep keys that only look like those of a prototype", () => {
    const metadata = JSON.parse('{"constructor":{"prototype":{"polluted":true}},"toString":1}');
    assert.equal(refusal(aRecord({ metadata })), null);
    assert.equal(({} as { polluted?: boolean }).polluted, undefined);
  });

  it("refuse an id that is empty, too long, or not Unicode", () => {
    for (const id of ["", "i".repeat(254), "\ud800"]) {
      const detail = refusal(aRecord(), asAgentId(id));
      assert.deepEqual([detail?.code, (detail as { field: string }).field], ["INVALID_RECORD", "id"]);
    }
  });

  it("bound how deep free data nests, before anything recurses into it", () => {
    assert.equal(refusal(aRecord({ metadata: { a: nested(LIMIT_DEFAULTS.depthMax - 1) } })), null);
    assert.equal(refusal(aRecord({ metadata: { a: nested(5_000) } }))?.code, "INVALID_RECORD");
  });

  it("weigh the metadata and the whole in bytes", () => {
    const metadata = refusal(aRecord({ metadata: { text: "é".repeat(8_192) } }));
    assert.ok(metadata?.code === "RECORD_TOO_LARGE" && metadata.field === "metadata");
    assert.ok(metadata.bytes > metadata.bytesMax && metadata.bytesMax === 16_384);
    const whole = refusal(withCapability({ inputSchema: { text: "x".repeat(65_536) } }));
    assert.ok(whole?.code === "RECORD_TOO_LARGE" && whole.field === "record");
  });
});
