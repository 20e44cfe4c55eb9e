/**
 * Six real processes in two regions, clients that use them as registers, faults at random, and the question whether the
 * recorded history is linearizable (P1, P2).
 *
 * Each region has its own keys and clients. Half of the clients ask any node of their region; the others stay with one node
 * each, so that a frozen node does not hold them all and what the other nodes can do is seen. A key is given up for a
 * fresh one after some uses: an operation of unknown outcome stays possible to the end of its key, and many of them explain
 * anything. At the end everything is mended, and every key is read through every node of its region.
 *
 * The seed fixes what is tried, not how it falls in time: the history is what can be looked at again.
 */

import { setTimeout as delay } from "node:timers/promises";
import { type Random, randomInteger, seededRandom } from "../../src/util/random.ts";
import { type DevEvent, type FederationNode, FederationProcess } from "./federation-process.ts";
import { HistoryRecorder, historyFile, type OpenOperation } from "./history.ts";
import { harassLink, harassRegion } from "./nemesis.ts";
import { type Answer, READ_FORMS, RegisterClient } from "./register-client.ts";

export interface ChaosOptions {
  readonly seed: number;
  /** For how long faults happen; starting and the last reads come on top. */
  readonly seconds: number;
  /** Where the history goes as it happens. */
  readonly file: string;
  readonly httpBase: number;
  /** Stops early, in order. */
  readonly signal?: AbortSignal;
}

const REGIONS = ["us-east", "us-west"] as const;
const CLIENTS_PER_REGION = 6;
const KEYS_PER_REGION = 3;
const USES_PER_KEY = 150;
/** Shares of what clients do; the rest are writes. */
const READ_SHARE = 0.45;
const DELETE_SHARE = 0.15;
const PAUSE_MS_MAX = 40;
/** A node that is down answers at once, again and again. */
const REFUSED_PAUSE_MS_MAX = 400;
/**
 * Mostly shorter than a fault, so that what was given up takes effect later; at times longer than a node waits for a leader,
 * so that its own answer is heard.
 */
const TIMEOUT_MS_MIN = 300;
const TIMEOUT_MS_MAX = 8_000;
const LAST_READ_TIMEOUT_MS = 5_000;
const HEALED_TIMEOUT_MS = 90_000;

/** @returns the history, and each node that ended without having been killed; everything started is gone then */
export async function runChaos(
  options: ChaosOptions,
): Promise<{ recorder: HistoryRecorder; exits: readonly string[] }> {
  const federation = await FederationProcess.start({
    regions: REGIONS.map((region) => `${region}:3`).join(),
    httpBase: options.httpBase,
  });
  const exits: string[] = [];
  let isStopping = false;
  federation.observe((event) => {
    const isOurs = isStopping || event.signal === "SIGKILL";
    if (event.event === "node-exited" && !isOurs) exits.push(describeExit(event));
  });
  const recorder = new HistoryRecorder({ now: () => performance.now(), sink: historyFile(options.file) });
  const chaos = new Chaos(federation, recorder, options);
  try {
    await chaos.run();
  } finally {
    // A frozen node would outlive the federation.
    for (const { pid } of federation.nodes) if (pid !== null) process.kill(pid, "SIGCONT");
    isStopping = true;
    await federation.stop();
  }
  return { recorder, exits };
}

class Chaos {
  readonly #federation: FederationProcess;
  readonly #recorder: HistoryRecorder;
  readonly #options: ChaosOptions;
  readonly #client = new RegisterClient();
  /** How often each slot was used. */
  readonly #uses = new Map<string, number>();
  /** Every key that was used, with its region. */
  readonly #keys = new Map<string, string>();

  constructor(federation: FederationProcess, recorder: HistoryRecorder, options: ChaosOptions) {
    this.#federation = federation;
    this.#recorder = recorder;
    this.#options = options;
  }

