/** `/v1/cluster/region-key`: what operators change of how this region stands to the others. */

import { Type } from "typebox";
import type { Face } from "../modules.ts";
import { ERROR_RESPONSES } from "../schemas.ts";

const tags = ["cluster"];
const querystring = Type.Object({}, { additionalProperties: false });
const NoFields = Type.Union([Type.Object({}, { additionalProperties: false }), Type.Null()]);

const ShownKey = Type.Object({
  region: Type.String(),
  publicKey: Type.String({ description: "Ed25519, 64 hex digits: what other regions may name in federation.pins." }),
});

export const regionChangeRoutes: Face = async (app, { federation }) => {
  const rotate = {
    tags,
    querystring,
    summary: "Replace the key that this region signs with; other regions follow by themselves",
    body: NoFields,
    response: { 200: ShownKey, ...ERROR_RESPONSES },
  };
  app.post("/v1/cluster/region-key/rotate", { schema: rotate }, async () => federation.rotateKey());
};
