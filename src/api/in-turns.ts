/** Long work of one request, cut into turns of the event loop: a list must not keep a leader's heartbeats waiting. */

import type { Clock } from "../util/clock.ts";

/** A fraction of the time in which a leader has to be heard of. */
const TURN_MS_MAX = 10;

/** `items.map(map)`, with a pause for everything else whenever a turn has taken 10 ms. */
export async function mapInTurns<Item, Result>(
  items: readonly Item[],
  clock: Clock,
  map: (item: Item) => Result,
): Promise<Result[]> {
  const results: Result[] = [];
  let turnBeganAt = clock.now();
  for (const item of items) {
    if (clock.now() - turnBeganAt >= TURN_MS_MAX) {
      await new Promise<void>((resolve) => clock.afterIo(resolve));
      turnBeganAt = clock.now();
    }
    results.push(map(item));
  }
  return results;
}
