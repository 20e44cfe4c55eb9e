/** `/v1/cluster/peers`: where this node's region looks for other regions. Each answer lists the peers as they then are. */

import { Type } from "typebox";
import { PEER_NAME_LENGTH_MAX } from "../../types/peer-name.ts";
import type { Face } from "../modules.ts";
import type { PeerAdmin, PeerStatus } from "../ports.ts";
import { ERROR_RESPONSES, Name, NoQuery, Shown } from "../schemas.ts";

const tags = ["cluster"];
const PeerName = Name(PEER_NAME_LENGTH_MAX, "host[:port], an IPv6 address in brackets, or srv:_service._proto.name.");

const ShownPeer = Type.Object({
  name: Type.String(),
  isConfigured: Type.Boolean({ description: "In this node's network.peers." }),
  isNamed: Type.Boolean({ description: "Named here, for every node of the region." }),
  nodes: Shown<PeerStatus["nodes"]>(
    Type.Array(
      Type.Object({ name: Type.String(), nodeId: Type.String(), region: Type.String(), http: Type.String() }),
      {
        description: "Linked nodes that were found there.",
      },
    ),
  ),
  problem: Type.Unsafe<string | null>({ type: ["string", "null"], description: "Why not all of it is reached." }),
});

const response = { 200: Type.Object({ peers: Type.Array(ShownPeer) }), ...ERROR_RESPONSES };

export const peerRoutes: Face = async (app, { peers }) => {
  const list = { tags, querystring: NoQuery, summary: "Where this node's region looks for other regions", response };
  app.get("/v1/cluster/peers", { schema: list, exposeHeadRoute: true }, async () => show(peers));

  const add = {
    tags,
    querystring: NoQuery,
    summary: "Have every node of the region dial a peer, for ever",
    body: Type.Object({ name: PeerName }, { additionalProperties: false }),
    response,
  };
  app.post("/v1/cluster/peers", { schema: add }, async ({ body }) => {
    await peers.addPeer(body.name);
    return show(peers);
  });

  const remove = {
    tags,
    params: Type.Object({ name: PeerName }),
    querystring: NoQuery,
    summary: "Dial a peer by this name no more; links that exist stay",
    response,
  };
  app.delete("/v1/cluster/peers/:name", { schema: remove }, async ({ params }) => {
    await peers.removePeer(params.name);
    return show(peers);
  });
};

const show = (peers: PeerAdmin) => ({ peers: [...peers.peers()] });
