/** What it takes to keep another region's summary in memory. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { loadHash64 } from "../src/federation/hash64.ts";
import { SummaryReplica } from "../src/federation/summary-replica.ts";
import type { SummaryEntry } from "../src/types/summary.ts";

/** An entry as another region tells it: its text is its own, as it is when it was read from a message. */
export function sampleEntry(i: number): SummaryEntry {
  return JSON.parse(
    JSON.stringify({
      name: `document-search-${i}`,
      healthy: 3,
      total: 3,
      versions: ["1.2.0"],
      tags: ["english", "fast"],
      revision: 1_000 + i,
    }),
  ) as SummaryEntry;
}

/** Bytes of heap that a replica of so many capabilities holds, divided by their number. */
export async function replicaBytesPerCapability(capabilities: number): Promise<number> {
  const hash64 = await loadHash64();
  const collect = garbageCollector();
  collect();
  const before = process.memoryUsage().heapUsed;
  const replica = new SummaryReplica(hash64);
  for (let i = 0; i < capabilities; i++) replica.merge(sampleEntry(i));
  collect();
  const held = process.memoryUsage().heapUsed - before;
  // Read after the measurement, so that the replica is alive during it.
  return held / replica.size;
}

function garbageCollector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}
