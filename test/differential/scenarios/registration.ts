/** What a first registration makes of a heartbeat (contract A2). */

import { agent, type Scenario, tool } from "../scenario.ts";

const BAD_NAMES = ["A", "-a", "a-", "a_b", "a.b", "a b", "../x", "ä", "a\u0000b"];
const SCHEMA = { type: "object", properties: { city: { type: "string" } } };
const HASH = `sha256:${"5".repeat(64)}`;

export const registration: readonly Scenario[] = [
  {
    name: "nothing but an id: every default",
    run: async (pair) => {
      await pair.post({ agent_id: "bare-agent" });
      await pair.get("/agents?status=healthy&namespace=default&type=mcp_agent");
    },
  },
  {
    name: "every field",
    run: async (pair) => {
      await pair.post({
        agent_id: "full-11111111",
        name: "full",
        agent_type: "decorator_agent",
        runtime: "typescript",
        version: "1.2.3",
        namespace: "full",
        http_host: "10.1.2.3",
        http_port: 9001,
        description: "  does it all  ",
        a2a_producer: true,
        a2a_consumer: false,
        status: "healthy",
        timestamp: "2026-01-01T00:00:00Z",
        tools: [
          tool("full-date", {
            version: "1.4.2",
            tags: ["utc", "fast", "", "utc"],
            description: "dates",
            inputSchema: SCHEMA,
            outputSchema: SCHEMA,
            inputSchemaCanonical: SCHEMA,
            inputSchemaHash: HASH,
            schemaWarnings: ["a warning"],
            kwargs: { task: true, timeout: 5, nested: { list: [1, 2.5, null] } },
          }),
          tool("GET:/full", { function_name: "route", version: "" }),
          tool("Full ü", { function_name: "odd name" }),
        ],
      });
      await pair.get("/agents?namespace=full");
    },
  },
  {
    name: "ids that are refused, and the longest that is not",
    run: async (pair) => {
      for (const agent_id of [...BAD_NAMES, "a".repeat(254)]) await pair.post({ agent_id });
      await pair.post({ agent_id: "i".repeat(253), name: "longest-id", namespace: "longest-id" });
      await pair.post({ agent_id: "i".repeat(64) });
      await pair.get("/agents?namespace=longest-id");
    },
  },
  {
    name: "names and namespaces that are refused, and the longest that are not",
    run: async (pair) => {
      for (const bad of ["", ...BAD_NAMES, "n".repeat(64)]) {
        await pair.post({ agent_id: "badly-named", name: bad });
        await pair.post({ agent_id: "badly-named", namespace: bad });
      }
      await pair.head("badly-named");
      await pair.post({ agent_id: "well-named", name: "n".repeat(63), namespace: "n".repeat(63) });
      await pair.get(`/agents?namespace=${"n".repeat(63)}`);
    },
  },
  {
    name: "kinds of agents and runtimes",
    run: async (pair) => {
      for (const agent_type of ["robot", "", "API"]) await pair.post({ agent_id: "odd-kind", agent_type });
      for (const runtime of ["cobol", "", "Python"]) await pair.post({ agent_id: "odd-kind", runtime });
      await pair.head("odd-kind");
      for (const agent_type of ["mcp_agent", "api", "a2a", "mesh_tool", "decorator_agent"]) {
        await pair.post({ agent_id: `kind-${agent_type.replace("_", "-")}`, agent_type, namespace: "kinds" });
      }
      for (const runtime of ["python", "typescript", "java"]) {
        await pair.post({ agent_id: `runs-${runtime}`, runtime, namespace: "kinds" });
      }
      await pair.get("/agents?namespace=kinds");
    },
  },
  {
    name: "endpoints",
    run: async (pair) => {
      const places = [
        { http_host: "10.0.0.7", http_port: 8080 },
        { http_host: "host.example", http_port: 65_535 },
        { http_host: "HOST.Example", http_port: 1 },
        { http_host: "0.0.0.0", http_port: 80 },
        { http_host: "[::1]", http_port: 80 },
        { http_host: "", http_port: 80 },
        { http_host: "h", http_port: 0 },
        { http_host: "h", http_port: -1 },
        { http_host: "h" },
        { http_port: 80 },
      ];
      for (const [i, place] of places.entries()) {
        await pair.post({ agent_id: `placed-${i}`, namespace: "placed", ...place });
      }
      await pair.get("/agents?namespace=placed");
    },
  },
  {
    name: "descriptions",
    run: async (pair) => {
      const described = (id: string, description: string) =>
        pair.post({ agent_id: id, namespace: "described", description });
      await described("described-plain", "x".repeat(256));
      await described("described-long", ` ${"x".repeat(300)} `);
      await described("described-blank", "   ");
      await described("described-lines", "one\ntwo\ttabbed");
      await described("described-waves", "🌊".repeat(64));
      await described("described-umlauts", "ü".repeat(128));
      await pair.get("/agents?namespace=described");
    },
  },
  {
    name: "tools that are skipped, and what others lack",
    run: async (pair) => {
      const tools = [
        { function_name: "no_capability" },
        { capability: "skipped" },
        { function_name: "", capability: "skipped" },
        { function_name: "empty_capability", capability: "" },
        {},
        tool("tools-null", { version: null, tags: null, description: null, kwargs: null, dependencies: null }),
        tool("tools-empty", { version: "", tags: [], description: "", kwargs: {}, dependencies: [] }),
        tool("tools-task", { kwargs: { task: true } }),
        tool("tools-no-task", { kwargs: { task: false } }),
        tool("tools-text-task", { kwargs: { task: "true" } }),
        tool("tools-number-task", { kwargs: { task: 1 } }),
        tool("tools-described", { description: `  ${"d".repeat(300)}` }),
      ];
      await pair.post(agent("toolbox", tools));
      await pair.get("/agents?capabilities=tools-null");
      await pair.get("/agents?capabilities=skipped");
    },
  },
  {
    name: "one function for several capabilities, and the other way round",
    run: async (pair) => {
      const tools = [
        tool("twice-a", { function_name: "same" }),
        tool("twice-b", { function_name: "same", dependencies: [{ capability: "twice-c" }] }),
        tool("twice-c", { function_name: "same", dependencies: [{ capability: "twice-a" }, { capability: "nobody" }] }),
        tool("twice-a", { function_name: "other" }),
      ];
      const answered = { "functions by name": ['body.dependencies_resolved.same[1].function_name: "same" → "other"'] };
      const listed = { "functions by name": ['body.agents[0].dependency_resolutions[1].mcp_tool: "same" → "other"'] };
      await pair.post(agent("twice", tools), answered);
      await pair.get("/agents?capabilities=twice-a", listed);
      await pair.post(agent("twice", tools), answered);
      await pair.get("/agents?capabilities=twice-a", listed);
    },
  },
];
