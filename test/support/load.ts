/**
 * Clients that register and look up through the nodes of a region, and remember what was acknowledged; and agents that renew.
 *
 * A client whose node is gone goes on with the next one, as agents do; what failed on a node that was up is kept, to be
 * judged by the test. Nodes may come and go: one that is about to go is used until it fails a client, and that is no failure.
 */

import { within } from "./waiting.ts";

/** Many elections long, and long enough for hundreds of writes on a busy machine. */
const ACKNOWLEDGED_TIMEOUT_MS = 120_000;
const RENEWALS_PER_LEASE = 6;

export interface Failure {
  readonly url: string;
  readonly what: string;
}

export interface RegistrationLoadOptions {
  /** HTTP addresses of the nodes; clients are spread over them. */
  readonly nodes: readonly string[];
  readonly clients: number;
  /** Unique among the loads of one test: ids begin with it, and it is the capability that all offer. */
  readonly name: string;
}

export class RegistrationLoad {
  readonly acknowledged: string[] = [];
  readonly failedWrites: Failure[] = [];
  readonly failedLookups: Failure[] = [];
  /** What nobody answered: to be expected of a node that is killed, and of no other. */
  readonly unanswered: Failure[] = [];
  lookups = 0;
  readonly #options: RegistrationLoadOptions;
  readonly #nodes: string[];
  readonly #leaving = new Set<string>();
  readonly #running: Promise<void>;
  readonly #marks: { readonly count: number; readonly resolve: () => void }[] = [];
  #isStopped = false;
  #next = 0;
  #acknowledgedAt = performance.now();
  #longestGapMs = 0;

  constructor(options: RegistrationLoadOptions) {
    this.#options = options;
    this.#nodes = [...options.nodes];
    const clients = Array.from({ length: options.clients }, (_, client) => this.#runClient(client));
    this.#running = Promise.all(clients).then(() => {});
  }

  /** Resolves when so many more registrations were acknowledged. */
  acknowledgements(count: number): Promise<void> {
    const acknowledged = new Promise<void>((resolve) => {
      this.#marks.push({ count: this.acknowledged.length + count, resolve });
    });
    const what = `${count} more registrations to be acknowledged`;
    return within(acknowledged, { what, timeoutMs: ACKNOWLEDGED_TIMEOUT_MS, show: () => this.#showFailures() });
  }

  /** The nodes that are used now. */
  get nodes(): readonly string[] {
    return this.#nodes;
  }

  /** A node came, or came back: clients use it, and what it fails them counts. */
  join(node: string): void {
    this.#leaving.delete(node);
    if (!this.#nodes.includes(node)) this.#nodes.push(node);
  }

  /** A node is about to go. What it acknowledges until then counts all the same. */
  leave(node: string): void {
    this.#leaving.add(node);
  }

  /** The longest time between two acknowledged registrations since this was asked last, in milliseconds. */
  takeLongestGapMs(): number {
    const longest = Math.max(this.#longestGapMs, performance.now() - this.#acknowledgedAt);
    this.#longestGapMs = 0;
    return Math.round(longest);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #runClient(client: number): Promise<void> {
    let at = client;
    while (!this.#isStopped) {
      const node = this.#nodes[at % this.#nodes.length]!;
      const isUp = (await this.#register(node)) && (await this.#lookUp(node));
      if (!isUp) at++;
    }
  }

  async #register(node: string): Promise<boolean> {
    const { name } = this.#options;
    const id = `${name}-${this.#next++}`;
    const url = `${node}/v1/agents/${id}`;
    const body = { endpoint: `http://${id}:8080`, capabilities: [name], leaseMs: 600_000 };
    return this.#ask(this.failedWrites, { node, url, ask: () => registration(url, body) }, () => this.#acknowledge(id));
  }

  #acknowledge(id: string): void {
    const now = performance.now();
    this.#longestGapMs = Math.max(this.#longestGapMs, now - this.#acknowledgedAt);
    this.#acknowledgedAt = now;
    this.acknowledged.push(id);
    for (const mark of this.#marks) if (this.acknowledged.length >= mark.count) mark.resolve();
  }

  #lookUp(node: string): Promise<boolean> {
    const url = `${node}/v1/lookup?capability=${this.#options.name}&limit=1&scope=region`;
    return this.#ask(this.failedLookups, { node, url, ask: () => fetch(url) }, () => {
      this.lookups++;
    });
  }

  /** @returns false when nobody is there to answer */
  async #ask(failures: Failure[], { node, url, ask }: Question, onOk: () => void): Promise<boolean> {
    try {
      const response = await ask();
      const text = await response.text();
      if (response.ok) onOk();
      else this.#fail(failures, node, { url, what: `${response.status} ${text.slice(0, 200)}` });
      return true;
    } catch (error) {
      // The node was killed, or is not back yet: the test knows which, and asks the others.
      this.#fail(this.unanswered, node, { url, what: String((error as Error).cause ?? error) });
      return false;
    }
  }

  #showFailures(): string {
    const last = [this.failedWrites, this.failedLookups, this.unanswered].flatMap((failures) => failures.slice(-3));
    return `last failures:\n${last.map(({ url, what }) => `${url}: ${what}`).join("\n") || "(none)"}`;
  }

