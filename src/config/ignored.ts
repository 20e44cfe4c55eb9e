/**
 * Environment names that deployments of the MCP Mesh registry set and that change nothing here.
 *
 * They are accepted, so that such a deployment starts as it is, and named in the log once, with the reason: nobody should
 * believe that a database, or a token, is in use.
 */

export interface IgnoredSetting {
  readonly name: string;
  readonly reason: string;
  /** Somebody may rely on it for safety. */
  readonly isWarning: boolean;
}

interface IgnoredNames {
  readonly names: RegExp;
  readonly reason: string;
  readonly isWarning?: boolean;
}

const IGNORED: readonly IgnoredNames[] = [
  {
    names: /^DATABASE_(TYPE|PATH|HOST|PORT|NAME|USER|PASSWORD|URL)$/,
    reason: "data is kept in ATOLL_DATA_DIR, without a database",
  },
  { names: /^ENABLE_LEADER_ELECTION$/, reason: "every region elects its leader; it can not be turned off" },
  {
    names: /^DEFAULT_EVICTION_THRESHOLD$/,
    reason: "it has no effect in the MCP Mesh registry either: see MCP_MESH_RETENTION",
  },
  { names: /^MCP_MESH_SWEEP_INTERVAL$/, reason: "agents past the retention are removed as they pass it" },
  { names: /^MCP_MESH_DEBUG_MODE$/, reason: "set LOG_LEVEL=debug instead" },
  {
    names: /^MCP_MESH_(EVENT_MAX_ROWS|JOB_STALE_TIMEOUT|CANCEL_EVENT_GRACE_MS)$/,
    reason: "this version keeps neither events nor jobs",
  },
  {
    names: /^(MCP_MESH_DISTRIBUTED_TRACING_ENABLED|REDIS_URL|TEMPO_URL|TELEMETRY_ENDPOINT)$/,
    reason: "traces are exported to OTEL_EXPORTER_OTLP_ENDPOINT, where that is set",
  },
  {
    names: /^(ENABLE_(CORS|METRICS|PROMETHEUS|EVENTS)|ALLOWED_(ORIGINS|METHODS|HEADERS)|ACCESS_LOG|REGISTRY_NAME)$/,
    reason: "it has no effect in the MCP Mesh registry either",
  },
];

/** Kubernetes describes every service of a namespace to every pod: a service `atoll` brings ATOLL_SERVICE_HOST and so on. */
const KUBERNETES_NAME = /_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$/;
const KUBERNETES_ADDRESS = /^(tcp|udp|sctp):\/\//;

/** Whether Kubernetes set it, for a service whose name happens to make it look like an option. */
export function isFromKubernetes(name: string, value: string): boolean {
  if (!KUBERNETES_NAME.test(name)) return false;
  return KUBERNETES_ADDRESS.test(value) || /_SERVICE_(HOST|PORT)|_PORT_\d+_/.test(name);
}

/** The names in `env` that are accepted and without effect. */
export function findIgnored(env: Readonly<Record<string, string | undefined>>): IgnoredSetting[] {
  return Object.keys(env)
    .filter((name) => env[name] !== undefined && env[name] !== "")
    .sort()
    .flatMap((name) => {
      const match = IGNORED.find(({ names }) => names.test(name));
      return match === undefined ? [] : [{ name, reason: match.reason, isWarning: match.isWarning ?? false }];
    });
}
