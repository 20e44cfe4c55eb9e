/** What happened, and why a provider was chosen (contract A11, B "Audit"). */

import { agent, consumer, type Scenario, tool } from "../scenario.ts";

export const events: readonly Scenario[] = [
  {
    name: "coming and going",
    run: async (pair) => {
      const coming = agent("told", ["told"], { name: "told-name", version: "1.2.3", agent_type: "mesh_tool" });
      await pair.post(coming);
      await pair.post(coming);
      await pair.leave("told");
      await pair.post(coming);
      await pair.post(agent("told", ["told", "told-more"], { version: "2" }));
      await pair.get("/events?agent_id=told");
      await pair.get("/events?agent_id=told&type=register");
      await pair.get("/events?agent_id=told&type=unregister");
      await pair.post(consumer("told-api", []));
      await pair.leave("told-api");
      await pair.get("/events?agent_id=told-api");
    },
  },
  {
    name: "leaving twice",
    run: async (pair) => {
      await pair.post(agent("told-twice", []));
      await pair.leave("told-twice");
      await pair.get("/events?agent_id=told-twice");
      await pair.leave("told-twice");
      await pair.get("/events?agent_id=told-twice&type=unregister", {
        "leaving is told once": ["body.count: 2 → 1", "body.events[1]: {…"],
      });
    },
  },
  {
    name: "filters and limits",
    run: async (pair) => {
      for (const id of ["limited-1", "limited-2", "limited-3"]) await pair.post(agent(id, ["limited"]));
      for (const limit of ["3", "1", "0", "-1", "", "x", "1.5", "99999999999999999999"]) {
        await pair.get(`/events?type=register&agent_id=limited-1&limit=${limit}`);
      }
      await pair.get("/events?limit=3");
      await pair.get("/events?type=register&limit=2");
      await pair.get("/events?type=nothing");
      await pair.get("/events?agent_id=nobody");
      await pair.get("/events?function_name=nothing");
      await pair.get("/events?type=&agent_id=limited-2");
      await pair.get("/events?Type=nothing&agent_id=limited-2&other=1");
    },
  },
  {
    name: "a choice among two is audited, a forced one is not",
    run: async (pair) => {
      const wanting = consumer("audit-user", [{ capability: "audit", tags: ["+fast"] }]);
      await pair.post(agent("audit-1", [tool("audit", { version: "1.0.0", tags: ["fast"] })]));
      await pair.post(wanting);
      await pair.get("/events?agent_id=audit-user");
      await pair.post(agent("audit-2", [tool("audit", { version: "2.0.0" })]));
      await pair.post(wanting);
      await pair.post(wanting);
      await pair.get("/events?agent_id=audit-user");
      await pair.get("/events?agent_id=audit-user&function_name=use");
      await pair.leave("audit-1");
      await pair.post(wanting);
      await pair.get("/events?agent_id=audit-user");
      await pair.leave("audit-2");
      await pair.post(wanting);
      await pair.get("/events?agent_id=audit-user");
      await pair.get("/events?agent_id=audit-user&type=dependency_unresolved");
      await pair.post(agent("audit-2", [tool("audit", { version: "2.0.0" })]));
      await pair.post(wanting);
      await pair.get("/events?agent_id=audit-user");
    },
  },
  {
    name: "every reason for which a candidate is dropped",
    run: async (pair) => {
      const schema = { type: "object", properties: { a: { type: "string" } }, required: ["a"] };
      const hash = `sha256:${"b".repeat(64)}`;
      const offered = (id: string, fields: object) => pair.post(agent(id, [tool("dropped", fields)]));
      await offered("dropped-version", { version: "1.0.0", tags: ["good"] });
      await offered("dropped-tag", { version: "3.0.0" });
      await offered("dropped-extra", { version: "3.0.0", tags: ["good", "bad"] });
      await offered("dropped-health", { version: "3.0.0", tags: ["good"] });
      await offered("dropped-schema", {
        version: "3.0.0",
        tags: ["good"],
        outputSchemaCanonical: { type: "object", properties: {} },
        outputSchemaHash: `sha256:${"c".repeat(64)}`,
      });
      await offered("dropped-need", {
        version: "3.0.0",
        tags: ["good"],
        dependencies: [{ capability: "dropped-absent", required: true }],
      });
      await pair.leave("dropped-health");
      const spec = {
        capability: "dropped",
        tags: ["good", "-bad", ["good", "better"]],
        version: ">=2",
        matchMode: "subset",
        expectedSchemaCanonical: schema,
        expectedSchemaHash: hash,
      };
      await pair.post(consumer("drop-user", [spec]));
      await pair.get("/events?agent_id=drop-user");
      await offered("dropped-not", { version: "2.0.0", tags: ["good"] });
      await offered("dropped-nor", { version: "2.1.0", tags: ["good"] });
      await pair.post(consumer("drop-user", [spec]));
      await pair.get("/events?agent_id=drop-user");
      await pair.post(
        consumer("drop-strict", [{ capability: "dropped", matchMode: "strict", expectedSchemaHash: hash }]),
      );
      await pair.get("/events?agent_id=drop-strict");
      await pair.post(consumer("drop-group", [{ capability: "dropped", tags: [["x", "y"]] }]));
      await pair.get("/events?agent_id=drop-group");
      await pair.post(consumer("drop-never", [{ capability: "never-offered" }]));
      await pair.get("/events?agent_id=drop-never");
    },
  },
  {
    name: "slots of several dependencies and functions",
    run: async (pair) => {
      for (const id of ["slot-1", "slot-2"]) await pair.post(agent(id, ["slot"]));
      const uses = (function_name: string) => ({
        function_name,
        capability: `slots-${function_name}`,
        dependencies: [{ capability: "slot" }, { capability: "slot", version: "^1" }],
      });
      await pair.post({ agent_id: "slots", agent_type: "api", tools: [uses("one"), uses("two")] });
      await pair.get("/events?agent_id=slots&function_name=one");
      await pair.get("/events?agent_id=slots&function_name=two");
    },
  },
];
