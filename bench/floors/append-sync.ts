/**
 * How many records of a size this disk takes per second when each is safe before it is answered: the floor under every
 * durable registration.
 *
 * As many writers as there are clients append to one file. What is waiting when a sync ends goes into the next one, as in a
 * log with group commit; so does what came while it was on its way. No network, no encoding, no consensus.
 */

import { mkdir, mkdtemp, open, rm } from "node:fs/promises";
import { join } from "node:path";

export interface AppendOptions {
  /** On the same file system as what it is compared with. */
  readonly parent: string;
  readonly recordBytes: number;
  readonly writers: number;
  readonly seconds: number;
}

export interface AppendResult {
  readonly perSecond: number;
  readonly syncsPerSecond: number;
}

export async function appendAndSync({ parent, recordBytes, writers, seconds }: AppendOptions): Promise<AppendResult> {
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, "append-"));
  const file = await open(join(folder, "log"), "a");
  try {
    // Every writer waits for the sync that holds its record, and then has the next one ready: all of them each time.
    const batch = Buffer.alloc(recordBytes * writers, "r");
    const beganAt = performance.now();
    const elapsed = () => (performance.now() - beganAt) / 1_000;
    let syncs = 0;
    while (elapsed() < seconds) {
      await file.write(batch);
      await file.datasync();
      syncs++;
    }
    const took = elapsed();
    return { perSecond: (syncs * writers) / took, syncsPerSecond: syncs / took };
  } finally {
    await file.close();
    await rm(folder, { recursive: true, force: true });
  }
}
