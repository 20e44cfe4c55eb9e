/** `atoll agents`: the agents of one region. */

import type { AgentView } from "../api-client.ts";
import { formatHealth, formatTable, type Output, printJson } from "../output.ts";
import { type ClientOptions, connect } from "./client-options.ts";

export interface AgentsOptions extends ClientOptions {
  readonly capability?: string;
  readonly health?: string;
  /** Most agents to show. */
  readonly limit: number;
}

const PAGE = 500;

export async function agents(options: AgentsOptions, output: Output): Promise<void> {
  const { listed, hasMore } = await list(options);
  if (options.json) return printJson(output, listed);
  const rows = listed.map((agent) => [
    agent.id,
    formatHealth(agent.health),
    agent.endpoint,
    agent.capabilities.map(({ name, version }) => `${name}@${version}`).join(" "),
  ]);
  output.print(formatTable(["AGENT", "HEALTH", "ENDPOINT", "CAPABILITIES"], rows));
  if (hasMore) output.note(`There are more: raise --limit above ${options.limit}.`);
}

async function list(options: AgentsOptions): Promise<{ listed: AgentView[]; hasMore: boolean }> {
  const { capability, health, limit } = options;
  const client = connect(options);
  const listed: AgentView[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.agents({ capability, health, cursor, limit: Math.min(PAGE, limit - listed.length) });
    listed.push(...page.agents);
    cursor = page.nextCursor;
  } while (cursor !== undefined && listed.length < limit);
  return { listed, hasMore: cursor !== undefined };
}
