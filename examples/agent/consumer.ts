/**
 * Finds an agent by what it can do, wherever it is, and calls it.
 *
 *   node --conditions=atoll-source examples/agent/consumer.ts Ada english
 */

import { AtollClient } from "atoll/client";

const [name = "Ada", ...tags] = process.argv.slice(2);
const { ATOLL_URLS = "http://127.0.0.1:8000,http://127.0.0.1:8100" } = process.env;

const atoll = new AtollClient({ urls: ATOLL_URLS.split(",") });
const { agents, complete, regions } = await atoll.lookup("greet", { tags, version: "^1.0" });
const [agent] = agents;

if (agent === undefined) {
  const silent = regions.filter(({ error }) => error !== undefined).map(({ region }) => region);
  console.error(complete ? "Nobody greets." : `Nobody found, but these regions did not answer: ${silent.join(", ")}`);
  process.exitCode = 1;
} else {
  const answer = await fetch(`${agent.endpoint}/?name=${encodeURIComponent(name)}`);
  const { greeting } = (await answer.json()) as { greeting: string };
  console.log(`${greeting} (${agent.id} in ${agent.region})`);
}
