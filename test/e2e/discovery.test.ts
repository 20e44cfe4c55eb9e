/** Regions of real processes that are joined while they run, and that are found again after they moved. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it, type TestContext } from "node:test";
import { DnsServer } from "../support/dns-server.ts";
import { registration } from "../support/load.ts";
import { multicastProblem } from "../support/multicast.ts";
import { type NodeProcess, ProcessGroup, type ProcessGroupOptions, startRegion } from "../support/node-process.ts";
import { until } from "../support/waiting.ts";

const SETTLE_MS = 30_000;
/** docs/protocol.md, "Finding each other": from when DNS says so and the nodes listen, until the link is back. */
const REFOUND_MS = 12_000;

async function group(test: TestContext, options: ProcessGroupOptions): Promise<ProcessGroup> {
  const nodes = await ProcessGroup.create(options);
  test.after(() => nodes.destroy());
  return nodes;
}

async function register(node: NodeProcess, id: string, capability: string): Promise<void> {
  const body = { endpoint: `http://${id}:8080`, capabilities: [capability], leaseMs: 600_000 };
  const response = await registration(`${node.http}/v1/agents/${id}`, body);
  assert.ok(response.ok, await response.text());
}

/** Until every one of `nodes` finds exactly these agents, by an answer of every region. */
async function allFind(
  nodes: readonly NodeProcess[],
  capability: string,
  ids: readonly string[],
  timeoutMs = SETTLE_MS,
): Promise<void> {
  for (const node of nodes) {
    const isMet = async () => {
      const { agents, complete } = await node.api.lookup({ capability });
      return (
        complete &&
        agents
          .map(({ id }) => id)
          .sort()
          .join() === [...ids].sort().join()
      );
    };
    const what = `${node.name} to find ${ids.join(" and ")}`;
    await until(isMet, { what, timeoutMs, show: () => nodes.map(({ output }) => output).join("\n\n") });
  }
}

describe("a region that is joined to a running federation", () => {
  it("is known to every node of it by one command on one node, and stays so", { timeout: 240_000 }, async (test) => {
    const key = randomBytes(32).toString("hex");
    const east = await group(test, { region: "us-east", httpBase: 22_700, key });
    const west = await group(test, { region: "us-west", httpBase: 22_710, key });
    const europe = await group(test, { region: "eu-west", httpBase: 22_720, key });
    const [east1, east2] = [east.add("us-east-1"), east.add("us-east-2")];
    const west1 = west.add("us-west-1");
    const [europe1, europe2] = [europe.add("eu-west-1"), europe.add("eu-west-2")];
    const all = [east1, east2, west1, europe1, europe2];
    await Promise.all([
      startRegion([east1, east2]),
      startRegion([west1], { ATOLL_NETWORK_PEERS: `127.0.0.1:${east1.networkPort}` }),
      startRegion([europe1, europe2]),
    ]);
    await register(east1, "east-agent", "sum");
    await register(west1, "west-agent", "sum");
    await register(europe2, "europe-agent", "sum");
    await allFind([east1, east2, west1], "sum", ["east-agent", "west-agent"]);

    const name = `127.0.0.1:${europe1.networkPort}`;
    const { exitCode, answer, said } = await west1.atoll("peers", "add", name);
    assert.equal(exitCode, 0, said);
    const [named] = (answer as { peers: { name: string; nodes: { name: string }[] }[] }).peers.filter(
      (peer) => peer.name === name,
    );
    assert.deepEqual(
      named?.nodes.map((node) => node.name),
      ["eu-west-1"],
    );
    await allFind(all, "sum", ["east-agent", "west-agent", "europe-agent"]);

    // Also when whoever was told is started anew, and has that name from its own disk alone.
    await west1.kill();
    west1.start([], { ATOLL_NETWORK_PEERS: "none" });
    await west1.ready();
    assert.deepEqual(
      (await west1.api.peers()).map((peer) => [peer.name, peer.isNamed]),
      [[name, true]],
    );
    await allFind(all, "sum", ["east-agent", "west-agent", "europe-agent"]);

    // The other nodes of a region learn of a name from the one that was told.
    assert.equal((await east2.atoll("peers", "add", name)).exitCode, 0);
    await until(async () => (await east1.api.peers()).some((peer) => peer.name === name && peer.nodes.length > 0), {
      what: "us-east-1 to dial what us-east-2 was told",
      timeoutMs: SETTLE_MS,
      show: () => east1.output,
    });
  });
});

