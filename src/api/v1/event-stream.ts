/** What streams of server-sent events have in common: how they are answered, and how they end when the node stops. */

import type { Readable } from "node:stream";
import type { FastifyReply } from "fastify";
import type { Clock } from "../../util/clock.ts";
import { jitter, type Random } from "../../util/random.ts";
import { goodbyeEvent } from "./watch-frames.ts";

/** A farewell that is not taken by then is cut short. */
const GOODBYE_MS = 1_000;
/** Clients are sent away together and should not all arrive together. */
const GOODBYE_RETRY_MS = 250;

export function sendEvents(reply: FastifyReply, stream: Readable): FastifyReply {
  return reply
    .type("text/event-stream; charset=utf-8")
    .header("cache-control", "no-store")
    .header("x-accel-buffering", "no")
    .header("connection", "close")
    .send(stream);
}

/** Tells all readers to go elsewhere. @param readers - leave it when their streams close */
export function sayGoodbye(
  readers: ReadonlySet<{ readonly stream: Readable }>,
  { clock, random }: { readonly clock: Clock; readonly random: Random },
): void {
  for (const { stream } of readers) {
    stream.push(goodbyeEvent(jitter(random, GOODBYE_RETRY_MS, 1)));
    stream.push(null);
  }
  clock.schedule(GOODBYE_MS, () => {
    for (const { stream } of readers) stream.destroy();
  });
}
