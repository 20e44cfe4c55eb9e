/** What a later heartbeat changes, and what it leaves (contract A2, "Update rules"). */

import { agent, type Scenario, tool } from "../scenario.ts";

/** Registered with the first fields, then sent the second. */
const CHANGES: readonly (readonly [name: string, first: object, then: object])[] = [
  ["port-negative", { http_host: "h", http_port: 80 }, { http_port: -1 }],
  ["port-zero", { http_host: "h", http_port: 80 }, { http_port: 0 }],
  ["port-moves", { http_host: "h", http_port: 80 }, { http_port: 81 }],
  ["host-empty", { http_host: "h", http_port: 80 }, { http_host: "" }],
  ["host-in-capitals", { http_host: "HOST.Example", http_port: 80 }, { http_port: 81 }],
  ["host-of-ipv6", { http_host: "[::1]", http_port: 80 }, { http_port: 81 }],
  ["host-moves", { http_host: "h", http_port: 80 }, { http_host: "h2" }],
  ["host-lost", { http_host: "h", http_port: 80 }, { http_host: "", http_port: 0 }],
  ["place-found", {}, { http_host: "h", http_port: 80 }],
  ["description-new", { description: "d" }, { description: " e " }],
  ["description-empty", { description: "d" }, { description: "" }],
  ["description-blank", { description: "d" }, { description: "  " }],
  ["description-null", { description: "d" }, { description: null }],
  ["version-new", { version: "1" }, { version: "2" }],
  ["version-empty", { version: "1" }, { version: "" }],
  ["version-null", { version: "1" }, { version: null }],
  ["a2a-false", { a2a_producer: true, a2a_consumer: true }, { a2a_producer: false }],
  ["a2a-null", { a2a_producer: true, a2a_consumer: true }, { a2a_producer: null, a2a_consumer: null }],
  ["type-to-default", { agent_type: "mesh_tool" }, { agent_type: "mcp_agent" }],
  ["type-from-default", { agent_type: "mcp_agent" }, { agent_type: "mesh_tool" }],
  ["type-changes", { agent_type: "mesh_tool" }, { agent_type: "a2a" }],
  ["type-robot", { agent_type: "mesh_tool" }, { agent_type: "robot" }],
  ["runtime-to-default", { runtime: "java" }, { runtime: "python" }],
  ["runtime-changes", { runtime: "python" }, { runtime: "java" }],
  ["runtime-cobol", { runtime: "java" }, { runtime: "cobol" }],
  ["name-changes", { name: "first" }, { name: "second" }],
  ["name-to-default", { name: "first" }, { name: "changed-name-to-default" }],
  ["name-empty", { name: "first" }, { name: "" }],
  ["name-unchecked", { name: "first" }, { name: "Bad_Name" }],
  ["tools-silent", { tools: [tool("u-silent")] }, { tools: undefined }],
  ["tools-null", { tools: [tool("u-null")] }, { tools: null }],
  ["tools-none", { tools: [tool("u-none")] }, { tools: [] }],
  ["tools-replaced", { tools: [tool("u-old")] }, { tools: [tool("u-new", { tags: ["t"] })] }],
];

export const updates: readonly Scenario[] = [
  {
    name: "what each field does",
    run: async (pair) => {
      for (const [name, first, then] of CHANGES) {
        const id = `changed-${name}`;
        const lasting = { agent_id: id, tools: [tool(id)] };
        await pair.post({ ...lasting, ...first });
        await pair.post({ ...lasting, ...then });
      }
      for (const [name] of CHANGES) await pair.get(`/agents?capabilities=changed-${name}`);
      await pair.get("/agents?capabilities=u-&fuzzy=true");
    },
  },
  {
    name: "a namespace that changes, and one equal to the default",
    run: async (pair) => {
      const moving = (fields: object) => pair.post({ agent_id: "moving", tools: [tool("moving")], ...fields });
      await moving({ namespace: "here" });
      await moving({ namespace: "there" });
      await pair.get("/agents?namespace=here");
      await pair.get("/agents?namespace=there");
      await moving({ namespace: "default" });
      await pair.get("/agents?namespace=there");
      await moving({ namespace: "Not_Checked" });
      await pair.get("/agents?namespace=Not_Checked");
    },
  },
  {
    name: "a heartbeat that says less than the first one",
    run: async (pair) => {
      const whole = agent("sparse", ["sparse"], {
        name: "sparse-name",
        agent_type: "mesh_tool",
        runtime: "java",
        version: "1",
        description: "first",
        a2a_producer: true,
      });
      await pair.post(whole);
      await pair.post({ agent_id: "sparse", tools: [tool("sparse")] });
      await pair.get("/agents?capabilities=sparse");
    },
  },
  {
    name: "an unhealthy agent takes the same path, refusals included",
    run: async (pair) => {
      await pair.post(agent("revived", ["revived"], { version: "1", runtime: "java" }));
      await pair.leave("revived");
      await pair.post(agent("revived", ["revived"], { version: "2", name: "Bad!" }));
      await pair.get("/agents?capabilities=revived");
      await pair.leave("revived");
      await pair.post(agent("revived", ["revived"], { runtime: "cobol" }));
      await pair.get("/agents?capabilities=revived");
    },
  },
];
