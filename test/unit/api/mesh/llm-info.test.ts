import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { llmEndpoint } from "../../../../src/api/mesh/llm-endpoint.ts";
import {
  llmProviderResolutions,
  llmToolResolutions,
  shownLlmFilter,
  shownLlmProvider,
} from "../../../../src/api/mesh/llm-info.ts";
import type { FoundAgent, JsonObject } from "../../../../src/types/agent.ts";
import { asAgentId, asRegionId } from "../../../../src/types/ids.ts";

function found(id: string, capability: string): FoundAgent {
  return {
    id: asAgentId(id),
    name: id,
    namespace: "default",
    type: "mcp_agent",
    runtime: "python",
    endpoint: "http://0.0.0.0:9001",
    labels: {},
    metadata: {},
    region: asRegionId("us-east"),
    capability,
    functionName: `do_${capability}`,
    version: "1.0.0",
    tags: [],
    health: "healthy",
    revision: 1,
    registeredAtMs: 0,
    score: 0,
  };
}

const tool = (id: string, capability: string) => ({ tool: found(id, capability), inputSchema: {} });
const chosen = (id: string, capability: string) => ({
  mcp_tool: `do_${capability}`,
  provider_agent_id: id,
  endpoint: "http://localhost:9001",
  status: "available",
});

describe("A5: tools for language models", () => {
  const resolve = (llmFilter: JsonObject, tools = [tool("p", "date"), tool("q", "time")]) =>
    llmToolResolutions([{ functionName: "think", llmFilter, tools }]);

  it("A5: shows each part of the filter with each tool of its capability, or unresolved", () => {
    const filter = [{ capability: "date", tags: ["utc"] }, "none"];
    assert.deepEqual(resolve({ filter, filter_mode: "best_match" }), [
      {
        function_name: "think",
        filter_capability: "date",
        filter_tags: ["utc"],
        filter_mode: "best_match",
        provider_capability: "date",
        ...chosen("p", "date"),
      },
      { function_name: "think", filter_capability: "none", filter_mode: "best_match", status: "unresolved" },
    ]);
  });

  it("A5: shows all tools for a part that asks for tags alone, and none for a part that asks for nothing", () => {
    const shown = resolve({ filter: [{ tags: ["utc"] }, {}, "", 7] });
    assert.deepEqual(
      shown.map((each) => [each.filter_capability, each.filter_mode, "mcp_tool" in each && each.mcp_tool]),
      [
        ["", "all", "do_date"],
        ["", "all", "do_time"],
      ],
    );
  });

  it("is bounded, however many parts admit however many tools", () => {
    const filter = Array.from({ length: 2_000 }, () => ({ tags: ["t"] }));
    const tools = Array.from({ length: 600 }, (_, i) => tool(`p${i}`, "date"));
    assert.equal(resolve({ filter }, tools).length, 1_000);
  });
});

describe("A5: language models", () => {
  it("A5: shows the provider that was chosen, or that there is none", () => {
    const llmProvider = { capability: "llm", tags: ["claude", "+x"], version: ">=1" };
    const asked = { function_name: "think", required_capability: "llm", required_tags: ["claude", "+x"] };
    const functionName = "think";
    assert.deepEqual(
      llmProviderResolutions([
        { functionName, llmProvider, provider: found("p", "llm") },
        { functionName, llmProvider: { capability: "none" }, provider: null },
      ]),
      [
        { ...asked, ...chosen("p", "llm") },
        { function_name: "think", required_capability: "none", status: "unresolved" },
      ],
    );
  });

  it("A7: names the machine itself where a provider listens on all of its addresses", () => {
    assert.equal(llmEndpoint("http://0.0.0.0:80"), "http://localhost:80");
    assert.equal(llmEndpoint("https://0.0.0.0"), "https://localhost");
    for (const other of ["http://10.0.0.0:80", "http://0.0.0.0.example:80", "stdio://a"]) {
      assert.equal(llmEndpoint(other), other);
    }
  });
});

describe("A5: what an agent declared, shown again", () => {
  const FILTERS: readonly (readonly [JsonObject, JsonObject | undefined])[] = [
    [{ filter: ["x", { tags: ["y"] }] }, { filter: [{ capability: "x" }, { tags: ["y"] }] }],
    [
      { filter: [], filter_mode: "all", more: 1 },
      { filter: [], filter_mode: "all" },
    ],
    [{ filter_mode: "*" }, { filter: null, filter_mode: "*" }],
    [{ filter: null, filter_mode: null }, { filter: null }],
    [{ filter: [1, null, ["x"], {}] }, { filter: [{}] }],
    [{ filter: "x" }, undefined],
    [{ filter: [], filter_mode: 7 }, undefined],
    [{}, undefined],
  ];
  for (const [declared, shown] of FILTERS) {
    it(`A5: llm_filter ${JSON.stringify(declared)} as ${JSON.stringify(shown)}`, () => {
      assert.deepEqual(shownLlmFilter(declared), shown);
    });
  }

  it("A5: llm_provider with the fields of the contract alone", () => {
    assert.deepEqual(shownLlmProvider({ capability: "llm", tags: [], version: "1", namespace: "n", more: 1 }), {
      capability: "llm",
      tags: [],
      version: "1",
      namespace: "n",
    });
    assert.deepEqual(shownLlmProvider({}), { capability: "" });
  });
});
