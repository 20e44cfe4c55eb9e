import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { LOAD_LIMITS } from "../../../src/api/load-guard.ts";
import { ConfigError } from "../../../src/config/errors.ts";
import { type ConfigSources, loadConfig } from "../../../src/config/load.ts";
import { OPTIONS } from "../../../src/config/table.ts";
import { FEDERATION_DEFAULTS } from "../../../src/federation/interface.ts";
import { RAFT_DEFAULTS } from "../../../src/raft/raft-group.ts";
import { LEASE_DEFAULTS } from "../../../src/registry/lease-keeper.ts";
import { LIMIT_DEFAULTS } from "../../../src/registry/limits.ts";
import { TIMEOUT_DEFAULTS } from "../../../src/registry/registry-service.ts";

const KEY = "0123456789abcdef";

function load(sources: { env?: ConfigSources["env"]; flags?: ConfigSources["flags"]; file?: string } = {}) {
  const { env = {}, flags = {}, file } = sources;
  const text = file === undefined ? {} : { file: { path: "atoll.yaml", text: file } };
  return loadConfig({ env, flags, hostname: "box", ...text });
}

/** What the refusal says, one line per problem. */
function problemsOf(sources: Parameters<typeof load>[0]): string[] {
  try {
    load(sources);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.detail.problems.map(({ message }) => message);
  }
  return assert.fail("the configuration was accepted");
}

function originOf(path: string, sources: Parameters<typeof load>[0]): string | undefined {
  return load(sources).settings.find(({ option }) => option.path === path)?.origin;
}

describe("defaults", () => {
  it("make a region of one node on this machine without any configuration", () => {
    const { node, http, network } = load().config;
    assert.deepEqual(
      { ...node },
      {
        name: "local-1",
        region: "local",
        federation: "default",
        dataDir: "./atoll-data",
        diskReserve: 256 * 1024 * 1024,
        members: [],
        logLevel: "info",
      },
    );
    assert.deepEqual([http.host, http.port, http.metricsPort], ["127.0.0.1", 8000, 0]);
    assert.deepEqual([network.host, network.port, network.peers], ["127.0.0.1", 4001, []]);
  });

  it("are those of the parts that they configure", () => {
    const { http, raft, registry, federation } = load().config;
    const ofParts: Readonly<Record<string, unknown>> = { ...LIMIT_DEFAULTS, ...LEASE_DEFAULTS };
    for (const [name, value] of Object.entries(registry)) assert.equal(ofParts[name] ?? value, value, name);
    assert.equal(http.lagMsMax, LOAD_LIMITS.lagMsMax);
    assert.equal(raft.proposeTimeoutMs, TIMEOUT_DEFAULTS.writeMs);
    assert.equal(raft.heartbeatMs, RAFT_DEFAULTS.heartbeatMs);
    assert.equal(raft.electionMsMin, RAFT_DEFAULTS.electionMsMin);
    assert.equal(raft.electionMsMax, RAFT_DEFAULTS.electionMsMax);
    assert.equal(raft.appendBytesMax, RAFT_DEFAULTS.appendBytesMax);
    assert.deepEqual({ messagesMax: raft.inflightMax, bytesMax: raft.inflightBytesMax }, { ...RAFT_DEFAULTS.window });
    assert.equal(raft.logEntriesMax, RAFT_DEFAULTS.logEntriesMax);
    assert.equal(raft.logTailEntries, RAFT_DEFAULTS.logTailEntries);
    assert.deepEqual(structuredClone(federation), FEDERATION_DEFAULTS);
  });

  it("lie within their own bounds and rules", () => {
    for (const { default: byDefault, path, schema } of OPTIONS) {
      const { minimum = -Infinity, maximum = Infinity } = schema as { minimum?: number; maximum?: number };
      if (typeof byDefault === "number") assert.ok(byDefault >= minimum && byDefault <= maximum, path);
    }
    load({ env: { ATOLL_RAFT_PRESET: "wan" } });
  });

  it("change with the preset, and yield to what is said explicitly", () => {
    const env = { ATOLL_RAFT_PRESET: "wan", ATOLL_RAFT_ELECTION_MS_MAX: "4s" };
    const { heartbeatMs, electionMsMin, electionMsMax } = load({ env }).config.raft;
    assert.deepEqual([heartbeatMs, electionMsMin, electionMsMax], [200, 1_500, 4_000]);
    assert.equal(originOf("raft.heartbeatMs", { env }), "preset wan");
  });

  it("follow from other options: name, address for nodes, address for agents", () => {
    const everywhere = {
      ATOLL_REGION: "us-east",
      HOST: "0.0.0.0",
      ATOLL_INSECURE: "on",
      ATOLL_NETWORK_HOST: "0.0.0.0",
    };
    const { node, http, network } = load({ env: everywhere }).config;
    assert.equal(node.name, "us-east-1");
    assert.equal(http.publicUrl, "http://box:8000");
    assert.deepEqual(network.advertise, [{ host: "box", port: 4001 }]);
    const member = { ...everywhere, ATOLL_MEMBERS: "us-east-1@here:5000", ENCRYPTION_KEY: KEY };
    assert.deepEqual(load({ env: member }).config.network.advertise, [{ host: "here", port: 5000 }]);
  });

  it("leave out an address whose port is not known before the node listens", () => {
    const { http, network } = load({ env: { PORT: "0", ATOLL_NETWORK_PORT: "0" } }).config;
    assert.equal(http.publicUrl, undefined);
    assert.equal(network.advertise, undefined);
  });
});

