/** Our examples for HAProxy and nginx, run by the real programs in front of a region that loses its leader. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { accessOf, LISTED_ROUTES } from "../../src/api/access.ts";
import { FederationProcess } from "../support/federation-process.ts";
import { registration } from "../support/load.ts";
import { LoadBalancer } from "../support/load-balancer.ts";
import { needs } from "../support/programs.ts";

const HTTP_BASE = 22_310;
const HAPROXY = { port: 22_350, statsPort: 22_351 };
const NGINX_PORT = 22_352;
const REGION = "us-east";
const CLIENTS = 8;

/** Readers may look at these, too, where there are tokens; here there are none. */
const OF_OPERATORS = /^\/(metrics|admin|v1\/cluster)/;

/** A path of each route, and whether it is for operators alone. nginx goes by the path, whatever the method. */
const ADDRESSES = LISTED_ROUTES.map((route) => {
  const [method = "", url = ""] = route.split(" ");
  const isTheirs = accessOf(method, url)?.who === "operator" || OF_OPERATORS.test(url);
  return [url.replaceAll(/:\w+|\*/g, "some"), isTheirs] as const;
});

let federation: FederationProcess;
before(async () => {
  federation = await FederationProcess.start({ regions: `${REGION}:3`, httpBase: HTTP_BASE });
});
after(() => federation?.destroy());

const addresses = () => federation.nodes.map(({ http }) => new URL(http).host);

function register(url: string, id: string): Promise<Response> {
  const body = { endpoint: `http://${id}:9000`, capabilities: ["greet"], leaseMs: 3_600_000 };
  return registration(`${url}/v1/agents/${id}`, body);
}

/** Who leads now, as any node that runs says it. */
async function leader(): Promise<string> {
  let name = "";
  await federation.until(async () => {
    const running = federation.nodes.filter(({ pid }) => pid !== null);
    const answers = await Promise.all(running.map(async ({ http }) => (await fetch(`${http}/v1/cluster`)).json()));
    const leaders = new Set((answers as { leader: string | null }[]).map((answer) => answer.leader));
    name = [...leaders][0] ?? "";
    return leaders.size === 1 && name !== "";
  }, "all nodes to know one leader");
  return name;
}

/** Clients that look up and register through `url`, one request after the other, until they are told to end. */
class Clients {
  readonly failures: string[] = [];
  lookups = 0;
  writes = 0;
  readonly #url: string;
  readonly #running: Promise<unknown>;
  #hasEnded = false;

  constructor(url: string) {
    this.#url = url;
    const lookups = Array.from({ length: CLIENTS }, () => this.#repeat(() => this.#lookUp()));
    this.#running = Promise.all([...lookups, this.#repeat(() => this.#register())]);
  }

  /** Resolves once as many more of each were answered, whatever the answer. */
  async answered(lookups: number, writes: number): Promise<void> {
    const [lookupsThen, writesThen] = [this.lookups + lookups, this.writes + writes];
    await federation.until(
      () => this.lookups >= lookupsThen && this.writes >= writesThen,
      `${lookups} more lookups and ${writes} more writes`,
    );
  }

  async end(): Promise<void> {
    this.#hasEnded = true;
    await this.#running;
  }

  async #repeat(request: () => Promise<void>): Promise<void> {
    while (!this.#hasEnded) await request().catch((error) => this.failures.push(String(error)));
  }

  async #lookUp(): Promise<void> {
    const response = await fetch(`${this.#url}/v1/lookup?capability=greet`);
    const text = await response.text();
    if (response.status !== 200) this.failures.push(`lookup ${response.status} ${text}`);
    this.lookups++;
  }

  async #register(): Promise<void> {
    const response = await register(this.#url, `agent-${this.writes % 10}`);
    if (!response.ok) this.failures.push(`register ${response.status} ${await response.text()}`);
    else await response.body?.cancel();
    this.writes++;
  }
}

