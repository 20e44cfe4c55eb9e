/** The filters of `GET /agents` (contract A5). */

import { agent, consumer, type Scenario, tool } from "../scenario.ts";

const QUERIES = [
  "capabilities=list-date",
  "capabilities=LIST-DATE",
  "capabilities=list-da",
  "capabilities=list-da&fuzzy=true",
  "capabilities=LIST-da&fuzzy=1",
  "capabilities=IST-ZER&fuzzy=T",
  "capabilities=LIST-ZERO&fuzzy=false&fuzzy=true",
  "capabilities=list-date&capabilities=list-zero",
  "capabilities=list-date,list-zero",
  "capabilities=list-date&capabilities=",
  "capabilities=none-such&capabilities=list-zero",
  "capabilities=list%2Ddate",
  "capabilities=list+blank",
  "capabilities=list%20blank",
  "namespace=lists",
  "namespace=LISTS&fuzzy=true",
  "namespace=lists&namespace=default",
  "namespace=lists&capabilities=",
  "namespace=lists&fuzzy=",
  "namespace=lists&fuzzy=true",
  "namespace=lists&status=healthy",
  "namespace=lists&status=unhealthy",
  "namespace=lists&status=unhealthy&status=healthy",
  "namespace=lists&status=",
  "namespace=lists&status=weird",
  "namespace=lists&status=unknown",
  "namespace=lists&status=degraded",
  "namespace=lists&Status=unhealthy",
  "namespace=lists&type=mcp_agent",
  "namespace=lists&type=api",
  "namespace=lists&type=mcp_agent&type=api",
  "namespace=lists&type=",
  "namespace=lists&type=nope",
  "namespace=lists&status=healthy&type=mcp_agent&capabilities=list-zero",
  "namespace=lists&limit=1",
  "namespace=lists&limit=x&offset=1&page=2",
  "namespace=lists&tags=utc&name=x&version=9",
  "namespace=lists&&x=",
  "namespace=lists%20",
];

const REFUSED = ["fuzzy=maybe", "fuzzy=yes&capabilities=list-date", "fuzzy=2", "fuzzy=tRUE"];
const GO_BOOLS = ["0", "f", "F", "false", "FALSE", "False", "t", "TRUE", "True"];

export const listing: readonly Scenario[] = [
  {
    name: "filters",
    run: async (pair) => {
      const listed = { namespace: "lists" };
      await pair.post(agent("list-clock", [tool("list-date", { tags: ["utc"] }), "list-both"], listed));
      await pair.post(agent("list-zero", ["list-zero", "list-both"], listed));
      await pair.post(agent("list-gone", ["list-date"], listed));
      await pair.post(agent("list-blank", ["list blank"], { agent_type: "mesh_tool" }));
      await pair.post(consumer("list-user", [{ capability: "list-date" }], listed));
      await pair.leave("list-gone");
      for (const query of QUERIES) await pair.get(`/agents?${query}`);
    },
  },
  {
    name: "pages",
    run: async (pair) => {
      for (const id of ["paged-1", "paged-2"]) await pair.post({ agent_id: id, namespace: "paged" });
      await pair.get("/agents?namespace=paged&limit=1");
      await pair.get("/agents?namespace=paged&limit=1&cursor=", {
        pages: ["body.agents[1]: {…", "body.count: 2 → 1", "body.next_cursor: (none) → …"],
      });
    },
  },
  {
    name: "truth as Go reads it",
    run: async (pair) => {
      for (const query of REFUSED) await pair.get(`/agents?${query}`);
      for (const text of GO_BOOLS) await pair.get(`/agents?capabilities=LIST-date&fuzzy=${text}`);
    },
  },
  {
    name: "dependencies as the list shows them",
    run: async (pair) => {
      await pair.post(agent("shown-provider", ["shown", tool("shown-tagged", { tags: ["a", "b"] })]));
      const dependencies = [
        { capability: "shown" },
        { capability: "shown-tagged", tags: ["a", "+z"] },
        { capability: "shown-tagged", tags: ["b", ["a", "c"]] },
        { capability: "shown-tagged", version: "^9", tags: [["a"]] },
        { capability: "shown-nowhere", required: true },
      ];
      await pair.post(
        agent("shown-consumer", [
          tool("shown-first", { dependencies }),
          tool("shown-second", { dependencies: [{ capability: "shown" }] }),
        ]),
      );
      await pair.get("/agents?capabilities=shown-first");
      await pair.leave("shown-provider");
      await pair.get("/agents?capabilities=shown-first", {
        "resolved when read": ["body.agents[0].dependencies_resolved: 4 → 0"],
      });
      await pair.post(agent("shown-provider", ["shown"]));
      const gone = (place: number) =>
        ["endpoint", "mcp_tool", "provider_agent_id"]
          .map((field) => `body.agents[0].dependency_resolutions[${place}].${field}: …`)
          .concat(`body.agents[0].dependency_resolutions[${place}].status: "unavailable" → "unresolved"`);
      const back = (place: number) =>
        `body.agents[0].dependency_resolutions[${place}].status: "unavailable" → "available"`;
      await pair.get("/agents?capabilities=shown-first", {
        "resolved when read": ["body.agents[0].dependencies_resolved: 4 → 2", back(0), ...gone(2), ...gone(3), back(5)],
      });
    },
  },
];
