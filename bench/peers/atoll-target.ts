/** Atoll nodes that run elsewhere already: they take the same load, and nobody here can break them. */

import { type Clock, sleep } from "../../src/util/clock.ts";
import { renewal } from "../comparison/atoll-requests.ts";
import type { HttpRequest } from "../load/http-client.ts";
import { AtollOperations, allServe, consensusOf } from "./atoll.ts";
import { type Peer, type PeerCluster, type PeerFaults, type PeerNode, PeerUnavailable } from "./peer.ts";
import { agentId } from "./sample-agents.ts";

const POLL_MS = 100;
const ANSWER_TIMEOUT_MS = 5_000;
const NOT_OURS = "the nodes were not started here";

/**
 * @param urls - of nodes of one region
 * @param token - what to prove oneself with, where nodes ask for it
 */
export function targetPeer(urls: readonly string[], token?: string): Peer {
  return {
    name: "target",
    async start({ clock, signal }) {
      const cluster = new TargetCluster(urls, clock, token);
      await cluster.untilReady(ANSWER_TIMEOUT_MS, signal);
      return cluster;
    },
  };
}

class TargetCluster extends AtollOperations implements PeerCluster {
  readonly nodes: readonly PeerNode[];
  readonly setting: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly firstAgent: number;
  readonly faults: PeerFaults = { disk: { notInjected: NOT_OURS }, region: { notInjected: NOT_OURS } };
  readonly #urls: readonly string[];
  readonly #clock: Clock;
  readonly #token: string | undefined;

  constructor(urls: readonly string[], clock: Clock, token: string | undefined) {
    super();
    this.#token = token;
    this.headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    this.#urls = urls;
    this.#clock = clock;
    this.setting = urls.join(",");
    // Other agents than those of an earlier run, which may be there yet: to register them again would write nothing.
    this.firstAgent = Math.round(clock.wallTime());
    this.nodes = urls.map((url) => ({
      name: new URL(url).host,
      url,
      pid: null,
      kill: notOurs,
      stop: notOurs,
      pause: notOurs,
      resume: notOurs,
      start: notOurs,
    }));
  }

  /** Of the agents of this run alone, so that all of them can be taken away again. */
  override renew(i: number): HttpRequest {
    return i % 2 === 0 ? super.renew(i) : renewal(i);
  }

  remove(i: number): HttpRequest {
    return { method: "DELETE", path: `/v1/agents/${agentId(i)}` };
  }

  /** Of nodes that run elsewhere no index is told: nobody here could break the leader. */
  async leader(): Promise<undefined> {
    return undefined;
  }

  async term(): Promise<number | undefined> {
    return (await consensusOf(this.#urls, this.#token)).term;
  }

  /** @throws PeerUnavailable naming those that do not answer that they are ready */
  async untilReady(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const beganMs = this.#clock.now();
    while (!(await allServe(this.#urls))) {
      if (this.#clock.now() - beganMs > timeoutMs) {
        const down = [];
        for (const url of this.#urls) if (!(await allServe([url]))) down.push(url);
        throw new PeerUnavailable(`${down.join(", ")}: no answer that it is ready in ${timeoutMs} ms`);
      }
      await sleep(this.#clock, POLL_MS, signal);
    }
  }

  async stop(): Promise<void> {}
}

async function notOurs(): Promise<never> {
  throw new Error(NOT_OURS);
}
