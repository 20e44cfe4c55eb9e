/** What the scenarios are made of. */

import type { Request } from "./exchange.ts";
import type { Improvements, RegistryPair } from "./registry-pair.ts";

/** A story told to both registries; its requests go to one node of ours unless it hops. */
export interface Scenario {
  readonly name: string;
  readonly run: (pair: RegistryPair) => Promise<void>;
}

/** A tool that offers `capability`. */
export function tool(capability: string, fields: object = {}): object {
  return { function_name: `do_${capability}`, capability, ...fields };
}

/** An agent that can be reached, with one tool for each capability it is given by name. */
export function agent(id: string, tools: readonly (string | object)[], fields: object = {}): object {
  return {
    agent_id: id,
    http_host: "10.0.0.7",
    http_port: 8080,
    tools: tools.map((each) => (typeof each === "string" ? tool(each) : each)),
    ...fields,
  };
}

/** A consumer that nobody is told of, since agents of type `api` are no event. */
export function consumer(id: string, dependencies: readonly object[], fields: object = {}): object {
  const use = { function_name: "use", capability: `use-${id}`, dependencies };
  return { agent_id: id, agent_type: "api", tools: [use], ...fields };
}

/** `a`, `b`, ... : names for things that only have to differ. */
export function letter(index: number): string {
  return String.fromCharCode("a".charCodeAt(0) + index);
}

/** A heartbeat that is taken there, and refused here with a 4xx. */
export function refused(status: 400 | 413, taken: "registered" | "updated", resolved: object = {}): readonly string[] {
  return [
    `status: 200 → ${status}`,
    "body.agent_id: …",
    `body.dependencies_resolved: ${JSON.stringify(resolved)} → (none)`,
    "body.llm_tools: {} → (none)",
    `body.message: "Agent ${taken} via heartbeat" → (none)`,
    'body.status: "success" → (none)',
    'body.error: (none) → "…',
  ];
}

/** A heartbeat that is taken there, and refused here with 200 and a message that names the field. */
export function refusedSoftly(
  field: string,
  taken: "registered" | "updated",
  resolved: object = {},
): readonly string[] {
  return [
    `body.dependencies_resolved: ${JSON.stringify(resolved)} → (none)`,
    "body.llm_tools: {} → (none)",
    `body.message: "Agent ${taken} via heartbeat" → "validation failed: ${field}: …`,
    'body.status: "success" → "error"',
  ];
}

/** A redirect, which has a page for browsers there. */
export function bareRedirect({ method, path }: Request): Improvements {
  const type = 'headers.content-type: "text/html; charset=utf-8" → (none)';
  if (method === "HEAD") return { "bare redirects": [type] };
  if (method !== "GET") return {};
  const page = `<a href="${path.replace(/\/(?=\?|$)/, "")}">Moved Permanently</a>.\n\n`;
  return { "bare redirects": [type, `body: ${JSON.stringify(page)} → ""`] };
}
