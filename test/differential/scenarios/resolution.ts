/** Who is chosen for a dependency (contract A6). */

import { agent, consumer, type Scenario, tool } from "../scenario.ts";

const TAG_PROVIDERS: readonly (readonly string[])[] = [
  ["utc", "fast"],
  ["utc", "slow"],
  ["local", "eu"],
  ["utc", "fast", "slow", "beta"],
  [],
  ["UTC", "", "+fast", "-slow"],
];

const TAG_CONSTRAINTS: readonly (readonly (string | readonly string[])[])[] = [
  ["utc"],
  ["utc", "fast"],
  ["UTC"],
  ["missing"],
  [""],
  ["+"],
  ["-"],
  ["+fast"],
  ["+slow", "+fast"],
  ["+nope"],
  ["++fast"],
  ["-slow"],
  ["-slow", "-fast"],
  ["-slow", "-fast", "-local"],
  ["--slow"],
  ["utc", "-beta"],
  ["utc", "-fast", "-slow"],
  ["utc", "+slow", "-beta"],
  ["+utc", "-utc"],
  ["utc", "utc"],
  [["utc", "local"]],
  [["+local", "utc"]],
  [["fast", "slow"], "+slow"],
  [["+fast", "+slow"]],
  [["+utc", "fast"]],
  [["-x"]],
  [["-utc", "local"]],
  [["-utc", "utc"]],
  [["-beta", "slow"]],
  [["+nope"]],
  [["nope", "never"]],
  [[]],
  [["", "utc"]],
  [[""]],
  ["utc", ["fast", "eu"]],
  [
    ["utc", "local"],
    ["slow", "eu"],
  ],
];

/** Each is offered alone under a capability of its own, so that one request asks about all of them. */
const VERSIONS = [
  "0.0.3",
  "0.2.9",
  "1",
  "v1.2",
  "01.4.2",
  "1.4.2+build.7",
  "1.5.0-beta.11",
  "2.0.0-alpha",
  "2.1.0",
  "10.0.0",
  "1.2.3.4",
  "latest",
];

const CONSTRAINTS = [
  "",
  " ",
  "*",
  "x",
  "1",
  "1.4",
  "1.4.2",
  "v1.4.2",
  "=1.4.2",
  "==1.4.2",
  "1.x",
  "^1.4",
  "^0.2.3",
  "^0.0.3",
  "~1.4.1",
  "~>1.4",
  "~1",
  ">=1.4",
  ">1.4",
  ">1",
  "<=1.4",
  "<1.4.2-beta",
  "=>1",
  "=<1.4.2",
  "!=1.4",
  "!=2.1.0",
  ">=1, <2",
  ">=1 <2",
  ">= 1.0 < 2",
  "1.4 - 2.0",
  "^1 || ^2",
  "1.4.2 ||",
  ">=2.0.0-alpha",
  ">=2.1.0-0",
  "2.0.0-alpha",
  "latest",
  "1.2.3.4",
  ">",
  "^v1",
  "not a constraint",
];

export const resolution: readonly Scenario[] = [
  {
    name: "tags",
    run: async (pair) => {
      for (const [i, tags] of TAG_PROVIDERS.entries()) {
        await pair.post(agent(`tagged-${i}`, [tool("tagged", { tags, version: `1.0.${i}` })]));
      }
      for (const [i, tags] of TAG_CONSTRAINTS.entries()) {
        await pair.post(consumer(`tag-user-${i}`, [{ capability: "tagged", tags }]));
      }
      await pair.get("/agents?capabilities=use-tag-user-&fuzzy=true");
    },
  },
  {
    name: "versions",
    run: async (pair) => {
      for (const [i, version] of VERSIONS.entries()) {
        await pair.post(agent(`versioned-${i}`, [tool(`versioned-${i}`, { version })]));
      }
      for (const [i, version] of CONSTRAINTS.entries()) {
        const dependencies = VERSIONS.map((_, provider) => ({ capability: `versioned-${provider}`, version }));
        await pair.post(consumer(`version-user-${i}`, dependencies));
      }
    },
  },
  {
    name: "ties: score, then version, then id",
    run: async (pair) => {
      const tied = (id: string, version: string, tags: readonly string[] = []) =>
        pair.post(agent(id, [tool("tied", { version, tags })]));
      const ask = (id: string, dependency: object = {}) =>
        pair.post(consumer(id, [{ capability: "tied", ...dependency }]));
      await tied("tied-m", "1.0.0");
      await ask("tie-1");
      await tied("tied-b", "1.0");
      await ask("tie-2");
      await tied("tied-z", "v1.0.0+build");
      await ask("tie-3");
      await tied("tied-y", "odd");
      await tied("tied-x", "odder");
      await ask("tie-4");
      await tied("tied-n", "2.0.0-rc.1");
      await ask("tie-5");
      await ask("tie-6", { version: ">=2.0.0-0" });
      await tied("tied-o", "2.0.0");
      await ask("tie-7");
      await ask("tie-8", { version: "^1" });
      await tied("tied-p", "0.1.0", ["good"]);
      await ask("tie-9", { tags: ["+good"] });
      await ask("tie-10", { version: "odd" });
      await pair.leave("tied-o");
      await ask("tie-11");
    },
  },
  {
    name: "an answer for each dependency, in their order",
    run: async (pair) => {
      await pair.post(agent("ordered", [tool("ordered", { kwargs: { timeout: 5, deep: { list: [1, null, 1.5] } } })]));
      await pair.post(agent("ordered-empty", [tool("ordered-plain", { kwargs: {} })], { http_host: "0.0.0.0" }));
      await pair.post({ agent_id: "ordered-stdio", tools: [tool("ordered-stdio")] });
      await pair.post(
        consumer("ordering", [
          { capability: "ordered-stdio" },
          { capability: "nobody" },
          { capability: "ordered" },
          { capability: "ordered-plain" },
          { capability: "ordered" },
          { capability: "Ordered" },
          { capability: "ordered", namespace: "elsewhere" },
          { capability: "ordered", tags: null, version: null, required: null },
        ]),
      );
      await pair.get("/agents?capabilities=use-ordering");
      await pair.post({ agent_id: "ordering-nothing", tools: [tool("ordering-nothing"), tool("ordering-less")] });
    },
  },
  {
    name: "an agent's own capabilities, and those of other namespaces",
    run: async (pair) => {
      const own = [tool("own"), tool("own-use", { dependencies: [{ capability: "own" }] })];
      await pair.post(agent("own", own));
      await pair.post(agent("own", own));
      await pair.post(agent("own-abroad", [tool("own-abroad")], { namespace: "abroad" }));
      await pair.post(consumer("own-user", [{ capability: "own-abroad" }], { namespace: "home" }));
    },
  },
  {
    name: "two functions of one agent offer the same",
    run: async (pair) => {
      const offered = (function_name: string, version: string) => ({ function_name, capability: "doubled", version });
      await pair.post(
        agent("doubled", [offered("zulu", "1.0.0"), offered("alpha", "1.0.0"), offered("mike", "2.0.0")]),
      );
      await pair.post(consumer("doubling", [{ capability: "doubled" }, { capability: "doubled", version: "^2" }]));
    },
  },
];
