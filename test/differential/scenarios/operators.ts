/** What operators and their tools use (contract B, C "A2A"). */

import { agent, consumer, type Scenario } from "../scenario.ts";

const PROXY_REFUSALS = [
  "/proxy/",
  "/proxy/nobody:1",
  "/proxy/nobody:1/",
  "/proxy/nobody:1/foo",
  "/proxy/nobody:1/mcp",
  "/proxy/nobody:1/mcp/",
  "/proxy/nobody/mcp",
  "/proxy/127.0.0.1:22/mcp",
  "/proxy/http://nobody:1/mcp",
  "/proxy/nobody:x/mcp",
  "/proxy/:1/mcp",
  "/proxy/nobody:1/mcpx",
  "/proxy/nobody:1/foo/../mcp",
];

const SURFACES: readonly object[] = [
  {
    path: "/x",
    skill_id: "s",
    name: "n",
    description: "d",
    input_modes: ["text"],
    output_modes: ["text"],
    tags: ["t"],
  },
  { path: "/y", skill_id: "t" },
  { path: "", skill_id: "no-path" },
  { path: "/no-skill" },
  { path: "no-slash", skill_id: "u" },
];

export const operators: readonly Scenario[] = [
  {
    name: "drain",
    run: async (pair) => {
      const drain = (method: string, query = "") => pair.send({ method, path: `/admin/drain${query}` });
      await drain("GET");
      await drain("DELETE");
      await drain("POST");
      await drain("POST", "?x=1");
      await pair.hop();
      await drain("GET");
      await pair.post(agent("drained", ["drained"]));
      await pair.head("drained");
      await drain("DELETE");
      await drain("GET");
    },
  },
  {
    name: "rotate",
    run: async (pair) => {
      await pair.post(agent("rotated", ["rotated"]));
      await pair.post(consumer("rotated-api", [{ capability: "rotated" }]));
      await pair.head("rotated");
      await pair.send({ method: "POST", path: "/admin/rotate?entity_id=nobody" });
      await pair.head("rotated");
      await pair.send({ method: "POST", path: "/admin/rotate?entity_id=" });
      await pair.head("rotated");
      await pair.head("rotated-api");
      await pair.get("/events?agent_id=rotated");
      await pair.get("/events?agent_id=rotated-api");
      await pair.post(agent("rotated", ["rotated"]));
      await pair.head("rotated");
      await pair.send({ method: "POST", path: "/admin/rotate" });
      await pair.head("rotated");
    },
  },
  {
    name: "entities and traces",
    run: async (pair) => {
      for (const path of ["/admin/entities", "/trace/status", "/trace/info", "/trace/stats", "/trace/abc"]) {
        await pair.get(path);
      }
    },
  },
  {
    name: "A2A surfaces",
    run: async (pair) => {
      await pair.post({ agent_id: "surfaced", agent_type: "a2a", surfaces: SURFACES });
      await pair.get("/a2a/agents");
      await pair.post({ agent_id: "surfaced", agent_type: "a2a" });
      await pair.get("/a2a/agents?x=1");
      await pair.post({ agent_id: "surfaced-plainly", surfaces: SURFACES.slice(0, 1) });
      await pair.get("/a2a/agents");
      await pair.post({ agent_id: "surfaced", agent_type: "a2a", surfaces: [{ path: "/z", skill_id: "z" }] });
      await pair.leave("surfaced");
      await pair.get("/a2a/agents");
      await pair.post({ agent_id: "surfaced", agent_type: "a2a", surfaces: [] });
      await pair.get("/a2a/agents");
    },
  },
  {
    name: "what the proxy refuses",
    run: async (pair) => {
      for (const path of PROXY_REFUSALS) {
        await pair.get(path);
        await pair.send({ method: "POST", path, body: "{}" });
      }
    },
  },
  {
    name: "the proxy to an agent that does not answer",
    run: async (pair) => {
      await pair.post(agent("deaf", ["deaf"], { name: "deaf-name", http_host: "127.0.0.1", http_port: 1 }));
      for (const target of ["127.0.0.1:1", "deaf:1", "deaf-name:1", "127.0.0.1:2", "deaf:2", "deaf"]) {
        await pair.send({ method: "POST", path: `/proxy/${target}/mcp`, body: "{}" });
      }
      await pair.send({ method: "POST", path: "/proxy/127.0.0.1:1/elsewhere", body: "{}" });
      await pair.leave("deaf");
      await pair.send({ method: "POST", path: "/proxy/127.0.0.1:1/mcp", body: "{}" });
    },
  },
];
