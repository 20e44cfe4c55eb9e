/**
 * Every option of a node: default, bounds, unit, meaning, and the environment names that set it.
 *
 * An option `group.someName` is set by `ATOLL_GROUP_SOME_NAME` and `--group-some-name`; the groups `node` and `security` are left
 * out of both (`ATOLL_REGION`, `--region`). The names that existing deployments use are listed as aliases and lose against ours.
 * What spans several options is in `rules.ts`; how a value is found, in `load.ts`.
 */

import Type, { type Static } from "typebox";
import { NODE_PORT_DEFAULT } from "../types/peer-name.ts";
import {
  addresses,
  bytes,
  choice,
  duration,
  host,
  inSeconds,
  integer,
  list,
  members,
  NAME_EXPECTED,
  NAME_PATTERN,
  pairs,
  peers,
  share,
  text,
  toggle,
} from "./option.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const NodeOptions = group({
  name: text({
    description: "Name of this node, unique in its region. Absent means <region>-1.",
    maxLength: 63,
    pattern: NAME_PATTERN,
    expected: NAME_EXPECTED,
    aliases: ["REGISTRY_INSTANCE_ID", "POD_NAME"],
  }),
  region: text({
    description: "Region of this node: the nodes of one Raft group.",
    default: "local",
    maxLength: 63,
    pattern: NAME_PATTERN,
    expected: NAME_EXPECTED,
    aliases: ["REGION"],
  }),
  zone: Type.Optional(
    text({
      description:
        "Part of the region that this node is in. Askers who name none are taken to be there too. Absent means unknown.",
      maxLength: 63,
      pattern: NAME_PATTERN,
      expected: NAME_EXPECTED,
    }),
  ),
  federation: text({
    description: "Federation of this node. Nodes of another one are refused.",
    default: "default",
    maxLength: 63,
    pattern: NAME_PATTERN,
    expected: NAME_EXPECTED,
  }),
  dataDir: text({
    description: "Folder of this node's identity and data. One process at a time.",
    default: "./atoll-data",
    maxLength: 4_096,
    expected: "a path of 1 to 4096 characters",
  }),
  diskReserve: bytes({
    description:
      "Kept free where the data lies; at most a tenth of that disk. A node whose disk has less takes no registrations.",
    default: 256 * MIB,
    minimum: MIB,
    maximum: 1024 * 1024 * MIB,
  }),
  members: members({
    description: "The nodes that found this region, the same list on each of them. Empty means a region of one node.",
    maxItems: 15,
    defaultPort: NODE_PORT_DEFAULT,
  }),
  logLevel: choice({
    description: "Least severe event that is logged.",
    default: "info",
    values: ["debug", "info", "warn", "error"],
    synonyms: { trace: "debug", warning: "warn", critical: "error" },
    aliases: ["LOG_LEVEL", "MCP_MESH_LOG_LEVEL"],
  }),
});

