/** Tools for language models, and who provides one (contract A7). */

import type { Improvements } from "../registry-pair.ts";
import { agent, type Scenario, tool } from "../scenario.ts";

const INPUT = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };

function asking(id: string, filter: unknown, filter_mode?: string): object {
  const llm_filter = filter_mode === undefined ? { filter } : { filter, filter_mode };
  return {
    agent_id: id,
    agent_type: "api",
    tools: [{ function_name: "think", capability: `think-${id}`, llm_filter }],
  };
}

const FILTERS: readonly (readonly [filter: unknown, mode?: string])[] = [
  [[]],
  [[], "*"],
  [["llm-weather"]],
  [["llm-none"]],
  [[{ capability: "llm-weather" }]],
  [[{ capability: "llm-weather" }], "all"],
  [[{ capability: "llm-weather" }], "best_match"],
  [[{ capability: "llm-weather" }, { capability: "llm-time" }], "all"],
  [[{ capability: "llm-time" }, { capability: "llm-weather" }], "best_match"],
  [[{ capability: "llm-weather", tags: ["eu"] }], "all"],
  [[{ capability: "llm-weather", tags: ["+eu", "-slow"] }], "best_match"],
  [[{ capability: "llm-weather", version: "^1" }], "all"],
  [[{ capability: "llm-weather", version: ">=2" }], "best_match"],
  [[{ tags: ["eu"] }], "all"],
  [[{ tags: ["eu"] }], "best_match"],
  [[{ tags: ["llm-unique"] }, "llm-time"], "all"],
  [[{ capability: "llm-unhealthy" }], "all"],
  [[{ capability: "llm-schemaless" }], "all"],
  [[{ capability: "llm-blocked" }], "all"],
  [[{ capability: "llm-double" }], "all"],
  [[{}], "best_match"],
  [[{ capability: "llm-weather" }], "odd_mode"],
  ["llm-weather"],
  [null],
  [{ capability: "llm-weather" }],
];

