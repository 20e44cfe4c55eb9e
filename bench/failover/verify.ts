/** Whether every acknowledged registration is there, asked of every node so that the answer shows all that was acknowledged. */

import { type Clock, sleep } from "../../src/util/clock.ts";
import type { Sender } from "../load/client-pool.ts";
import type { PeerCluster } from "../peers/peer.ts";
import type { AcknowledgedAgent } from "./workload.ts";

export interface Lost {
  readonly checked: number;
  /** Missing on at least one node, or not told by it however often it was asked. */
  readonly missing: readonly AcknowledgedAgent[];
}

export interface VerifyContext {
  readonly http: Sender;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onProgress: (asked: number, all: number) => void;
}

const CLIENTS = 32;
const TRIES = 5;
const RETRY_MS = 200;
/** Answers from one word of progress to the next. */
const PROGRESS_EACH = 2_000;

/** @throws the signal's reason */
export async function missingOn(
  cluster: PeerCluster,
  acknowledged: readonly AcknowledgedAgent[],
  { http, clock, signal, onProgress }: VerifyContext,
): Promise<Lost> {
  const missing = new Set<AcknowledgedAgent>();
  const questions = acknowledged.flatMap((known) => cluster.nodes.map(({ url }) => ({ known, url })));
  let next = 0;
  const isThere = async (agent: number, url: string): Promise<boolean> => {
    for (let tries = 0; tries < TRIES; tries++) {
      const answer = await http.send(url, cluster.read(agent));
      if (cluster.shows(answer, agent)) return true;
      // A node that does not say is asked again; one that says it is not there has said so.
      if (answer.status > 0 && answer.status < 500) return false;
      await sleep(clock, RETRY_MS, signal);
    }
    return false;
  };
  const client = async () => {
    for (let question = questions[next++]; question !== undefined; question = questions[next++]) {
      signal.throwIfAborted();
      if (next % PROGRESS_EACH === 0) onProgress(next, questions.length);
      if (!(await isThere(question.known.agent, question.url))) missing.add(question.known);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return { checked: acknowledged.length, missing: [...missing] };
}