const HttpOptions = group({
  host: host({
    description: "Address on which agents and operators are served. 0.0.0.0 means all.",
    default: "127.0.0.1",
    aliases: ["HOST"],
    flag: "-H, --host <host>",
  }),
  port: integer({
    description: "Port on which agents and operators are served. 0 means any free one.",
    default: 8000,
    minimum: 0,
    maximum: 65_535,
    aliases: ["REGISTRY_PORT", "PORT"],
    flag: "-p, --port <port>",
  }),
  metricsPort: integer({
    description:
      "Port that serves /metrics, /health and /ready to anybody, beside those on the main port. 0 means none.",
    default: 0,
    minimum: 0,
    maximum: 65_535,
    aliases: ["METRICS_PORT"],
  }),
  adminPort: integer({
    description:
      "Port that serves /admin in place of the main one, on the same address. 0 means the main one serves it.",
    default: 0,
    minimum: 0,
    maximum: 65_535,
    aliases: ["MCP_MESH_ADMIN_PORT"],
  }),
  connectionsMax: integer({
    description:
      "Most connections of agents and operators at one time. Beyond, new ones are closed unanswered; metricsPort and adminPort have places of their own.",
    default: 16_384,
    minimum: 16,
    maximum: 1_000_000,
  }),
  requestTimeoutMs: duration({
    description: "A request that has not arrived in whole by then is answered 408, and its connection closed.",
    default: 30 * SECOND,
    minimum: 100,
    maximum: 10 * MINUTE,
  }),
  publicUrl: Type.Optional(
    text({
      description: "Where agents reach this node, as told to other nodes. Absent means http.host and http.port.",
      maxLength: 2_048,
      pattern: "^https?://[^\\s/?#]+(/[^\\s?#]*)?$",
      expected: "an http:// or https:// URL without query",
      aliases: ["MCP_MESH_PUBLIC_URL"],
    }),
  ),
  publicUrlPrefix: Type.Optional(
    text({
      description:
        "What clients from outside reach A2A agents under: shown before their paths. Absent means not shown.",
      maxLength: 2_048,
      pattern: "^https?://[^\\s/?#]+(/[^\\s?#]*)?$",
      expected: "an http:// or https:// URL without query",
      aliases: ["MCP_MESH_PUBLIC_URL_PREFIX"],
    }),
  ),
  proxyTimeoutMs: duration({
    description: "A call forwarded by /proxy has this long, unless the caller names another time.",
    default: MINUTE,
    minimum: 100,
    maximum: 10 * MINUTE,
    aliases: [inSeconds("MCP_MESH_PROXY_TIMEOUT")],
  }),
  proxyCallsMax: integer({
    description: "Most calls that /proxy forwards at one time. Beyond, callers are answered 503.",
    default: 512,
    minimum: 1,
    maximum: 65_536,
  }),
  lagMsMax: duration({
    description:
      "Later than this the event loop may not be; beyond, requests are refused, watches first, renewals never.",
    default: 100,
    minimum: 10,
    maximum: MINUTE,
  }),
  watchersMax: integer({
    description: "Most clients that watch this node at one time. Beyond, they are answered 503.",
    default: 4_096,
    minimum: 0,
    maximum: 65_536,
  }),
  watchEventsMax: integer({
    description: "The newest changes of agents that are kept for watchers who were away or are slow.",
    default: 8_192,
    minimum: 16,
    maximum: 1_048_576,
  }),
  watchBytesMax: bytes({
    description: "The same, in bytes of the events' text.",
    default: 16 * MIB,
    minimum: MIB,
    maximum: 1_024 * MIB,
  }),
  propagateHeaders: Type.Optional(
    list({
      description: "Request headers that /proxy forwards beside its own; a name that ends with * is a prefix.",
      maxItems: 64,
      pattern: "^[A-Za-z0-9!#$%&'+.^_`|~-]+[*]?$",
      expected: "a list of header names, or prefixes that end with *, separated by commas, at most 64",
      aliases: ["MCP_MESH_PROPAGATE_HEADERS"],
    }),
  ),
  tlsMode: choice({
    description:
      "off serves HTTP; auto HTTPS, and takes certificates of clients; strict serves those alone who have one.",
    default: "off",
    values: ["off", "auto", "strict"],
    aliases: ["MCP_MESH_TLS_MODE"],
  }),
  tlsCert: Type.Optional(
    pemFile("Certificate that this node proves itself with, and its chain: a PEM file. Read again when it changes.", [
      "MCP_MESH_TLS_CERT",
    ]),
  ),
  tlsKey: Type.Optional(pemFile("The key of http.tlsCert: a PEM file.", ["MCP_MESH_TLS_KEY"])),
  tlsCa: Type.Optional(
    pemFile(
      "Authorities that clients' certificates, and those of agents called by /proxy, are trusted by: a PEM file.",
      ["MCP_MESH_TLS_CA"],
    ),
  ),
  trustBackend: choice({
    description:
      "Only checked: both of these are read as the folder http.trustDir. What other backends keep can be mounted as such a folder.",
    default: "filestore",
    values: ["filestore", "localca"],
    aliases: ["MCP_MESH_TRUST_BACKEND"],
  }),
  trustDir: Type.Optional(
    text({
      description:
        "Folder of authorities by entity: NAME.pem signs the certificates of entity NAME. Absent, the name in a certificate is the entity.",
      maxLength: 4_096,
      expected: "a path of 1 to 4096 characters",
      aliases: ["MCP_MESH_TRUST_DIR"],
    }),
  ),
  bodyBytesMax: bytes({
    description: "Largest request body of /v1 and the older forms; /heartbeat takes up to 10 MiB.",
    default: MIB,
    minimum: KIB,
    maximum: 16 * MIB,
  }),
});

