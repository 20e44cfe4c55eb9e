/** The node's identity: made at the first start, and as lasting as the store it lies in (docs/adr/0006). */

import { generateNodeKey } from "../network/libp2p-host.ts";
import type { NodeFacts } from "../storage/interface.ts";

const KEY_FACT = "node-key";

/** Resolves when it is on disk. */
export async function nodeKey(facts: NodeFacts): Promise<Uint8Array> {
  const kept = facts.get(KEY_FACT);
  if (kept !== undefined) return Uint8Array.from(kept);
  const key = generateNodeKey();
  await facts.put(KEY_FACT, key);
  return key;
}
