/** Until a node that was started says that it can serve. */

import { type Clock, sleep } from "../../src/util/clock.ts";
import { allServe } from "../peers/atoll.ts";

const POLL_MS = 10;
const TIMEOUT_MS = 60_000;

/** @throws Error when it does not within a minute; the signal's reason */
export async function untilServing(
  url: string,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  const deadlineMs = clock.now() + TIMEOUT_MS;
  while (!(await allServe([url]))) {
    if (clock.now() > deadlineMs) throw new Error(`${url} can not serve after ${TIMEOUT_MS} ms`);
    await sleep(clock, POLL_MS, signal);
  }
}