const NetworkOptions = group({
  host: host({
    description: "Address on which other nodes are served. 0.0.0.0 means all.",
    default: "127.0.0.1",
  }),
  port: integer({
    description: "Port on which other nodes are served. 0 means any free one.",
    default: NODE_PORT_DEFAULT,
    minimum: 0,
    maximum: 65_535,
  }),
  peers: peers({
    description:
      "Nodes of other regions to dial, for ever. Names are looked up anew at each attempt. " +
      "A host without a port stands for the DNS service _atoll._tcp of it where there is one, else for port 4001.",
    maxItems: 256,
    aliases: ["PEER_REGISTRIES"],
  }),
  mdns: toggle({
    description:
      "Find nodes of this federation on the local network, and be found, by multicast DNS. They still prove the shared key.",
    default: false,
    flag: "--mdns [on]",
  }),
  dnsServers: Type.Optional(
    addresses({
      description:
        "DNS servers to ask for the names of other nodes, by IP address, and nobody else. Absent means those of the system.",
      maxItems: 8,
      defaultPort: 53,
      isOptional: true,
    }),
  ),
  advertise: Type.Optional(
    addresses({
      description:
        "Where other nodes are told to dial this one; none keeps them to the names they were configured with. " +
        "Absent means this node's address in node.members, else network.host and network.port.",
      maxItems: 8,
      defaultPort: NODE_PORT_DEFAULT,
      isOptional: true,
    }),
  ),
  encryptionKey: Type.Optional(
    text({
      description:
        "Key shared by all nodes of the federation. Who can not prove it is not served; without it nobody is. " +
        "While it is replaced, several separated by commas: the first is proved, all are accepted.",
      minLength: 16,
      maxLength: 1_024,
      expected: "16 to 256 characters, or several such keys separated by commas",
      isSecret: true,
      aliases: ["ENCRYPTION_KEY"],
    }),
  ),
  allowedPeers: Type.Optional(
    list({
      description: "Identities of the only nodes that may connect. Absent means whoever proves the shared key.",
      maxItems: 1_024,
      pattern: "^[1-9A-HJ-NP-Za-km-z]{32,128}$",
      expected: "a list of PeerIds in base58, separated by commas, at most 1024",
    }),
  ),
});