describe("precedence", () => {
  const file = "http: { port: 9001 }";

  it("is defaults < file < environment < flags", () => {
    const env = { PORT: "9002" };
    const flags = { "http.port": "9003" };
    assert.equal(load().config.http.port, 8000);
    assert.equal(load({ file }).config.http.port, 9001);
    assert.equal(load({ file, env }).config.http.port, 9002);
    assert.equal(load({ file, env, flags }).config.http.port, 9003);
    assert.equal(originOf("http.port", {}), "default");
    assert.equal(originOf("http.port", { file }), "file atoll.yaml");
    assert.equal(originOf("http.port", { file, env }), "environment PORT");
    assert.equal(originOf("http.port", { file, env, flags }), "flag --port");
  });

  it("puts our own name of an option before its aliases, and aliases in their order", () => {
    const env = { ATOLL_HTTP_PORT: "1001", REGISTRY_PORT: "1002", PORT: "1003" };
    assert.equal(load({ env }).config.http.port, 1001);
    assert.equal(load({ env: { ...env, ATOLL_HTTP_PORT: undefined } }).config.http.port, 1002);
  });

  it("takes an empty value in the environment for not set", () => {
    assert.equal(load({ file, env: { PORT: "" } }).config.http.port, 9001);
  });

  it("reads JSON files as well as YAML", () => {
    assert.equal(load({ file: '{"node": {"region": "eu"}}' }).config.node.region, "eu");
    assert.equal(load({ file: "" }).config.node.region, "local");
  });

  it("gives a configuration that nothing can change", () => {
    const { config } = load({ file: "network: { advertise: ['a:1'] }" });
    assert.throws(() => Object.assign(config.http, { port: 1 }), TypeError);
    assert.throws(() => Object.assign(config.network.advertise![0]!, { port: 1 }), TypeError);
    assert.throws(() => (config.node.members as unknown[]).push({}), TypeError);
    assert.doesNotThrow(() => load());
  });
});

