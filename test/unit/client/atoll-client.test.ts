import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AtollClient } from "../../../src/client/atoll-client.ts";
import { FakeNodes, json } from "../../support/fake-nodes.ts";

function createWorld() {
  const world = new FakeNodes();
  const [a, b] = world.addRegion("east", 4, ["a", "b"]);
  const [x] = world.addRegion("west", 80, ["x"]);
  const urls = world.nodes.map(({ url }) => url);
  const atoll = new AtollClient({ urls, environment: world.environment, token: "secret" });
  a!.roundTripMs = 1;
  world.answers.set("/v1/lookup", (_url, { region }) => json(region, 200, { agents: [], complete: true, regions: [] }));
  const lookups = () => world.requests.filter(({ path }) => path.startsWith("/v1/lookup"));
  return { world, atoll, a: a!, b: b!, x: x!, lookups };
}

describe("the client", () => {
  it("asks the nearest node, and shows its token", async () => {
    const { world, atoll, lookups } = createWorld();
    await world.until(atoll.lookup("forecast"));
    assert.deepEqual(
      lookups().map(({ node }) => node),
      ["a"],
    );
    assert.equal(lookups()[0]!.headers.authorization, "Bearer secret");
  });

  it("asks for what it was told, with names and signs as the node reads them", async () => {
    const { world, atoll, lookups } = createWorld();
    const filter = { tags: ["eu", "+fast", "a|b"], version: ">=1 <3", scope: "region", maxStalenessMs: 500 } as const;
    await world.until(atoll.lookup("ünï", { ...filter, limit: 10, health: "any" }));
    const { searchParams } = new URL(`http://a${lookups()[0]!.path}`);
    assert.deepEqual(searchParams.getAll("tags"), ["eu", "+fast", "a|b"]);
    assert.deepEqual(Object.fromEntries(searchParams), {
      capability: "ünï",
      tags: "a|b",
      version: ">=1 <3",
      scope: "region",
      health: "any",
      max_staleness_ms: "500",
      limit: "10",
    });
  });

  it("asks the next node when one is gone, hangs, or can not answer, and remembers that", async () => {
    const { world, atoll, lookups, a } = createWorld();
    for (const mood of ["gone", "hanging", { status: 503, code: "TOO_STALE" }] as const) {
      a.mood = mood;
      await world.until(atoll.lookup("forecast"));
      assert.equal(lookups().at(-1)!.node, "b");
      const before = lookups().length;
      await world.until(atoll.lookup("forecast"));
      assert.deepEqual(
        lookups()
          .slice(before)
          .map(({ node }) => node),
        ["b"],
      );
      await world.clock.advance(60_000);
    }
  });

  it("does not repeat what every node would refuse", async () => {
    const { world, atoll, lookups, a } = createWorld();
    a.mood = { status: 400, code: "INVALID_FIELD", field: "version", message: "version is no constraint" };
    const url = "http://a:8000/v1/lookup?capability=forecast&version=nonsense";
    await assert.rejects(world.until(atoll.lookup("forecast", { version: "nonsense" })), {
      name: "AtollClientError",
      code: "INVALID_FIELD",
      message: "INVALID_FIELD: version is no constraint",
      field: "version",
      status: 400,
      url,
    });
    assert.equal(lookups().length, 1);
  });

  it("gives up when the time is over, with the last failure as cause", async () => {
    const { world, atoll } = createWorld();
    for (const node of world.nodes) node.mood = "hanging";
    const beganAt = world.clock.now();
    await assert.rejects(world.until(atoll.lookup("forecast", { timeoutMs: 4_000 })), (error: Error) => {
      assert.equal((error as { code?: string }).code, "NO_ANSWER");
      assert.equal((error.cause as { code?: string }).code, "TIMEOUT");
      return true;
    });
    assert.ok(world.clock.now() - beganAt < 6_000);
  });

  it("stops at once when it is told to", async () => {
    const { world, atoll } = createWorld();
    for (const node of world.nodes) node.mood = "hanging";
    const stop = new AbortController();
    const asking = atoll.lookup("forecast", { signal: stop.signal });
    world.clock.schedule(2_500, () => stop.abort(new Error("enough")));
    await assert.rejects(world.until(asking, 2_600), /enough/);
  });

  it("takes an answer that no node gives for that of a stranger", async () => {
    const { world, atoll, lookups, b } = createWorld();
    world.answers.set("/v1/lookup", (_url, node) =>
      node === b
        ? json(node.region, 200, { agents: [], complete: true, regions: [] })
        : new Response("<html>Bad gateway</html>", { status: 502 }),
    );
    await world.until(atoll.lookup("forecast"));
    assert.deepEqual(
      lookups().map(({ node }) => node),
      ["a", "b"],
    );
  });

  it("reads page after page from the region of the first, whichever node of it answers", async () => {
    const { world, atoll, a } = createWorld();
    world.answers.set("/v1/lookup", ({ searchParams }, node) => {
      const page = Number(searchParams.get("cursor") ?? "0");
      if (page === 1) a.mood = "gone";
      const next = page < 3 ? { nextCursor: `${page + 1}` } : {};
      return json(node.region, 200, { agents: [{ id: `${page}` }], complete: true, regions: [], ...next });
    });
    const ids: string[] = [];
    const reading = (async () => {
      for await (const { agents } of atoll.lookupAll("forecast")) ids.push(...agents.map(({ id }) => id));
    })();
    await world.until(reading);
    assert.deepEqual(ids, ["0", "1", "2", "3"]);
    const nodes = world.requests.filter(({ path }) => path.startsWith("/v1/lookup")).map(({ node }) => node);
    assert.deepEqual(nodes, ["a", "a", "b", "b"]);
  });

  it("does not go on with pages in another region", async () => {
    const { world, atoll, a, b } = createWorld();
    world.answers.set("/v1/lookup", (_url, node) => {
      a.mood = "gone";
      b.mood = "gone";
      return json(node.region, 200, { agents: [], complete: true, regions: [], nextCursor: "1" });
    });
    const reading = (async () => {
      for await (const _page of atoll.lookupAll("forecast", { timeoutMs: 3_000 }));
    })();
    await assert.rejects(world.until(reading), { code: "NO_ANSWER" });
    assert.ok(world.requests.every(({ node, path }) => node !== "x" || !path.startsWith("/v1/lookup")));
  });

  it("ends another program's registration, in the region that was named", async () => {
    const { world, atoll, x } = createWorld();
    x.region.agents.set("stray", { incarnation: 1, record: {} });
    assert.equal(await world.until(atoll.deregister("stray")), false);
    assert.equal(await world.until(atoll.deregister("stray", { region: "west" })), true);
    assert.equal(x.region.agents.size, 0);
  });

  it("never follows a node's word from https to http", async () => {
    const world = new FakeNodes();
    const atoll = new AtollClient({ urls: ["https://safe:8000"], environment: world.environment, timeoutMs: 500 });
    const seen: string[] = [];
    const environment = {
      ...world.environment,
      fetch: async (url: string) => {
        seen.push(url);
        const otherRegions = ["http://plain:8000", "https://other:8000", "ftp://x", "https://u:p@x", "nonsense"];
        return Response.json({ error: { code: "NO_LEADER", message: "", otherRegions } }, { status: 503 });
      },
    };
    const careful = new AtollClient({ urls: ["https://safe:8000"], environment, timeoutMs: 500 });
    await assert.rejects(world.until(careful.lookup("forecast")), { code: "NO_ANSWER" });
    assert.deepEqual([...new Set(seen.map((url) => new URL(url).origin))].sort(), [
      "https://other:8000",
      "https://safe:8000",
    ]);
    await assert.rejects(world.until(atoll.lookup("forecast")), { code: "NO_ANSWER" });
  });

  it("remembers a bounded number of nodes, and never forgets one that was given", async () => {
    const { world, atoll } = createWorld();
    world.answers.set("/v1/nodes", (_url, { region }) =>
      json(region, 200, {
        nodes: Array.from({ length: 1_000 }, (_, i) => ({ http: `http://n${i}:1`, region: "far" })),
      }),
    );
    await world.until(atoll.nodes());
    for (const node of world.nodes) node.mood = { status: 503, code: "NO_LEADER" };
    await assert.rejects(world.until(atoll.lookup("forecast", { timeoutMs: 30_000 })), { code: "NO_ANSWER" });
    assert.ok(world.addressed.size <= 64, `${world.addressed.size} nodes`);
    world.nodes[1]!.mood = "well";
    await world.until(atoll.lookup("forecast", { timeoutMs: 30_000 }));
  });

  it("says which option is wrong", () => {
    for (const urls of [[], ["localhost:8000"], ["ftp://a"], ["nonsense"]]) {
      assert.throws(() => new AtollClient({ urls }), { code: "INVALID_OPTION" });
    }
    assert.throws(() => new AtollClient({ urls: ["http://a"], timeoutMs: 0 }), /timeoutMs is 0/);
  });
});