const RaftOptions = group({
  preset: choice({
    description:
      "Defaults of the three times below: lan for nodes within a few ms of each other, wan for up to 100 ms.",
    default: "lan",
    values: ["lan", "wan"],
  }),
  heartbeatMs: duration({
    description: "An idle leader speaks this often.",
    default: 100,
    minimum: 10,
    maximum: 10 * SECOND,
    aliases: [inSeconds("LEADER_ELECTION_RETRY_PERIOD")],
  }),
  electionMsMin: duration({
    description:
      "A follower that hears no leader for this long starts an election; others follow in turn, by raft.electionMsMax.",
    default: 500,
    minimum: 50,
    maximum: MINUTE,
    aliases: [inSeconds("LEADER_ELECTION_RENEW_DEADLINE")],
  }),
  electionMsMax: duration({
    description: "See raft.electionMsMin.",
    default: 1_000,
    minimum: 100,
    maximum: 2 * MINUTE,
    aliases: [inSeconds("LEADER_ELECTION_LEASE_DURATION")],
  }),
  proposeTimeoutMs: duration({
    description: "A write waits this long in all for a leader and a majority, then it is answered 503.",
    default: 5 * SECOND,
    minimum: 100,
    maximum: MINUTE,
  }),
  appendBytesMax: bytes({
    description: "Most bytes of log entries in one message.",
    default: MIB,
    minimum: 16 * KIB,
    maximum: 8 * MIB,
  }),
  inflightMax: integer({
    description: "Most messages with log entries on the way to one follower.",
    default: 64,
    minimum: 1,
    maximum: 4_096,
  }),
  inflightBytesMax: bytes({
    description: "Most bytes of log entries on the way to one follower.",
    default: 8 * MIB,
    minimum: 64 * KIB,
    maximum: 256 * MIB,
  }),
  waitingBytesMax: bytes({
    description: "Most bytes of writes that wait for a majority. Beyond, writes are answered 503.",
    default: 64 * MIB,
    minimum: MIB,
    maximum: 1024 * MIB,
  }),
  logEntriesMax: integer({
    description: "The log is compacted once it holds more entries.",
    default: 20_000,
    minimum: 100,
    maximum: 10_000_000,
  }),
  logTailEntries: integer({
    description: "Entries that compaction leaves for followers a little behind; those further behind get a snapshot.",
    default: 4_000,
    minimum: 0,
    maximum: 5_000_000,
  }),
  logBytesMax: bytes({
    description: "The log is compacted once it holds more bytes.",
    default: 64 * MIB,
    minimum: MIB,
    maximum: 4096 * MIB,
  }),
});

const RegistryOptions = group({
  meshLeaseMs: duration({
    description: "Lease of an agent that registers by /heartbeat: unhealthy after this long without a sign of life.",
    default: 20 * SECOND,
    minimum: SECOND,
    maximum: 24 * HOUR,
    aliases: [inSeconds("DEFAULT_TIMEOUT_THRESHOLD")],
  }),
  seedLeaseMs: duration({
    description: "Lease of an agent that registers by the older forms, POST /agents and /api/v1/agents.",
    default: MINUTE,
    minimum: SECOND,
    maximum: 24 * HOUR,
    aliases: [inSeconds("AGENT_TIMEOUT")],
  }),
  nativeLeaseMs: duration({
    description: "Lease of an agent that registers by /v1 and names none.",
    default: 30 * SECOND,
    minimum: SECOND,
    maximum: 24 * HOUR,
  }),
  expiryCheckMs: duration({
    description: "The leader looks for leases that ran out this often.",
    default: 250,
    minimum: 10,
    maximum: 5 * MINUTE,
    aliases: [inSeconds("HEALTH_CHECK_INTERVAL")],
  }),
  retentionMs: duration({
    description: "An unhealthy agent stays listed this long, then it is removed.",
    default: HOUR,
    minimum: SECOND,
    maximum: 30 * 24 * HOUR,
    aliases: [inSeconds("MCP_MESH_RETENTION")],
  }),
  eventsMax: integer({
    description: "Newest events that the region keeps, such as agents that came and went; 0 keeps none.",
    default: 10_000,
    minimum: 0,
    maximum: 1_000_000,
    aliases: ["MCP_MESH_EVENT_MAX_ROWS"],
  }),
  namespaces: choice({
    description: "Whether agents are told of providers in all namespaces, or only in their own.",
    default: "shared",
    values: ["shared", "isolated"],
  }),
  handBackMs: duration({
    description: "A provider that came back takes its consumers over from one abroad when it has lasted this long.",
    default: 10 * SECOND,
    minimum: 0,
    maximum: HOUR,
  }),
  agentsMax: integer({
    description: "Most agents of the region. Beyond, new ones are refused.",
    default: 1_000_000,
    minimum: 1,
    maximum: 10_000_000,
  }),
  recordBytesMax: bytes({
    description: "Largest record of an agent.",
    default: 64 * KIB,
    minimum: KIB,
    maximum: MIB,
  }),
  capabilitiesMax: integer({
    description: "Most capabilities of an agent.",
    default: 256,
    minimum: 1,
    maximum: 4_096,
  }),
  renewalBatchMs: duration({
    description: "Renewals taken within this time travel to the other nodes in one message.",
    default: 25,
    minimum: 1,
    maximum: SECOND,
  }),
  brakeShare: share({
    description:
      "When a larger share of all leases runs out at once, expiry is slowed: a cut is likelier than that many deaths.",
    default: 0.3,
    minimum: 0.01,
    maximum: 1,
  }),
});

