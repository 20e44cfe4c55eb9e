/** Watching a federation of real processes while its nodes are killed, stopped and started again. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { EventStreamReader } from "../support/event-stream.ts";
import { FederationProcess } from "../support/federation-process.ts";
import { registration } from "../support/load.ts";

let federation: FederationProcess;
before(async () => {
  federation = await FederationProcess.start({ regions: "us-east:3,us-west:1", httpBase: 22_000 });
});
after(() => federation?.destroy());

/** One connection, read until it ends or breaks. */
class Connection {
  readonly reader = new EventStreamReader();
  readonly ended: Promise<void>;
  readonly #abort = new AbortController();

  static async open(http: string, query = "", lastEventId = ""): Promise<Connection> {
    const connection = new Connection();
    const headers = lastEventId === "" ? {} : { "last-event-id": lastEventId };
    const response = await fetch(`${http}/v1/watch?${query}`, { headers, signal: connection.#abort.signal });
    assert.equal(response.status, 200, await (response.ok ? "" : response.text()));
    Object.assign(connection, { ended: connection.#read(response.body!) });
    return connection;
  }

  private constructor() {
    this.ended = Promise.resolve();
  }

  get events(): { readonly event: string; readonly [field: string]: unknown }[] {
    return this.reader.events.map(({ event, data }) => ({ event, ...JSON.parse(data) }));
  }

  /** The ids of agents that the events of this kind were about, in their order. */
  ids(kind: string): string[] {
    return this.events.filter(({ event }) => event === kind).map(({ agent }) => (agent as { id: string }).id);
  }

  has(kind: string): boolean {
    return this.events.some(({ event }) => event === kind);
  }

  close(): void {
    this.#abort.abort();
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    try {
      for await (const text of body.pipeThrough(new TextDecoderStream())) this.reader.push(text);
    } catch {
      // A connection that breaks ends like any other: what was told until then counts.
    }
  }
}

async function register(http: string, id: string, capability: string): Promise<void> {
  const body = { endpoint: `http://${id}:8080`, capabilities: [capability], leaseMs: 600_000 };
  const response = await registration(`${http}/v1/agents/${id}`, body);
  assert.ok(response.ok, await response.text());
}

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}-${i}`);

describe("GET /v1/watch of a region whose nodes come and go", () => {
  it("F24: a watcher that moves from killed node to killed node misses nothing and hears nothing twice", async () => {
    const home = federation.nodesOf("us-east");
    const told: string[] = [];
    const expected: string[] = [];
    let lastEventId = "";
    for (const [round, watched] of home.entries()) {
      const writer = home[(round + 1) % home.length]!;
      const connection = await Connection.open(watched.http, "capability=moving", lastEventId);
      await federation.until(() => connection.has("ready"), `${watched.name} to be ready`);
      assert.ok(!connection.has("resync"), JSON.stringify(connection.events));
      const before = names(`before-${round}`, 20);
      for (const id of before) await register(writer.http, id, "moving");
      await federation.until(
        () => connection.ids("registered").includes(before.at(-1)!),
        `${watched.name} to tell of ${before.at(-1)}`,
      );
      await federation.killByPid(watched.name);
      await connection.ended;
      lastEventId = connection.reader.lastEventId;
      told.push(...connection.ids("registered"));
      // Nobody watches while these come; the next node has to tell them.
      const meanwhile = names(`meanwhile-${round}`, 20);
      for (const id of meanwhile) await register(writer.http, id, "moving");
      expected.push(...before, ...meanwhile);
      // The last one stays down, and its watcher goes to a node that was there all the time.
      if (round === home.length - 1) break;
      const next = home[round + 1]!;
      const early = await Connection.open(next.http, "capability=moving", lastEventId);
      await federation.until(() => early.has("ready"), `${next.name} to have told what was missed`);
      told.push(...early.ids("registered"));
      lastEventId = early.reader.lastEventId;
      early.close();
      await federation.restart(watched.name);
    }
    const last = await Connection.open(home[0]!.http, "capability=moving", lastEventId);
    await federation.until(() => last.has("ready"), "the last connection to be ready");
    told.push(...last.ids("registered"));
    last.close();
    assert.ok(!last.has("resync"));
    assert.deepEqual(told, expected);
    await federation.restart(home.at(-1)!.name);
  });

  it("F24: a node that lost its feed with its memory tells what was missed, or says resync", async () => {
    const [first, second] = federation.nodesOf("us-east");
    const connection = await Connection.open(first!.http, "capability=restarted");
    await federation.until(() => connection.has("ready"), "the watch to begin");
    const { lastEventId } = connection.reader;
    connection.close();
    const missed = names("restarted", 10);
    for (const id of missed) await register(second!.http, id, "restarted");
    await federation.killByPid(first!.name);
    await federation.restart(first!.name);
    const again = await Connection.open(first!.http, "capability=restarted&initial=true", lastEventId);
    await federation.until(() => again.has("ready"), "the watch to go on");
    assert.deepEqual(again.ids("registered").sort(), missed);
    again.close();
  });

  it("a planned stop says goodbye, and the watch goes on elsewhere without loss", async () => {
    const [first, second] = federation.nodesOf("us-east");
    const connection = await Connection.open(first!.http, "capability=planned");
    await federation.until(() => connection.has("ready"), "the watch to begin");
    await federation.stopNode(first!.name);
    await connection.ended;
    assert.equal(connection.events.at(-1)!.event, "goodbye");
    await register(second!.http, "planned-1", "planned");
    const next = await Connection.open(second!.http, "capability=planned", connection.reader.lastEventId);
    await federation.until(() => next.has("ready"), "the watch to go on");
    assert.deepEqual(
      next.events.map(({ event }) => event),
      ["registered", "ready"],
    );
    next.close();
    await federation.restart(first!.name);
  });

  it("with scope=federation tells what another region offers, now and from now on", async () => {
    const [east] = federation.nodesOf("us-east");
    const [west] = federation.nodesOf("us-west");
    await register(west!.http, "abroad-1", "abroad");
    await federation.until(async () => {
      const response = await fetch(`${east!.http}/v1/lookup?capability=abroad`);
      return ((await response.json()) as { agents: unknown[] }).agents.length === 1;
    }, "us-east to know of it");
    const connection = await Connection.open(east!.http, "scope=federation&capability=abroad");
    await federation.until(() => connection.has("ready"), "the watch to begin");
    const [offered] = connection.events;
    assert.deepEqual([offered!.event, offered!.region, offered!.total], ["capability", "us-west", 1]);
    await register(west!.http, "abroad-2", "abroad");
    await federation.until(() => connection.events.at(-1)!.total === 2, "the second one to be told");
    for (const id of ["abroad-1", "abroad-2"]) await fetch(`${west!.http}/v1/agents/${id}`, { method: "DELETE" });
    await federation.until(() => connection.events.at(-1)!.total === 0, "both to be gone");
    connection.close();
  });

  it("forgets a watcher whose connection closed", async () => {
    const [, second] = federation.nodesOf("us-east");
    const watchers = async () =>
      /^atoll_watchers (\d+)$/m.exec(await (await fetch(`${second!.http}/metrics`)).text())?.[1];
    const connections = await Promise.all(names("w", 5).map(() => Connection.open(second!.http)));
    assert.equal(await watchers(), "5");
    for (const connection of connections) connection.close();
    await federation.until(async () => (await watchers()) === "0", "all watchers to be forgotten");
  });
});
