/** Fast heartbeats and leaving: who is told what (contract A3, A4). */

import { agent, consumer, type Scenario, tool } from "../scenario.ts";

export const heartbeats: readonly Scenario[] = [
  {
    name: "200 as long as nothing happens",
    run: async (pair) => {
      await pair.post(agent("calm", ["calm"]));
      await pair.head("calm");
      await pair.head("calm?x=1");
      await pair.post(agent("calm", ["calm"]));
      await pair.head("calm");
      await pair.send({ method: "HEAD", path: "/heartbeat/calm", body: "{" });
    },
  },
  {
    name: "410 for those who are not known",
    run: async (pair) => {
      for (const id of ["nobody", "x".repeat(400), "UPPER", "a%20b", "a%0Ab", "%C3%A4"]) await pair.head(id);
    },
  },
  {
    name: "202 until the consumer posts, when its provider comes and goes",
    run: async (pair) => {
      const asking = consumer("asking", [{ capability: "asked-for" }]);
      await pair.post(asking);
      await pair.head("asking");
      await pair.post(agent("asked", ["asked-for"]));
      await pair.head("asking");
      await pair.head("asking");
      await pair.post(asking);
      await pair.head("asking");
      await pair.head("asked");
      await pair.leave("asked");
      await pair.head("asking");
      await pair.head("asked");
      await pair.post(asking);
      await pair.head("asking");
      await pair.post(agent("asked", ["asked-for"]));
      await pair.head("asking");
      await pair.post(asking);
      await pair.head("asking");
    },
  },
  {
    name: "the coming and going of agents of type api",
    run: async (pair) => {
      await pair.post(agent("bystander", ["bystander"]));
      await pair.post(consumer("passing", [{ capability: "bystander" }]));
      await pair.head("bystander");
      await pair.head("passing");
      await pair.leave("passing");
      await pair.head("passing");
      await pair.head("bystander");
      await pair.post(consumer("passing", [{ capability: "bystander" }]));
      await pair.head("bystander");
      await pair.head("passing");
    },
  },
  {
    name: "leaving twice, leaving unknown, and coming back",
    run: async (pair) => {
      await pair.post(agent("leaver", ["leaver"]));
      await pair.leave("leaver");
      await pair.get("/agents?capabilities=leaver");
      await pair.head("leaver");
      await pair.leave("leaver");
      await pair.leave("nobody-at-all");
      await pair.leave("UPPER_case");
      await pair.leave("x".repeat(400));
      await pair.get("/agents?capabilities=leaver&status=unhealthy");
      await pair.get("/agents?capabilities=leaver&status=healthy");
      await pair.post(agent("leaver", ["leaver"]));
      await pair.get("/agents?capabilities=leaver&status=healthy");
      await pair.send({ method: "DELETE", path: "/agents/leaver?force=true" });
      await pair.get("/agents?capabilities=leaver&status=unhealthy");
    },
  },
  {
    name: "a write is seen by the next node once that has applied it",
    run: async (pair) => {
      await pair.post(agent("hopping", ["hopping"]));
      for (let node = 0; node < 3; node++) {
        await pair.hop();
        await pair.get("/agents?capabilities=hopping");
        // No HEAD: what an agent was told on one node the others hear a moment later, and until then say 202.
        await pair.post(consumer(`hopped-${node}`, [{ capability: "hopping" }]));
      }
      await pair.leave("hopping");
      await pair.hop();
      await pair.head("hopping");
      await pair.get("/agents?capabilities=hopping");
    },
  },
  {
    name: "a running agent that moves, and one that offers more",
    run: async (pair) => {
      const watching = consumer("watching", [{ capability: "roaming" }, { capability: "roaming-more" }]);
      await pair.post(agent("roaming", ["roaming"]));
      await pair.post(watching);
      await pair.head("watching");
      await pair.post(agent("roaming", ["roaming"], { http_port: 8081 }));
      await pair.head("watching", { "moves are told": ["status: 200 → 202"] });
      await pair.post(watching);
      await pair.head("watching");
      await pair.post(agent("roaming", ["roaming", "roaming-more"], { http_port: 8081 }));
      await pair.head("watching", { "moves are told": ["status: 200 → 202"] });
      await pair.post(watching);
      await pair.head("watching");
    },
  },
  {
    name: "strangers come, go and come back",
    run: async (pair) => {
      const settled = agent("settled", [tool("settled", { dependencies: [{ capability: "settled-need" }] })]);
      await pair.post(settled);
      const spared = { "precise 202": ["status: 202 → 200"] };
      await pair.post(agent("stranger", ["stranger"]));
      await pair.head("settled", spared);
      await pair.post(settled);
      await pair.head("settled");
      await pair.leave("stranger");
      await pair.head("settled", spared);
      await pair.post(settled);
      await pair.post(agent("stranger", ["stranger"]));
      await pair.head("settled", spared);
      await pair.head("stranger", { "no news of itself": ["status: 202 → 200"] });
      await pair.post(agent("stranger", ["stranger"]));
      await pair.head("stranger");
    },
  },
];