const FederationOptions = group({
  headerIntervalMs: duration({
    description: "The leader tells other regions the state of this one this often.",
    default: SECOND,
    minimum: 50,
    maximum: MINUTE,
  }),
  pullIntervalMs: duration({
    description: "Summaries are compared with every other region this often, and repaired.",
    default: 10 * SECOND,
    minimum: 100,
    maximum: 10 * MINUTE,
  }),
  coalesceMs: duration({
    description: "Changes within this time are told to other regions in one message.",
    default: 5,
    minimum: 0,
    maximum: SECOND,
  }),
  lookupDeadlineMs: duration({
    description: "A region that has not answered a lookup by then is left out of the answer, and named in it.",
    default: SECOND,
    minimum: 10,
    maximum: MINUTE,
  }),
  summaryFreshMs: duration({
    description: "A kept answer counts as current while the region's summary was confirmed within this time.",
    default: 3 * SECOND,
    minimum: 100,
    maximum: 10 * MINUTE,
  }),
  cacheEntriesMax: integer({
    description: "Most answers of other regions that are kept.",
    default: 10_000,
    minimum: 1,
    maximum: 1_000_000,
  }),
  pins: pairs({
    description: "Public keys of other regions. A region named here is believed under this key only.",
    maxProperties: 256,
    valuePattern: "^[0-9a-f]{64}$",
    expected: "a list of region=key, separated by commas, each key 64 lower-case hex digits",
  }),
  export: Type.Optional(
    list({
      description:
        "Namespaces that other regions see: names, * for all, ! before what they do not. The same on all nodes of a region. Absent means all.",
      maxItems: 256,
      pattern: "^!?(\\*|[^\\s,!*]{1,63})$",
      expected: "a list of namespaces, separated by commas, each a name, *, or one of them after !, at most 256",
    }),
  ),
});

const NETWORK_PATTERN = "^[0-9A-Fa-f:.]+(/\\d{1,3})?$";
const NETWORK_EXPECTED = "a list of IP addresses and networks such as 10.0.0.0/8, separated by commas";

