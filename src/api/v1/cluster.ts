/** `/v1/regions`, `/v1/nodes`, `/v1/cluster`: the cluster as this node sees it. */

import { Type } from "typebox";
import type { Face } from "../modules.ts";
import type { ClusterStatus, NodeRole, NodeStatus, RegionStatus } from "../ports.ts";
import { Count, ERROR_RESPONSES, Milliseconds, NoQuery, Shown, Strings } from "../schemas.ts";
import { wholeMs } from "../whole-ms.ts";

const Role = Type.Unsafe<NodeRole>({
  type: "string",
  enum: ["leader", "follower", "pre-candidate", "candidate", "learner", "unknown"],
});
const Link = Type.Unsafe<NodeStatus["link"]>({ type: "string", enum: ["self", "connected", "away"] });
const NameOrNull = Type.Unsafe<string | null>({ type: ["string", "null"] });
const RoundTrip = Type.Optional(Type.Number({ minimum: 0, description: "Milliseconds." }));

const ShownNode = Type.Object({
  name: Type.String(),
  nodeId: Type.String(),
  region: Type.String(),
  role: Role,
  link: Link,
  http: Type.String(),
  addresses: Strings,
  version: Type.Optional(Type.String()),
  roundTripMs: RoundTrip,
});

const ShownRegion = Type.Object({
  region: Type.String(),
  link: Link,
  cluster: Type.String(),
  leader: NameOrNull,
  term: Type.Optional(
    Type.Integer({ minimum: 0, description: "The newest that this node heard of; absent until it heard of one." }),
  ),
  revision: Type.Integer({ minimum: 0, description: "The newest that this node heard of." }),
  lagRevisions: Type.Integer({
    minimum: 0,
    description: "Revisions up to that one which this node does not show yet.",
  }),
  stalenessMs: Milliseconds,
  inSync: Type.Boolean({ description: "The digests of what this node holds equal those that the region signed." }),
  agents: Count,
  capabilities: Count,
  nodes: Shown<RegionStatus["nodes"]>(
    Type.Array(Type.Object({ name: Type.String(), nodeId: Type.String(), http: Type.String() })),
  ),
  silentMs: Type.Optional(
    Type.Integer({ minimum: 0, description: "Since another region was last heard of; absent when it never was." }),
  ),
  roundTripMs: RoundTrip,
  breaker: Type.Optional(
    Type.Unsafe<NonNullable<RegionStatus["breaker"]>>({
      type: "string",
      enum: ["closed", "half-open", "open"],
      description: "Open: lookups there fail, and it is not asked for a while.",
    }),
  ),
  distrust: Type.Optional(Type.String({ description: "Why a peer that speaks for the region is not believed." })),
});

const ShownCluster = Type.Object({
  federation: Type.String(),
  region: Type.String(),
  cluster: Type.String(),
  node: Type.String(),
  role: Role,
  leader: NameOrNull,
  term: Count,
  commitIndex: Count,
  appliedIndex: Count,
  lastIndex: Count,
  logStartIndex: Count,
  stalenessMs: Milliseconds,
  sinceLeaderMs: Milliseconds,
  members: Shown<ClusterStatus["members"]>(
    Type.Array(Type.Object({ name: Type.String(), nodeId: Type.String(), votes: Type.Boolean() })),
  ),
  agents: Type.Object({ healthy: Count, unhealthy: Count }),
  export: Shown<ClusterStatus["export"]>(
    Type.Object(
      { policy: Strings, configured: Strings },
      { description: "Namespaces that other regions see: as the region has it, and as this node is configured." },
    ),
  ),
});

export const clusterRoutes: Face = async (app, { view }) => {
  const tags = ["cluster"];

  const regions = {
    tags,
    querystring: NoQuery,
    summary: "All regions known to this node",
    response: { 200: Type.Object({ regions: Type.Array(ShownRegion) }), ...ERROR_RESPONSES },
  };
  app.get("/v1/regions", { schema: regions, exposeHeadRoute: true }, async () => ({
    regions: view.regions().map(showRegion),
  }));

  const nodes = {
    tags,
    querystring: NoQuery,
    summary: "All nodes known to this node",
    response: { 200: Type.Object({ nodes: Type.Array(ShownNode) }), ...ERROR_RESPONSES },
  };
  app.get("/v1/nodes", { schema: nodes, exposeHeadRoute: true }, async () => ({ nodes: view.nodes() }));

  const cluster = {
    tags,
    querystring: NoQuery,
    summary: "The consensus group of this node's region",
    response: { 200: ShownCluster, ...ERROR_RESPONSES },
  };
  app.get("/v1/cluster", { schema: cluster, exposeHeadRoute: true }, async () => showCluster(view.cluster()));
};

function showRegion(region: RegionStatus) {
  const { stalenessMs, silentMs } = region;
  return {
    ...region,
    stalenessMs: wholeMs(stalenessMs),
    ...(silentMs !== undefined && { silentMs: wholeMs(silentMs) }),
  };
}

function showCluster(cluster: ClusterStatus) {
  return {
    ...cluster,
    stalenessMs: wholeMs(cluster.stalenessMs),
    sinceLeaderMs: wholeMs(cluster.sinceLeaderMs),
  };
}
