/** Required dependencies: who is available, why not, and what may not be registered (contract A8). */

import type { BothAnswers, RegistryPair } from "../registry-pair.ts";
import { agent, consumer, type Scenario, tool } from "../scenario.ts";

function needing(id: string, capability: string, ...dependencies: object[]): object {
  return agent(id, [tool(capability, { dependencies: dependencies.map((each) => ({ required: true, ...each })) })]);
}

/** Whom the dependencies go to is another story: the real registry shows what was so at the consumer's last POST. */
function listed(pair: RegistryPair, query: string): Promise<BothAnswers> {
  return pair.get(`/agents?${query}`, {}, ["dependencies_resolved", "dependency_resolutions"]);
}

export const availability: readonly Scenario[] = [
  {
    name: "reasons, one level deep",
    run: async (pair) => {
      await pair.post(needing("need-plain", "need-plain", { capability: "need-absent" }));
      await pair.post(
        needing("need-all", "need-all", {
          capability: "need-absent",
          tags: ["a", "b"],
          version: ">=2.0.0",
          matchMode: "subset",
          expectedSchemaHash: `sha256:${"a".repeat(64)}`,
          expectedSchemaCanonical: { type: "object" },
        }),
      );
      await pair.post(needing("need-tags", "need-tags", { capability: "need-absent", tags: ["a", ["b", "c"], "+d"] }));
      await pair.post(needing("need-version", "need-version", { capability: "need-absent", version: "^1" }));
      await pair.post(needing("need-two", "need-two", { capability: "need-plain" }, { capability: "need-absent" }));
      await pair.post(needing("need-optional", "need-optional", { capability: "need-absent", required: false }));
      await listed(pair, "capabilities=need-&fuzzy=true");
      await pair.post(consumer("need-user", [{ capability: "need-plain" }, { capability: "need-optional" }]));
      await listed(pair, "capabilities=use-need-user");
    },
  },
  {
    name: "a chain that breaks and mends",
    run: async (pair) => {
      const asking = (id: string) =>
        pair.post(consumer(id, [{ capability: "chain-top" }, { capability: "chain-mid" }]));
      await pair.post(needing("chain-top", "chain-top", { capability: "chain-mid" }));
      await pair.post(needing("chain-mid", "chain-mid", { capability: "chain-end", version: ">=2", tags: ["good"] }));
      await asking("chain-1");
      await listed(pair, "capabilities=chain-&fuzzy=true");
      await pair.post(agent("chain-end", [tool("chain-end", { version: "1.0.0", tags: ["good"] })]));
      await asking("chain-2");
      await listed(pair, "capabilities=chain-&fuzzy=true");
      await pair.post(agent("chain-end", [tool("chain-end", { version: "2.1.0", tags: ["good"] })]));
      await asking("chain-3");
      await listed(pair, "capabilities=chain-&fuzzy=true");
      await pair.leave("chain-end");
      await asking("chain-4");
      await listed(pair, "capabilities=chain-&fuzzy=true");
      await pair.post(agent("chain-end", [tool("chain-end", { version: "2.1.0", tags: ["good"] })]));
      await asking("chain-5");
      await pair.leave("chain-mid");
      await listed(pair, "capabilities=chain-&fuzzy=true");
    },
  },
  {
    name: "one provider of two is enough",
    run: async (pair) => {
      await pair.post(needing("spare-user", "spare-user", { capability: "spare" }));
      await pair.post(agent("spare-1", ["spare"]));
      await pair.post(needing("spare-2", "spare", { capability: "spare-missing" }));
      await listed(pair, "capabilities=spare&fuzzy=true");
      await pair.leave("spare-1");
      await listed(pair, "capabilities=spare&fuzzy=true");
    },
  },
  {
    name: "cycles of required dependencies are refused",
    run: async (pair) => {
      await pair.post(needing("cycle-self", "cycle-self", { capability: "cycle-self" }));
      await pair.head("cycle-self");
      await pair.post(needing("cycle-1", "cycle-a", { capability: "cycle-b" }));
      await pair.post(needing("cycle-2", "cycle-b", { capability: "cycle-a" }));
      await pair.head("cycle-2");
      await pair.post(needing("cycle-2", "cycle-b", { capability: "cycle-a", required: false }));
      await listed(pair, "capabilities=cycle-b");
      await pair.post(needing("cycle-2", "cycle-b", { capability: "cycle-a" }));
      await listed(pair, "capabilities=cycle-&fuzzy=true");
      await pair.post(needing("cycle-3", "cycle-c", { capability: "cycle-a" }));
      await pair.post(needing("cycle-4", "cycle-b", { capability: "cycle-c" }));
      await pair.post(
        agent("cycle-5", [
          tool("cycle-x", { dependencies: [{ capability: "cycle-y", required: true }] }),
          tool("cycle-y", { dependencies: [{ capability: "cycle-x", required: true }] }),
        ]),
      );
      await pair.leave("cycle-1");
      await pair.post(needing("cycle-2", "cycle-b", { capability: "cycle-a" }));
      await listed(pair, "capabilities=cycle-&fuzzy=true");
    },
  },
];
