/** What a node says of the other regions and of itself, and waiting for it to say something else. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ApiClient, type RegionView } from "../src/cli/api-client.ts";
import type { FederationProcess } from "../test/support/federation-process.ts";

const POLL_MS = 10;
const TIMEOUT_MS = 120_000;

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)));

/** @throws Error when the node knows of no such region, or does not answer */
export async function regionAt(http: string, region: string): Promise<RegionView> {
  const found = (await new ApiClient(http).regions()).find((view) => view.region === region);
  if (found === undefined) throw new Error(`${http} knows of no region ${region}`);
  return found;
}

/** The node holds the whole summary of `region`, as of `revision` or later, with equal digests. */
export async function isEqualAt(http: string, region: string, revision: number): Promise<boolean> {
  const held = await regionAt(http, region);
  return held.inSync && held.revision >= revision;
}

/** Asks again and again; an attempt that fails counts as a no. @throws Error when it stays no for two minutes */
export async function untilTrue(isMet: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS;
  while (!(await isMet().catch(() => false))) {
    if (performance.now() > deadline) throw new Error(`waited ${TIMEOUT_MS} ms for ${what}`);
    await sleep(POLL_MS);
  }
}

/** The sum of a metric over its labels; 0 for one that counted nothing yet. */
export async function metric(http: string, name: string): Promise<number> {
  const text = await (await fetch(`${http}/metrics`)).text();
  const lines = text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"));
  return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
}

/** When a node first logged `code` of `region` since `sinceMs`, both in milliseconds since the Unix epoch. */
export async function loggedAt(
  federation: FederationProcess,
  name: string,
  { code, region, sinceMs }: { readonly code: string; readonly region: string; readonly sinceMs: number },
): Promise<number> {
  const log = await readFile(join(federation.dataDir, "nodes", `${name}.log`), "utf8");
  for (const line of log.split("\n").filter((text) => text.includes(`"${code}"`))) {
    const event = JSON.parse(line) as {
      readonly code: string;
      readonly region?: string;
      readonly time: number | string;
    };
    const time = new Date(event.time).getTime();
    if (event.code === code && event.region === region && time >= sinceMs) return time;
  }
  throw new Error(`${name} did not log ${code} of ${region}`);
}
