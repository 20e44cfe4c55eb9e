/** Requests at moments fixed beforehand, several kinds at once: latency counts from those moments. */

import { sleep } from "../../src/util/clock.ts";
import { seededRandom } from "../../src/util/random.ts";
import { arrivals } from "../load/arrivals.ts";
import { HttpClient, type HttpRequest, isAcknowledged } from "../load/http-client.ts";
import { Latencies } from "../load/latencies.ts";
import { OpenLoop } from "../load/open-loop.ts";
import type { Party, Phase, Session } from "./session.ts";

export interface Stream {
  readonly phase: string;
  readonly ratePerSecond: number;
  readonly next: (i: number) => HttpRequest;
}

export interface OpenLoadOptions {
  readonly subject: string;
  /** Asked in turns. */
  readonly parties: readonly Party[];
  readonly seconds: number;
  readonly streams: readonly Stream[];
}

export interface OpenLoadResult {
  /** In the order of the streams. */
  readonly phases: readonly Phase[];
  /** The longest that this process was behind its own plan. */
  readonly behindMs: number;
}

const CONNECTIONS_PER_NODE = 64;
const TIMEOUT_MS = 10_000;

/** The phases are kept by the session. @throws the signal's reason when it was aborted meanwhile */
export async function openLoad(
  session: Session,
  { subject, parties, seconds, streams }: OpenLoadOptions,
): Promise<OpenLoadResult> {
  const { clock, signal } = session.context;
  const http = new HttpClient({ connectionsMax: CONNECTIONS_PER_NODE, timeoutMs: TIMEOUT_MS });
  const running = streams.map((stream) => {
    const answers = new Answers();
    let issued = 0;
    const issue = async (intendedMs: number) => {
      const i = issued++;
      const answer = await http.send(parties[i % parties.length]?.url ?? "", stream.next(i));
      answers.count(clock.now() - intendedMs, isAcknowledged(answer));
    };
    const moments = arrivals(stream.ratePerSecond, "poisson", seededRandom(1));
    return { stream, answers, loop: new OpenLoop({ clock, arrivals: moments, issue }) };
  });
  const costs = session.measureCosts(parties);
  const beganMs = clock.now();
  for (const { loop } of running) loop.start();
  try {
    await sleep(clock, 1_000 * seconds, signal);
    const answered = Promise.all(running.map(({ loop }) => loop.stop()));
    const [elapsedMs, spent] = [clock.now() - beganMs, costs()];
    await answered;
    const clients = parties.length * CONNECTIONS_PER_NODE;
    const phases = running.map(({ stream: { phase }, answers }): Phase => {
      return { subject, phase, clients, loop: "open", ...spent, ...answers.result(elapsedMs) };
    });
    session.phases.push(...phases);
    return { phases, behindMs: Math.max(...running.map(({ loop }) => loop.behindMs)) };
  } finally {
    for (const { loop } of running) void loop.stop();
    await http.close();
  }
}

/** How long answers took, from when they were to be asked for, and how many were none. */
class Answers {
  readonly #latencies = new Latencies();
  #failed = 0;

  count(tookMs: number, isOk: boolean): void {
    this.#latencies.add(tookMs);
    if (!isOk) this.#failed++;
  }

  result(elapsedMs: number): Pick<Phase, "requests" | "failed" | "perSecond" | "p50Ms" | "p99Ms" | "maxMs"> {
    const requests = this.#latencies.count;
    const perSecond = (1_000 * requests) / elapsedMs;
    return { requests, failed: this.#failed, perSecond, ...this.#latencies.summary() };
  }
}
