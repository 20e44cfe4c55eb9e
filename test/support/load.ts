/**
 * Clients that register and look up through the nodes of a region, and remember what was acknowledged.
 *
 * A client whose node is gone goes on with the next one, as agents do; what failed on a node that was up is kept, to be
 * judged by the test.
 */

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
  lookups = 0;
  readonly #options: RegistrationLoadOptions;
  readonly #running: Promise<void>;
  readonly #marks: { readonly count: number; readonly resolve: () => void }[] = [];
  #isStopped = false;
  #next = 0;

  constructor(options: RegistrationLoadOptions) {
    this.#options = options;
    const clients = Array.from({ length: options.clients }, (_, client) => this.#runClient(client));
    this.#running = Promise.all(clients).then(() => {});
  }

  /** Resolves when so many more registrations were acknowledged. */
  acknowledgements(count: number): Promise<void> {
    return new Promise((resolve) => {
      this.#marks.push({ count: this.acknowledged.length + count, resolve });
    });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #runClient(client: number): Promise<void> {
    const { nodes } = this.#options;
    let at = client;
    while (!this.#isStopped) {
      const node = nodes[at % nodes.length]!;
      const isUp = (await this.#register(node)) && (await this.#lookUp(node));
      if (!isUp) at++;
    }
  }

  async #register(node: string): Promise<boolean> {
    const { name } = this.#options;
    const id = `${name}-${this.#next++}`;
    const url = `${node}/v1/agents/${id}`;
    const body = { endpoint: `http://${id}:8080`, capabilities: [name], leaseMs: 600_000 };
    return this.#ask(
      this.failedWrites,
      url,
      () => registration(url, body),
      () => {
        this.acknowledged.push(id);
        for (const mark of this.#marks) if (this.acknowledged.length >= mark.count) mark.resolve();
      },
    );
  }

  #lookUp(node: string): Promise<boolean> {
    const url = `${node}/v1/lookup?capability=${this.#options.name}&limit=1&scope=region`;
    return this.#ask(
      this.failedLookups,
      url,
      () => fetch(url),
      () => {
        this.lookups++;
      },
    );
  }

  /** @returns false when nobody is there to answer */
  async #ask(failures: Failure[], url: string, ask: () => Promise<Response>, onOk: () => void): Promise<boolean> {
    try {
      const response = await ask();
      const text = await response.text();
      if (response.ok) onOk();
      else failures.push({ url, what: `${response.status} ${text.slice(0, 200)}` });
      return true;
    } catch {
      // The node was killed, or is not back yet: the test knows which, and asks the others.
      return false;
    }
  }
}

/** Registers one agent; `body` is what `PUT /v1/agents/{id}` takes. */
export function registration(url: string, body: object): Promise<Response> {
  return fetch(url, { method: "PUT", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
}