  async run(): Promise<void> {
    const { seconds, seed, signal: stop } = this.#options;
    const enough = AbortSignal.timeout(seconds * 1_000);
    const failed = new AbortController();
    const signal = AbortSignal.any([enough, failed.signal, ...(stop === undefined ? [] : [stop])]);
    const randomOf = (who: number): Random => seededRandom(seed * 1_000 + who);
    const parts = { federation: this.#federation, recorder: this.#recorder, signal };
    const clients = REGIONS.flatMap((region, r) =>
      Array.from({ length: CLIENTS_PER_REGION }, (_, i) => {
        const process = r * CLIENTS_PER_REGION + i;
        const nodes = this.#federation.nodesOf(region);
        const served = i < nodes.length ? nodes.slice(i, i + 1) : nodes;
        return this.#runClient(process, region, served, randomOf(process), signal);
      }),
    );
    const nemeses = [
      ...REGIONS.map((region, r) => harassRegion(region, { ...parts, random: randomOf(100 + r) })),
      harassLink(...REGIONS, { ...parts, random: randomOf(200) }),
    ];
    try {
      await untilAllEnd([...clients, ...nemeses], failed);
      await this.#readEverything();
    } finally {
      this.#client.close();
    }
  }

  async #runClient(
    process: number,
    region: string,
    nodes: readonly FederationNode[],
    random: Random,
    signal: AbortSignal,
  ): Promise<void> {
    for (let i = 0; !signal.aborted; i++) {
      const node = nodes[randomInteger(random, 0, nodes.length - 1)]!;
      const key = this.#keyAt(region, randomInteger(random, 1, KEYS_PER_REGION));
      const answer = await this.#act(process, node, key, `${process}.${i}`, random);
      await delay(randomInteger(random, 0, answer.type === "ok" ? PAUSE_MS_MAX : REFUSED_PAUSE_MS_MAX));
    }
  }

  /** One operation by chance; `value` is what it writes if it writes. */
  #act(process: number, node: FederationNode, key: string, value: string, random: Random): Promise<Answer> {
    const timeoutMs = Math.round(TIMEOUT_MS_MIN + random.next() ** 2 * (TIMEOUT_MS_MAX - TIMEOUT_MS_MIN));
    const kind = random.next();
    if (kind < READ_SHARE) return this.#read(process, node, key, random, timeoutMs);
    if (kind < READ_SHARE + DELETE_SHARE) return this.#delete(process, node, key, timeoutMs);
    return this.#write(process, node, key, value, timeoutMs);
  }

  #keyAt(region: string, slot: number): string {
    const name = `${region}-key-${slot}`;
    const uses = this.#uses.get(name) ?? 0;
    this.#uses.set(name, uses + 1);
    const key = `${name}-${Math.floor(uses / USES_PER_KEY)}`;
    this.#keys.set(key, region);
    return key;
  }

  async #write(process: number, node: FederationNode, key: string, value: string, timeoutMs: number): Promise<Answer> {
    const operation = this.#recorder.invoke(process, "write", key, value, node.name);
    return complete(operation, await this.#client.write(node.http, key, value, timeoutMs));
  }

  async #delete(process: number, node: FederationNode, key: string, timeoutMs: number): Promise<Answer> {
    const operation = this.#recorder.invoke(process, "delete", key, null, node.name);
    return complete(operation, await this.#client.delete(node.http, key, timeoutMs));
  }

  async #read(
    process: number | string,
    node: FederationNode,
    key: string,
    random: Random,
    timeoutMs: number,
  ): Promise<Answer> {
    const form = READ_FORMS[randomInteger(random, 0, READ_FORMS.length - 1)]!;
    const operation = this.#recorder.invoke(process, "read", key, null, node.name);
    return complete(operation, await this.#client.read(node.http, key, form, timeoutMs));
  }

  /** Every key through every node of its region, once all can serve. */
  async #readEverything(): Promise<void> {
    await this.#federation.startStopped();
    for (const { name, http } of this.#federation.nodes) {
      const isReady = async () => (await fetch(`${http}/ready`)).ok;
      await this.#federation.until(isReady, `${name} to be ready`, HEALED_TIMEOUT_MS);
    }
    const random = seededRandom(this.#options.seed);
    await Promise.all(
      this.#federation.nodes.map(async (node) => {
        for (const [key, region] of this.#keys) {
          if (region !== node.region) continue;
          const isRead = async () =>
            (await this.#read(`last ${node.name}`, node, key, random, LAST_READ_TIMEOUT_MS)).type === "ok";
          await this.#federation.until(isRead, `${node.name} to answer a read of ${key}`, HEALED_TIMEOUT_MS);
        }
      }),
    );
  }
}

function complete(operation: OpenOperation, answer: Answer): Answer {
  if (answer.type === "ok") operation.ok(answer.value);
  else operation[answer.type](answer.error);
  return answer;
}

/** Waits for all, whatever becomes of one of them; the first that fails ends the others. */
async function untilAllEnd(running: readonly Promise<void>[], failed: AbortController): Promise<void> {
  for (const one of running) one.catch((error: unknown) => failed.abort(error));
  await Promise.allSettled(running);
  if (failed.signal.aborted) throw failed.signal.reason;
}

function describeExit({ name, code, signal }: DevEvent): string {
  return `${name} ended by itself, ${signal === null ? `exit code ${code}` : signal}`;
}