describe("names in the environment", () => {
  /** Every name of the table once, with a value that is not the default and what becomes of it. */
  const NAMES: readonly (readonly [name: string, text: string, path: string, value: unknown])[] = [
    ["REGISTRY_INSTANCE_ID", "mcp-mesh-registry-0", "node.name", "mcp-mesh-registry-0"],
    ["POD_NAME", "mcp-mesh-registry-2", "node.name", "mcp-mesh-registry-2"],
    ["REGION", "us-east", "node.region", "us-east"],
    ["LOG_LEVEL", "warn", "node.logLevel", "warn"],
    ["MCP_MESH_LOG_LEVEL", "WARNING", "node.logLevel", "warn"],
    ["HOST", "0.0.0.0", "http.host", "0.0.0.0"],
    ["REGISTRY_PORT", "8080", "http.port", 8080],
    ["PORT", "8080", "http.port", 8080],
    ["METRICS_PORT", "9090", "http.metricsPort", 9090],
    ["MCP_MESH_ADMIN_PORT", "8101", "http.adminPort", 8101],
    ["MCP_MESH_PUBLIC_URL_PREFIX", "https://agents.example/a2a", "http.publicUrlPrefix", "https://agents.example/a2a"],
    ["MCP_MESH_EVENT_MAX_ROWS", "500", "registry.eventsMax", 500],
    ["MCP_MESH_PROXY_TIMEOUT", "90", "http.proxyTimeoutMs", 90_000],
    ["MCP_MESH_PROPAGATE_HEADERS", "x-audit-id, x-tenant*", "http.propagateHeaders", ["x-audit-id", "x-tenant*"]],
    ["MCP_MESH_PUBLIC_URL", "http://registry:8000", "http.publicUrl", "http://registry:8000"],
    ["PEER_REGISTRIES", "registry-west.global", "network.peers", ["registry-west.global"]],
    ["MCP_MESH_TLS_MODE", "off", "http.tlsMode", "off"],
    ["MCP_MESH_TLS_CERT", "/tls/tls.crt", "http.tlsCert", "/tls/tls.crt"],
    ["MCP_MESH_TLS_KEY", "/tls/tls.key", "http.tlsKey", "/tls/tls.key"],
    ["MCP_MESH_TLS_CA", "/tls/ca.crt", "http.tlsCa", "/tls/ca.crt"],
    ["MCP_MESH_TRUST_BACKEND", "localca", "http.trustBackend", "localca"],
    ["MCP_MESH_TRUST_DIR", "/entities", "http.trustDir", "/entities"],
    ["NETWORK_WHITELIST", "10.0.0.0/8, ::1", "security.networkWhitelist", ["10.0.0.0/8", "::1"]],
    ["REQUIRE_TLS", "true", "security.requireTls", true],
    ["AUTH_TOKEN", "dev-token", "security.authToken", "dev-token"],
    ["ENCRYPTION_KEY", KEY, "network.encryptionKey", KEY],
    ["DEFAULT_TIMEOUT_THRESHOLD", "40", "registry.meshLeaseMs", 40_000],
    ["AGENT_TIMEOUT", "90s", "registry.seedLeaseMs", 90_000],
    ["HEALTH_CHECK_INTERVAL", "30s", "registry.expiryCheckMs", 30_000],
    ["MCP_MESH_RETENTION", "2h", "registry.retentionMs", 7_200_000],
    ["OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318", "tracing.endpoint", "http://collector:4318"],
    ["OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer x, a=b", "tracing.headers", "authorization=Bearer x, a=b"],
    ["OTEL_TRACES_SAMPLER_ARG", "0.25", "tracing.sampleShare", 0.25],
    ["OTEL_SERVICE_NAME", "registry", "tracing.serviceName", "registry"],
  ];
  /** They only make sense together. */
  const ELECTION = {
    LEADER_ELECTION_LEASE_DURATION: "15s",
    LEADER_ELECTION_RENEW_DEADLINE: "10s",
    LEADER_ELECTION_RETRY_PERIOD: "2s",
  };

  for (const [name, text, path, value] of NAMES) {
    it(`${name}=${text} sets ${path}`, () => {
      const env = { ENCRYPTION_KEY: KEY, ATOLL_INSECURE: "on", [name]: text };
      const [group = "", key = ""] = path.split(".");
      const config = structuredClone(load({ env }).config) as unknown as Record<string, Record<string, unknown>>;
      assert.deepEqual(config[group]?.[key], value);
      assert.equal(originOf(path, { env }), `environment ${name}`);
    });
  }

  it("LEADER_ELECTION_* set the times of elections together, as existing deployments have them", () => {
    const { heartbeatMs, electionMsMin, electionMsMax } = load({ env: ELECTION }).config.raft;
    assert.deepEqual([heartbeatMs, electionMsMin, electionMsMax], [2_000, 10_000, 15_000]);
  });

  it("LEADER_ELECTION_RETRY_PERIOD alone is refused: it does not fit the other times", () => {
    const problems = problemsOf({ env: { LEADER_ELECTION_RETRY_PERIOD: "2s" } });
    assert.match(
      problems[0] ?? "",
      /raft\.electionMsMin \(500, default\) and raft\.heartbeatMs \(2000, environment LEADER_ELECTION_RETRY_PERIOD\)/,
    );
  });

  it("are all tried above", () => {
    const aliases = OPTIONS.flatMap(({ facts }) => facts.aliases.map(({ name }) => name));
    const tried = [...NAMES.map(([name]) => name), ...Object.keys(ELECTION)];
    assert.deepEqual(tried.sort(), aliases.sort());
  });

  it("a bare number is seconds where existing deployments count seconds", () => {
    assert.equal(load({ env: { HEALTH_CHECK_INTERVAL: "10" } }).config.registry.expiryCheckMs, 10_000);
    assert.equal(load({ env: { ATOLL_REGISTRY_EXPIRY_CHECK_MS: "10" } }).config.registry.expiryCheckMs, 10);
    assert.match(
      problemsOf({ env: { HEALTH_CHECK_INTERVAL: "0" } })[0] ?? "",
      /^registry\.expiryCheckMs: "0" is not .*\(environment HEALTH_CHECK_INTERVAL; a bare number there counts seconds\)$/,
    );
  });

  it("that change nothing are accepted and told", () => {
    const { ignored } = load({
      env: { DATABASE_TYPE: "sqlite", MCP_MESH_SWEEP_INTERVAL: "secret", ENABLE_LEADER_ELECTION: "true" },
    });
    assert.deepEqual(
      ignored.map(({ name, isWarning }) => [name, isWarning]),
      [
        ["DATABASE_TYPE", false],
        ["ENABLE_LEADER_ELECTION", false],
        ["MCP_MESH_SWEEP_INTERVAL", false],
      ],
    );
    assert.doesNotMatch(JSON.stringify(ignored), /"secret"/);
  });

  it("that Kubernetes sets for a service called atoll or registry are nobody's options", () => {
    const env = {
      ATOLL_SERVICE_HOST: "10.0.0.1",
      ATOLL_SERVICE_PORT_HTTP: "8000",
      ATOLL_PORT: "tcp://10.0.0.1:8000",
      ATOLL_PORT_8000_TCP_ADDR: "10.0.0.1",
      REGISTRY_PORT: "tcp://10.0.0.1:8000",
    };
    assert.equal(load({ env }).config.http.port, 8000);
  });
});