describe("regions on one local network", async () => {
  const skip = (await multicastProblem()) ?? false;

  it("find each other by themselves with --mdns, and no other federation", { timeout: 120_000, skip }, async (test) => {
    const key = randomBytes(32).toString("hex");
    const env = { ATOLL_NETWORK_MDNS: "on", ATOLL_FEDERATION: `mdns-${process.pid}` };
    const regions = ["us-east", "us-west", "stranger"];
    const [east, west, stranger] = await Promise.all(
      regions.map(async (region, i) =>
        (await group(test, { region, httpBase: 18_760 + 5 * i, key })).add(`${region}-1`),
      ),
    );
    await Promise.all([
      startRegion([east!], env),
      startRegion([west!], env),
      startRegion([stranger!], { ...env, ATOLL_FEDERATION: `other-${process.pid}` }),
    ]);
    await register(east!, "east-agent", "sum");
    await register(west!, "west-agent", "sum");
    await allFind([east!, west!], "sum", ["east-agent", "west-agent"]);
    assert.deepEqual((await stranger!.api.nodes()).length, 1);
    assert.ok(
      [east!, west!, stranger!].every((node) => !node.hasLogged("PEER_REFUSED")),
      "strangers are not even dialled",
    );
  });
});

describe("F15: regions whose every address changes at once", () => {
  const north = "srv:_atoll._tcp.north.test";
  const south = "srv:_atoll._tcp.south.test";

  it("are linked again within 12 s, with nobody's help", { timeout: 240_000 }, async (test) => {
    const dns = await DnsServer.start(test);
    const announce = (region: string, nodes: readonly NodeProcess[]) => {
      dns.services.set(
        `_atoll._tcp.${region}.test`,
        nodes.map(({ networkPort }) => ({ target: "all.test", port: networkPort })),
      );
    };
    dns.addresses.set("all.test", ["127.0.0.1"]);
    const key = randomBytes(32).toString("hex");
    // Nobody is told an address: the name in DNS is the only way.
    const env = { ATOLL_NETWORK_DNS_SERVERS: dns.address, ATOLL_NETWORK_ADVERTISE: "none" };
    const northern = await group(test, { region: "north", httpBase: 18_800, key, env });
    const southern = await group(test, { region: "south", httpBase: 18_820, key, env });
    let north1 = northern.add("north-1");
    let [south1, south2] = [southern.add("south-1"), southern.add("south-2")];
    announce("south", [south1, south2]);
    await Promise.all([startRegion([north1], { ATOLL_NETWORK_PEERS: south }), startRegion([south1, south2])]);
    await register(north1, "north-agent", "sum");
    await register(south1, "south-agent", "sum");
    const both = ["north-agent", "south-agent"];
    await allFind([north1, south1, south2], "sum", both);

    // The one that moves knows nobody: the other has to look where it went.
    [south1, south2] = [await southern.move(south1), await southern.move(south2)];
    await startRegion([south1, south2]);
    announce("south", [south1, south2]);
    await allFind([north1, south1, south2], "sum", both, REFOUND_MS);

    // The other way round: who stays looks for who moves.
    await Promise.all([south1.stop(), south2.stop()]);
    announce("north", [north1]);
    await startRegion([south1, south2], { ATOLL_NETWORK_PEERS: north });
    north1 = await northern.move(north1);
    await startRegion([north1]);
    announce("north", [north1]);
    await allFind([north1, south1, south2], "sum", both, REFOUND_MS);

    // Both move at once.
    north1 = await northern.move(north1);
    [south1, south2] = [await southern.move(south1), await southern.move(south2)];
    announce("north", [north1]);
    announce("south", [south1, south2]);
    await Promise.all([
      startRegion([north1], { ATOLL_NETWORK_PEERS: south }),
      startRegion([south1, south2], { ATOLL_NETWORK_PEERS: north }),
    ]);
    await allFind([north1, south1, south2], "sum", both, REFOUND_MS);
  });
});