/** A crash, a return and a planned stop of whoever leads, under load: nobody behind `url` notices. */
async function losesLeaders(url: string): Promise<void> {
  await federation.startStopped();
  assert.ok((await register(url, "agent-0")).ok);
  const clients = new Clients(url);
  try {
    await clients.answered(200, 20);
    const crashed = await leader();
    await federation.killByPid(crashed);
    await clients.answered(500, 20);
    assert.deepEqual(clients.failures, [], "a crash of the leader");

    await federation.restart(crashed);
    await clients.answered(300, 10);
    const stopped = await leader();
    await federation.stopNode(stopped);
    await clients.answered(500, 20);
    await federation.restart(stopped);
    assert.deepEqual(clients.failures, [], "a planned stop of the leader");
  } finally {
    await clients.end();
  }
}

describe("deploy/haproxy", needs("haproxy", "haproxy"), () => {
  let haproxy: LoadBalancer;
  before(async () => {
    haproxy = await LoadBalancer.haproxy(addresses(), HAPROXY);
  });
  after(() => haproxy?.stop());

  /** The state of each node, as HAProxy's checks of /ready have it. */
  async function states(): Promise<Record<string, string>> {
    const text = await (await fetch(`http://127.0.0.1:${HAPROXY.statsPort}/;csv`)).text();
    const [head = "", ...rows] = text.replace(/^# /, "").split("\n");
    const columns = head.split(",");
    const of = (row: string, column: string) => row.split(",")[columns.indexOf(column)] ?? "";
    const nodes = rows.filter((row) => /^nodes,registry-/.test(row));
    return Object.fromEntries(nodes.map((row) => [of(row, "svname"), of(row, "status")]));
  }

  it("P5, P6: no lookup and no registration fails when the leader crashes, or stops as planned", async () => {
    await losesLeaders(haproxy.url);
  });

  it("gives requests to nodes that are ready, and takes one out that is alive and is not", async () => {
    await federation.until(
      async () => Object.values(await states()).every((state) => state === "UP"),
      "all nodes to be up for HAProxy",
    );
    // One of three is left: it lives, and says that it can not serve.
    const [first, second, third] = ["us-east-1", "us-east-2", "us-east-3"].map((name) => federation.node(name));
    await federation.kill(first!.name);
    await federation.kill(second!.name);
    await federation.until(
      async () => Object.values(await states()).every((state) => state.startsWith("DOWN")),
      "no node to be up for HAProxy",
    );
    assert.equal((await fetch(`${third!.http}/health`)).status, 200);
    assert.equal((await fetch(`${haproxy.url}/v1/lookup?capability=greet`)).status, 503);
    await federation.startStopped();
    await federation.until(
      async () => Object.values(await states()).every((state) => state === "UP"),
      "all nodes to be up again",
    );
    assert.equal((await fetch(`${haproxy.url}/v1/lookup?capability=greet`)).status, 200);
  });

  it("tells Prometheus how it sees the nodes", async () => {
    const text = await (await fetch(`http://127.0.0.1:${HAPROXY.statsPort}/metrics`)).text();
    assert.match(text, /^haproxy_server_status\{proxy="nodes",server="registry-1",state="UP"\} 1$/m);
  });
});

describe("deploy/nginx", needs("nginx", "nginx-light"), () => {
  let nginx: LoadBalancer;
  before(async () => {
    nginx = await LoadBalancer.nginx(addresses(), NGINX_PORT);
  });
  after(() => nginx?.stop());

  it("P5, P6: no lookup and no registration fails when the leader crashes, or stops as planned", async () => {
    await losesLeaders(nginx.url);
  });

  it("keeps what operators do, and what only they look at, to addresses of theirs, and nothing else", async () => {
    for (const [path, isTheirs] of ADDRESSES) {
      const response = await fetch(`${nginx.url}${path}`);
      await response.body?.cancel();
      assert.equal(response.status === 403, isTheirs, `${path}: ${response.status}`);
    }
  });
});