describe("a refusal", () => {
  it("names option, value, bounds and source, whatever the source", () => {
    assert.deepEqual(problemsOf({ env: { ATOLL_RAFT_INFLIGHT_MAX: "0" } }), [
      'raft.inflightMax: "0" is not an integer from 1 to 4096 (environment ATOLL_RAFT_INFLIGHT_MAX)',
    ]);
    assert.deepEqual(problemsOf({ flags: { "http.port": "eighty" } }), [
      'http.port: "eighty" is not an integer from 0 to 65535 (flag --port)',
    ]);
    assert.deepEqual(problemsOf({ file: "raft: { preset: moon }" }), [
      'raft.preset: "moon" is not one of lan, wan (file atoll.yaml)',
    ]);
  });

  it("is given to a prefix of nothing, which would let credentials through to agents", () => {
    assert.match(
      problemsOf({ env: { MCP_MESH_PROPAGATE_HEADERS: "x-audit-id,*" } })[0] ?? "",
      /^http\.propagateHeaders/,
    );
  });

  it("tells every problem at once", () => {
    const problems = problemsOf({ env: { PORT: "x", REGION: "A B" }, flags: { "raft.inflightMax": "-1" } });
    assert.equal(problems.length, 3);
  });

  it("of a misspelt name says which one was probably meant", () => {
    assert.deepEqual(problemsOf({ env: { ATOLL_RAFT_HEARTBEAT: "50" } }), [
      "ATOLL_RAFT_HEARTBEAT: there is no such option (did you mean ATOLL_RAFT_HEARTBEAT_MS?) (environment ATOLL_RAFT_HEARTBEAT)",
    ]);
    assert.deepEqual(problemsOf({ file: "raft: { hartbeatMs: 50 }\nhtpp: { port: 1 }" }), [
      "raft.hartbeatMs: there is no such option (did you mean raft.heartbeatMs?) (file atoll.yaml)",
      "htpp: there is no such group of options (did you mean http?) (file atoll.yaml)",
    ]);
  });

  it("leaves other programs' names alone", () => {
    assert.doesNotThrow(() => load({ env: { PATH: "/bin", RAFT_HEARTBEAT: "x", ATOLL_URL: "x", ATOLL_CONFIG: "x" } }));
  });

  it("of a secret does not show it", () => {
    const problems = problemsOf({ env: { ENCRYPTION_KEY: "short-secret" } });
    assert.deepEqual(problems, [
      "network.encryptionKey: the value is not 16 to 256 characters, or several such keys separated by commas (environment ENCRYPTION_KEY)",
    ]);
  });

  it("of a file that is no configuration says what is wrong with it", () => {
    assert.match(problemsOf({ file: "node: [" })[0] ?? "", /^--config: the file is neither YAML nor JSON: /);
    assert.match(problemsOf({ file: "- a" })[0] ?? "", /^--config: the file should hold groups of options/);
    assert.match(problemsOf({ file: "node: 5" })[0] ?? "", /^node: it should hold options by name/);
    assert.match(problemsOf({ file: `# ${"x".repeat(1024 * 1024)}` })[0] ?? "", /more than 1048576 characters/);
  });

  it("shows a long value abridged", () => {
    assert.ok((problemsOf({ env: { ATOLL_DATA_DIR: "x".repeat(5_000) } })[0]?.length ?? 0) < 400);
  });
});

