import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { nodeEnvironment, parseRegions, planNodes, tokenFor } from "../../../src/cli/dev/options.ts";
import { UsageError } from "../../../src/cli/errors.ts";
import { loadConfig } from "../../../src/config/load.ts";

const plan = (regions: string, httpBase = 8000) =>
  planNodes({ regions: parseRegions(regions), httpBase, dataDir: "/data" });

describe("--regions", () => {
  it("names regions with their number of nodes, three when none is said", () => {
    assert.deepEqual(parseRegions("us-east:3, us-west:1,eu"), [
      { region: "us-east", nodes: 3 },
      { region: "us-west", nodes: 1 },
      { region: "eu", nodes: 3 },
    ]);
  });

  it("refuses what is no region, naming the part", () => {
    for (const wrong of ["", "a:0", "a:8", "a:x", "A:1", "a:1:2", "-a:1", "a:1,,b:1", "a:-1", "../a:1"]) {
      assert.throws(() => parseRegions(wrong), UsageError, wrong);
    }
    assert.throws(() => parseRegions("a:1,b:99"), /"b:99" is not name:nodes/);
  });

  it("refuses one name for two regions, and more regions than ports are kept for", () => {
    assert.throws(() => parseRegions("a:1,a:2"), /a name of its own/);
    assert.throws(() => parseRegions(Array.from({ length: 17 }, (_, i) => `r${i}:1`).join()), /at most 16 regions/);
  });
});

describe("the plan", () => {
  it("puts node j of region i on HTTP port base + 100 i + j, and its links 10000 above", () => {
    assert.deepEqual(
      plan("us-east:2,us-west:1").map(({ name, httpPort, nodePort }) => [name, httpPort, nodePort]),
      [
        ["us-east-1", 8000, 18_000],
        ["us-east-2", 8001, 18_001],
        ["us-west-1", 8100, 18_100],
      ],
    );
  });

  it("puts links below the HTTP ports where they would not fit above", () => {
    assert.equal(plan("a:1", 60_000)[0]?.nodePort, 50_000);
    assert.throws(() => plan("a:1,b:1", 65_500), /--http-base: 65500 leaves no room/);
  });

  it("keeps every node's data in a folder of its own, its log beside it", () => {
    const [node] = plan("a:1");
    assert.deepEqual([node?.dataDir, node?.logFile], ["/data/a-1", "/data/a-1.log"]);
  });
});

describe("the environment of a node", () => {
  const nodes = plan("us-east:2,us-west:1");
  const peers = [{ host: "127.0.0.1", port: 40_001 }];
  const env = nodeEnvironment(nodes[0]!, nodes.slice(0, 2), peers, "0123456789abcdef");
  const load = (more: Record<string, string> = {}) =>
    loadConfig({ env: { ...more, ...env }, flags: {}, hostname: "h" }).config;

  it("is a configuration that a node accepts", () => {
    const { node, http, network } = load();
    assert.deepEqual([node.name, node.region, http.port, network.port], ["us-east-1", "us-east", 8000, 18_000]);
    assert.deepEqual(
      node.members.map(({ name, port }) => `${name}:${port}`),
      ["us-east-1:18000", "us-east-2:18001"],
    );
  });

  it("leads to other regions through the relay alone", () => {
    const { network } = load();
    assert.deepEqual(
      network.peers,
      peers.map(({ host, port }) => `${host}:${port}`),
    );
    assert.deepEqual(network.advertise, [], "an address told to others would lead around a cut");
    const alone = nodeEnvironment(nodes[2]!, [nodes[2]!], [], "0123456789abcdef");
    assert.deepEqual(loadConfig({ env: alone, flags: {}, hostname: "h" }).config.network.peers, []);
  });

  it("wins over what the developer's own environment says of the same options", () => {
    const { node, http } = load({
      REGION: "elsewhere",
      PORT: "1",
      REGISTRY_INSTANCE_ID: "other",
      METRICS_PORT: "9090",
    });
    assert.deepEqual([node.name, node.region, http.port, http.metricsPort], ["us-east-1", "us-east", 8000, 0]);
  });

  it("leaves other options to the developer", () => {
    assert.equal(load({ LOG_LEVEL: "debug" }).node.logLevel, "debug");
  });
});

describe("the token that dev asks its nodes with", () => {
  it("is the one that the developer's environment has the nodes ask for", () => {
    assert.equal(tokenFor({}), undefined);
    assert.equal(tokenFor({ AUTH_TOKEN: "the-new-one,the-old-one" }), "the-new-one");
    assert.equal(tokenFor({ ATOLL_AUTH_TOKEN: "ours", AUTH_TOKEN: "theirs" }), "ours");
    assert.equal(tokenFor({ ATOLL_TOKEN: "mine", AUTH_TOKEN: "theirs" }), "mine");
  });
});