export const llm: readonly Scenario[] = [
  {
    name: "tools by filter and mode",
    run: async (pair) => {
      const offered = (capability: string, fields: object = {}) => tool(capability, { inputSchema: INPUT, ...fields });
      await pair.post(
        agent("llm-a", [
          offered("llm-weather", {
            version: "1.2.0",
            tags: ["eu", "llm-unique"],
            description: "weather",
            function_name: "weather_a",
          }),
          offered("llm-time", { function_name: "time_a" }),
        ]),
      );
      await pair.post(
        agent(
          "llm-b",
          [offered("llm-weather", { version: "2.0.0", tags: ["us", "slow"], function_name: "weather_b" })],
          {
            http_host: "0.0.0.0",
          },
        ),
      );
      await pair.post(
        agent("llm-c", [
          offered("llm-weather", { version: "2.0.0", tags: ["eu", "slow", "x"], function_name: "weather_c" }),
        ]),
      );
      await pair.post({ agent_id: "llm-stdio", tools: [offered("llm-time", { function_name: "time_stdio" })] });
      await pair.post(agent("llm-gone", [offered("llm-unhealthy")]));
      await pair.leave("llm-gone");
      await pair.post(agent("llm-plain", [tool("llm-schemaless")]));
      await pair.post(
        agent("llm-blocked", [
          offered("llm-blocked", { dependencies: [{ capability: "llm-missing", required: true }] }),
        ]),
      );
      await pair.post(agent("llm-double-1", [offered("llm-double", { function_name: "double" })]));
      await pair.post(agent("llm-double-2", [offered("llm-double", { function_name: "double" })]));
      for (const [i, [filter, mode]] of FILTERS.entries()) await pair.post(asking(`llm-user-${i}`, filter, mode));
      await pair.get("/agents?capabilities=think-llm-user&fuzzy=true", {
        "filters are objects": [
          'body.agents[7].capabilities[0].llm_filter.filter[1]: "llm-time" → {"capability":"llm-time"}',
          'body.agents[12].capabilities[0].llm_filter.filter[0]: "llm-weather" → {"capability":"llm-weather"}',
          'body.agents[18].capabilities[0].llm_filter.filter[0]: "llm-none" → {"capability":"llm-none"}',
        ],
      });
      await pair.post(asking("llm-nonsense", [5, null, { capability: "llm-time" }], "all"));
    },
  },
  {
    name: "an agent's own tools",
    run: async (pair) => {
      const filter = [{ capability: "llm-own" }];
      const own = tool("llm-own", { inputSchema: INPUT, function_name: "own" });
      const think = (filter_mode: string) => tool("llm-thinks", { llm_filter: { filter, filter_mode } });
      await pair.post(agent("llm-own", [own, think("all")]));
      await pair.post(agent("llm-own", [own, think("best_match")]));
      await pair.get("/agents?capabilities=llm-thinks");
    },
  },
  {
    name: "providers",
    run: async (pair) => {
      const offered = (id: string, fields: object) =>
        pair.post(agent(id, [tool("llm-model", { inputSchema: INPUT, ...fields })]));
      const wanting = (id: string, llm_provider: object, improvements?: Improvements) => {
        const tools = [{ function_name: "talk", capability: `talk-${id}`, llm_provider }];
        return pair.post({ agent_id: id, agent_type: "api", tools }, improvements);
      };
      await wanting("llm-early", { capability: "llm-model" });
      await offered("llm-m1", { version: "1.0.0", tags: ["claude"], kwargs: { vendor: "anthropic", timeout: 9 } });
      await offered("llm-m2", { version: "2.0.0", tags: ["claude", "fast"] });
      await offered("llm-m3", { version: "3.0.0", kwargs: { vendor: "" } });
      await offered("llm-m4", { version: "4.0.0", inputSchema: undefined });
      const newest = {
        "models by version": [
          'body.llm_providers.talk.agent_id: "llm-m1" → "llm-m3"',
          "body.llm_providers.talk.kwargs.timeout: 9 → (none)",
          'body.llm_providers.talk.kwargs.vendor: "anthropic" → ""',
          'body.llm_providers.talk.tags: ["claude"] → (none)',
          'body.llm_providers.talk.vendor: "anthropic" → ""',
          'body.llm_providers.talk.version: "1.0.0" → "3.0.0"',
        ],
      };
      await wanting("llm-any", { capability: "llm-model" }, newest);
      await wanting("llm-tagged", { capability: "llm-model", tags: ["claude"] });
      await wanting("llm-preferred", { capability: "llm-model", tags: ["+fast"] });
      await wanting("llm-untagged", { capability: "llm-model", tags: [] }, newest);
      await wanting("llm-excluded", { capability: "llm-model", tags: ["-claude"] });
      await wanting("llm-versioned", { capability: "llm-model", version: "^2" });
      await wanting("llm-both", { capability: "llm-model", version: "^1", tags: ["claude"] });
      await wanting("llm-impossible", { capability: "llm-model", tags: ["nope"] });
      await wanting("llm-nobody", { capability: "llm-none" });
      await wanting("llm-empty", {});
      await pair.get("/agents?capabilities=talk-llm&fuzzy=true", {
        "models by version": [0, 9].map(
          (place) => `body.agents[${place}].llm_provider_resolutions[0].provider_agent_id: "llm-m1" → "llm-m3"`,
        ),
        "resolved when read": [
          'body.agents[2].llm_provider_resolutions[0].status: "unresolved" → "available"',
          'body.agents[2].llm_provider_resolutions[0].mcp_tool: (none) → "do_llm-model"',
          'body.agents[2].llm_provider_resolutions[0].provider_agent_id: (none) → "llm-m3"',
          'body.agents[2].llm_provider_resolutions[0].endpoint: (none) → "http://10.0.0.7:8080"',
        ],
      });
      await pair.leave("llm-m2");
      await wanting("llm-preferred", { capability: "llm-model", tags: ["+fast"] });
      await pair.get("/agents?capabilities=talk-llm-preferred");
    },
  },
];