describe("rules that span options", () => {
  const CASES: readonly (readonly [string, Record<string, string>, RegExp])[] = [
    [
      "a node is one of the members it founds its region with",
      { ATOLL_MEMBERS: "a@h:1,b@h:2", ENCRYPTION_KEY: KEY },
      /node\.name .* node\.members/,
    ],
    [
      "members have names of their own",
      { ATOLL_NAME: "a", ATOLL_MEMBERS: "a@h:1,a@h:2", ENCRYPTION_KEY: KEY },
      /node\.members/,
    ],
    [
      "members have addresses of their own",
      { ATOLL_NAME: "a", ATOLL_MEMBERS: "a@h:1,b@h:1", ENCRYPTION_KEY: KEY },
      /node\.members/,
    ],
    [
      "P11: members need the shared key",
      { ATOLL_NAME: "a", ATOLL_MEMBERS: "a@h:1,b@h:2" },
      /network\.encryptionKey \(not set, default\) and node\.members/,
    ],
    [
      "DNS servers are not named by names",
      { ATOLL_NETWORK_DNS_SERVERS: "10.0.0.1,dns.example" },
      /network\.dnsServers/,
    ],
    [
      "P11: strangers are not served without a token",
      { HOST: "0.0.0.0" },
      /http\.host \(0\.0\.0\.0, environment HOST\) and security\.authToken .*AUTH_TOKEN.*HOST=127\.0\.0\.1.*ATOLL_INSECURE=on/,
    ],
    [
      "TLS has a certificate and its key",
      { MCP_MESH_TLS_MODE: "auto" },
      /http\.tlsMode .* http\.tlsCert .* http\.tlsKey/,
    ],
    [
      "P11: strict TLS trusts somebody",
      { MCP_MESH_TLS_MODE: "strict", MCP_MESH_TLS_CERT: "a", MCP_MESH_TLS_KEY: "b" },
      /http\.tlsMode .* http\.tlsCa /,
    ],
    ["networks are networks", { NETWORK_WHITELIST: "10.0.0.0/33" }, /security\.networkWhitelist .*no such prefix/],
    ["P11: each key is long enough", { ENCRYPTION_KEY: `${KEY},short` }, /network\.encryptionKey \(\[secret\]/],
    ["each token is long enough", { AUTH_TOKEN: "long-enough,short" }, /security\.authToken \(\[secret\]/],
    ["P11: announcing needs the shared key", { ATOLL_NETWORK_MDNS: "on" }, /network\.encryptionKey .* network\.mdns/],
    ["P11: peers need the shared key", { PEER_REGISTRIES: "west" }, /network\.encryptionKey .* network\.peers/],
    ["ports differ for operators", { MCP_MESH_ADMIN_PORT: "8000" }, /http\.adminPort .* http\.port/],
    ["ports differ", { PORT: "4001" }, /network\.port .* http\.port/],
    [
      "two lost heartbeats start no election",
      { ATOLL_RAFT_HEARTBEAT_MS: "101" },
      /raft\.electionMsMin .* raft\.heartbeatMs/,
    ],
    ["election times spread", { ATOLL_RAFT_ELECTION_MS_MAX: "399" }, /raft\.electionMsMax .* raft\.electionMsMin/],
    [
      "a compaction frees something",
      { ATOLL_RAFT_LOG_TAIL_ENTRIES: "10001" },
      /raft\.logTailEntries .* raft\.logEntriesMax/,
    ],
    [
      "a record fits a request",
      { ATOLL_HTTP_BODY_BYTES_MAX: "32KiB" },
      /registry\.recordBytesMax .* http\.bodyBytesMax/,
    ],
    [
      "a record fits a message",
      { ATOLL_RAFT_APPEND_BYTES_MAX: "32KiB" },
      /registry\.recordBytesMax .* raft\.appendBytesMax/,
    ],
    [
      "a message fits what may be on the way",
      { ATOLL_RAFT_INFLIGHT_BYTES_MAX: "512KiB" },
      /raft\.appendBytesMax .* raft\.inflightBytesMax/,
    ],
    [
      "one lost header does not empty the cache",
      { ATOLL_FEDERATION_SUMMARY_FRESH_MS: "1999" },
      /federation\.summaryFreshMs .* federation\.headerIntervalMs/,
    ],
    [
      "what is exported is said",
      { ATOLL_FEDERATION_EXPORT: "," },
      /federation\.export.*write \* for all, !\* for none/,
    ],
  ];
  for (const [rule, env, message] of CASES) {
    it(rule, () => assert.match(problemsOf({ env }).join("\n"), message));
  }

  it("hold just within their bounds", () => {
    load({ env: { ATOLL_RAFT_HEARTBEAT_MS: "100", ATOLL_RAFT_ELECTION_MS_MAX: "700" } });
    load({ env: { ATOLL_RAFT_LOG_TAIL_ENTRIES: "10000", ATOLL_FEDERATION_SUMMARY_FRESH_MS: "2000" } });
    load({ env: { ATOLL_HTTP_BODY_BYTES_MAX: "64KiB" } });
  });
});

describe("listening", () => {
  for (const host of ["127.0.0.1", "127.8.0.1", "localhost", "::1"]) {
    it(`is open to this machine on ${host} without a token`, () => {
      assert.equal(load({ env: { HOST: host } }).config.http.host, host);
    });
  }
  const elsewhere = { HOST: "10.0.0.1" };
  for (const more of [
    { AUTH_TOKEN: "new-token-1,old-token-1" },
    { ATOLL_TOKENS: "/etc/atoll/tokens.yaml" },
    { ATOLL_INSECURE: "on" },
  ]) {
    it(`P11: is open to others with ${Object.keys(more)}`, () => {
      assert.equal(load({ env: { ...elsewhere, ...more } }).config.http.host, "10.0.0.1");
    });
  }
  for (const host of ["0.0.0.0", "::", "10.0.0.1", "registry.example", "127.0.0.1.example"]) {
    it(`P11: is refused on ${host} without one`, () => {
      assert.match(problemsOf({ env: { HOST: host } }).join(), /security\.authToken/);
    });
  }
});