  #fail(failures: Failure[], node: string, failure: Failure): void {
    if (!this.#leaving.has(node)) failures.push(failure);
    else if (this.#nodes.includes(node)) this.#nodes.splice(this.#nodes.indexOf(node), 1);
  }
}

interface Question {
  readonly node: string;
  readonly url: string;
  readonly ask: () => Promise<Response>;
}

export interface RenewingAgentsOptions {
  readonly name: string;
  readonly count: number;
  readonly leaseMs: number;
  /** HTTP addresses of the nodes that can be asked now. */
  readonly nodes: () => readonly string[];
}

/** Agents that live as agents do: each renews its lease several times before it ends, through one node as long as that can. */
export class RenewingAgents {
  readonly ids: readonly string[];
  /** What agents were told that renew in time. 503 is no such thing: it means "I can not tell", and they ask another node. */
  readonly refused: Failure[] = [];
  renewals = 0;
  readonly #options: RenewingAgentsOptions;
  readonly #incarnations = new Map<string, number>();
  #living: Promise<void> = Promise.resolve();
  #isStopped = false;

  /** Resolves when all are registered. */
  static async start(options: RenewingAgentsOptions): Promise<RenewingAgents> {
    const agents = new RenewingAgents(options);
    await Promise.all(agents.ids.map((id) => agents.#register(id)));
    agents.#living = Promise.all(agents.ids.map((id, at) => agents.#live(id, at))).then(() => {});
    return agents;
  }

  private constructor(options: RenewingAgentsOptions) {
    this.#options = options;
    this.ids = Array.from({ length: options.count }, (_, i) => `${options.name}-${i}`);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#living;
  }

  async #register(id: string): Promise<void> {
    const { name, leaseMs, nodes } = this.#options;
    const body = { endpoint: `http://${id}:8080`, capabilities: [name], leaseMs };
    const response = await registration(`${nodes()[0]}/v1/agents/${id}`, body);
    const { incarnation } = (await response.json()) as { incarnation: number };
    this.#incarnations.set(id, incarnation);
  }

  async #live(id: string, first: number): Promise<void> {
    const { nodes, leaseMs } = this.#options;
    let at = first;
    while (!this.#isStopped) {
      const isRenewed = await this.#renew(id, nodes()[at % nodes().length]!);
      if (isRenewed) await new Promise((resolve) => setTimeout(resolve, leaseMs / RENEWALS_PER_LEASE));
      else at++;
    }
  }

  async #renew(id: string, node: string): Promise<boolean> {
    const url = `${node}/v1/agents/${id}/renew`;
    const body = JSON.stringify({ incarnation: this.#incarnations.get(id) });
    const headers = { "content-type": "application/json" };
    const response = await fetch(url, { method: "POST", headers, body }).catch(() => undefined);
    const text = await response?.text().catch(() => undefined);
    if (response === undefined || text === undefined || response.status === 503) return false;
    if (response.ok) this.renewals++;
    else this.refused.push({ url, what: `${response.status} ${text.slice(0, 200)}` });
    return true;
  }
}

/** Registers one agent; `body` is what `PUT /v1/agents/{id}` takes. @param more - headers beside that of the body */
export function registration(
  url: string,
  body: object,
  more: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const headers = { "content-type": "application/json", ...more };
  return fetch(url, { method: "PUT", headers, body: JSON.stringify(body) });
}