const SecurityOptions = group({
  authToken: Type.Optional(
    text({
      description:
        "Tokens that may do everything, separated by commas: one, or the old and the new one while it is replaced. " +
        "Absent, and without security.tokens, nobody is asked for one.",
      minLength: 8,
      maxLength: 2_048,
      expected: "tokens of 8 to 256 characters, separated by commas",
      isSecret: true,
      aliases: ["AUTH_TOKEN"],
    }),
  ),
  tokens: Type.Optional(
    text({
      description: "YAML or JSON file of tokens with roles and namespaces. Read again when it changes.",
      maxLength: 4_096,
      expected: "a path of 1 to 4096 characters",
    }),
  ),
  anonymousRole: choice({
    description: "What callers without a token may do where tokens are asked for.",
    default: "none",
    values: ["none", "reader", "agent"],
  }),
  requestsPerSecond: integer({
    description:
      "What one token, or one address without one, may ask in a second; ten times as much at once after silence. 0 means no limit.",
    default: 2_000,
    minimum: 0,
    maximum: 1_000_000,
  }),
  renewalsPerSecond: integer({
    description: "The same for renewals of leases, which have a budget of their own.",
    default: 10_000,
    minimum: 0,
    maximum: 1_000_000,
  }),
  networkWhitelist: Type.Optional(
    list({
      description: "Networks that are served, such as 10.0.0.0/8. Absent means all.",
      maxItems: 256,
      pattern: NETWORK_PATTERN,
      expected: NETWORK_EXPECTED,
      aliases: ["NETWORK_WHITELIST"],
    }),
  ),
  requireTls: toggle({
    description: "Serve nobody in the clear: behind a proxy of security.trustedProxies, nobody who came to it so.",
    default: false,
    aliases: ["REQUIRE_TLS"],
  }),
  trustedProxies: Type.Optional(
    list({
      description: "Networks of proxies that are believed who asked them: x-forwarded-for, x-forwarded-proto.",
      maxItems: 64,
      pattern: NETWORK_PATTERN,
      expected: NETWORK_EXPECTED,
    }),
  ),
  servedNamespaces: Type.Optional(
    list({
      description: "Namespaces whose agents this node takes, renews and finds by name of namespace. Absent means all.",
      maxItems: 256,
      pattern: "^[^\\s,]{1,63}$",
      expected: "a list of namespaces, separated by commas, at most 256",
    }),
  ),
  auditBytesMax: bytes({
    description:
      "Size of a file of the audit trail, of which the newest 10 of changes and 2 of refusals are kept. 0 keeps no trail.",
    default: 10 * MIB,
    minimum: 0,
    maximum: 1_024 * MIB,
  }),
  insecure: toggle({
    description: "Serve more than this machine without tokens: only where nobody else reaches http.host.",
    default: false,
    flag: "--insecure [on]",
  }),
});

const TracingOptions = group({
  endpoint: Type.Optional(
    text({
      description: "OpenTelemetry collector that traces are exported to, by OTLP over HTTP. Absent means no traces.",
      maxLength: 2_048,
      pattern: "^https?://[^\\s/?#]+(/[^\\s?#]*)?$",
      expected: "an http:// or https:// URL without query; /v1/traces is added",
      aliases: ["OTEL_EXPORTER_OTLP_ENDPOINT"],
    }),
  ),
  headers: Type.Optional(
    text({
      description: "Headers of exports, such as a token of the collector.",
      maxLength: 4_096,
      pattern: "^[^\\s=,]+=[^,]*(,\\s*[^\\s=,]+=[^,]*)*$",
      expected: "a list of name=value, separated by commas",
      isSecret: true,
      aliases: ["OTEL_EXPORTER_OTLP_HEADERS"],
    }),
  ),
  sampleShare: share({
    description: "Share of the requests that are traced, of those that belong to no trace yet.",
    default: 1,
    minimum: 0,
    maximum: 1,
    aliases: ["OTEL_TRACES_SAMPLER_ARG"],
  }),
  serviceName: text({
    description: "What this node is called among the services that the collector knows.",
    default: "atoll",
    maxLength: 255,
    expected: "1 to 255 characters",
    aliases: ["OTEL_SERVICE_NAME"],
  }),
});

export const ConfigSchema = group({
  node: NodeOptions,
  http: HttpOptions,
  security: SecurityOptions,
  network: NetworkOptions,
  raft: RaftOptions,
  registry: RegistryOptions,
  federation: FederationOptions,
  tracing: TracingOptions,
});

type DeepReadonly<Value> = { readonly [Key in keyof Value]: DeepReadonly<Value[Key]> };

/** A checked configuration: every option within its bounds, every default filled in, frozen. */
export type Config = DeepReadonly<Static<typeof ConfigSchema>>;

/** What `raft.preset` stands for: defaults that anything said explicitly overrides. */
export const RAFT_PRESETS: Readonly<Record<Config["raft"]["preset"], Readonly<Record<string, number>>>> = {
  lan: {},
  wan: { "raft.heartbeatMs": 200, "raft.electionMsMin": 1_500, "raft.electionMsMax": 3_000 },
};

function pemFile(description: string, aliases: readonly string[]) {
  return text({ description, maxLength: 4_096, expected: "a path of 1 to 4096 characters", aliases });
}

function group<Options extends Type.TProperties>(options: Options) {
  return Type.Object(options, { additionalProperties: false });
}
