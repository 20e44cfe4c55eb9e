/** Requests that exist to show where ours differs on purpose; what else differs is shown where it comes up. */

import type { BothAnswers, RegistryPair } from "../registry-pair.ts";
import { agent, consumer, refused, refusedSoftly, type Scenario, tool } from "../scenario.ts";

export const purpose: readonly Scenario[] = [
  {
    name: "descriptions are cut by characters, not refused by bytes",
    run: async (pair) => {
      const taken = [
        'body.message: "failed to register agent: …',
        'body.status: "error" → "success"',
        "body.dependencies_resolved: (none) → {}",
        "body.llm_tools: (none) → {}",
      ];
      const cut = 'body.warnings: (none) → ["description truncated from 300 to 256 chars"]';
      await pair.post({ agent_id: "cut-umlauts", description: "ü".repeat(129) }, { "characters, not bytes": taken });
      await pair.post(
        { agent_id: "cut-waves", description: "🌊".repeat(300) },
        { "characters, not bytes": [...taken, cut] },
      );
    },
  },
  {
    name: "bounds",
    run: async (pair) => {
      const bounds = (status: 400 | 413, taken: "registered" | "updated") => ({ bounds: refused(status, taken) });
      const text = (length: number) => "x".repeat(length);
      const nested = `${"[".repeat(65)}${"]".repeat(65)}`;
      await pair.post(`{"agent_id":"bounded","unknown":${nested}}`, bounds(400, "registered"));
      await pair.post({ agent_id: "bounded", unknown: new Array(33_000).fill(0) }, bounds(400, "updated"));
      await pair.post({ agent_id: "bounded", version: text(64 * 1024 + 1) }, bounds(400, "updated"));
      await pair.post(
        agent("bounded", [tool("bounded", { kwargs: { big: text(64 * 1024) } })]),
        bounds(413, "updated"),
      );
      await pair.post(agent("bounded", [tool("bounded", { tags: new Array(1_000).fill("t") })]), {
        bounds: refusedSoftly("capabilities[0].tags", "updated"),
      });
      await pair.post(
        { agent_id: "bounded", http_host: "h", http_port: 70_000 },
        {
          bounds: refusedSoftly("http_port", "updated"),
        },
      );
    },
  },
  {
    name: "hosts, modes and dependencies that make no sense",
    run: async (pair) => {
      const placed = (http_host: string, taken: "registered" | "updated") =>
        pair.post(
          { agent_id: "senseless", http_host, http_port: 80 },
          { "nonsense is refused": refusedSoftly("http_host", taken) },
        );
      await placed("a b", "registered");
      await placed("user@h", "updated");
      await placed("h/path?x#y", "updated");
      const needing = (dependency: { readonly capability?: string; readonly matchMode?: string }, field: string) => {
        const { capability = "" } = dependency;
        const use = [{ agent_id: "", capability, endpoint: "", function_name: "", status: "unresolved" }];
        return pair.post(consumer("senseless", [dependency]), {
          "nonsense is refused": refusedSoftly(field, "updated", { use }),
        });
      };
      await needing({ capability: "none-such", matchMode: "odd" }, "tools[0].dependencies[0].matchMode");
      await needing({ capability: "" }, "capabilities[0].dependencies[0].capability");
      await needing({}, "capabilities[0].dependencies[0].capability");
    },
  },
  {
    name: "bodies that are read generously there",
    run: async (pair) => {
      await strict(pair, '{"agent_id":"generous"} and more', "registered");
      await strict(pair, '{"AGENT_ID":"generous"}', "updated");
      await strict(pair, '{"agent_id":"generous","tools":[null]}', "updated");
      await strict(pair, '{"agent_id":"generous","tools":[{"dependencies":[null]}]}', "updated");
      await strict(pair, '{"agent_id":"generous","tools":[{"dependencies":[{"tags":[1]}]}]}', "updated");
      await strict(pair, '{"agent_id":"generous","tools":[{"dependencies":[{"tags":[[["x"]]]}]}]}', "updated");
    },
  },
  {
    name: "an address of IPv6",
    run: async (pair) => {
      await pair.post({ agent_id: "six", http_host: "::1", http_port: 80, namespace: "six" });
      await pair.get("/agents?namespace=six", {
        "IPv6 in brackets": ['body.agents[0].endpoint: "http://::1:80" → "http://[::1]:80"'],
      });
    },
  },
  {
    name: "host and port that arrive one after the other",
    run: async (pair) => {
      await pair.post({ agent_id: "apart", http_host: "h", namespace: "apart" });
      await pair.post({ agent_id: "apart", http_port: 80, namespace: "apart" });
      await pair.get("/agents?namespace=apart", {
        "host and port together": ['body.agents[0].endpoint: "http://h:80" → "stdio://apart"'],
      });
    },
  },
  {
    name: "slashes that are encoded",
    run: async (pair) => {
      await pair.head("a%2Fb", {
        "encoded slashes": ["status: 404 → 410", 'headers.content-type: "text/plain" → (none)'],
      });
      await pair.get("/trace/a%2Fb", {
        "encoded slashes": [
          'headers.content-type: "text/plain" → "application/json; charset=utf-8"',
          'body: "404 page not found" → {"enabled":false,"error":"tracing not enabled"}',
        ],
      });
    },
  },
  {
    name: "paths that only one of them has",
    run: async (pair) => {
      await pair.get("/jobs", {
        "no jobs": [
          "status: 200 → 404",
          'headers.content-type: "application/json; charset=utf-8" → "text/plain"',
          'body: {"jobs":[],"next_cursor":null} → "404 page not found"',
        ],
      });
      const served = (body: string) => [
        "status: 404 → 200",
        'headers.content-type: "text/plain" → "application/json; charset=utf-8"',
        `body: "404 page not found" → ${body}`,
      ];
      await pair.get("/capabilities?name=none-such", {
        "more paths": served('{"capabilities":[],"count":0,"timestamp":"<time>"}'),
      });
      await pair.get("/api/v1/agents?capability=none-such", { "more paths": served("[]") });
      await pair.get("/agents?capability=none-such&namespace=none-such", {
        "more paths": ['body: {"agents":null,"count":0,"timestamp":"<time>"} → []'],
      });
    },
  },
];

function strict(pair: RegistryPair, body: string, taken: "registered" | "updated"): Promise<BothAnswers> {
  return pair.post(body, { "bodies are read strictly": refused(400, taken) });
}
