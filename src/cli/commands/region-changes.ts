/** `atoll regions rotate-key`: changes of how a region stands to the others. */

import { ApiClient } from "../api-client.ts";
import { type Output, printJson } from "../output.ts";
import type { ClientOptions } from "./client-options.ts";

/** Longer than a node waits for a leader and then for the write. */
const ANSWER_TIMEOUT_MS = 30_000;

export async function rotateKey({ url, json }: ClientOptions, output: Output): Promise<void> {
  const rotated = await new ApiClient(url, { timeoutMs: ANSWER_TIMEOUT_MS }).rotateRegionKey();
  if (json) return printJson(output, rotated);
  output.print(`${rotated.region} signs with a new key: ${rotated.publicKey}`);
  output.print("Other regions follow by themselves, also those that pinned the old key by configuration.");
}
