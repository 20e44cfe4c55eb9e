/** What operators change of how this region stands to the others: its key, and which regions are gone for good. */

import { Type } from "typebox";
import { NAME_PATTERN } from "../../config/option.ts";
import type { Face } from "../modules.ts";
import { ERROR_RESPONSES, NoFields, NoQuery } from "../schemas.ts";

const tags = ["cluster"];
const params = Type.Object({ region: Type.String({ minLength: 1, maxLength: 63, pattern: NAME_PATTERN }) });

const ShownKey = Type.Object({
  region: Type.String(),
  publicKey: Type.String({ description: "Ed25519, 64 hex digits: what other regions may name in federation.pins." }),
});
const Retired = Type.Object({
  region: Type.String(),
  cluster: Type.String({ description: "What is gone for good; another one that is founded under the name is not." }),
});

export const regionChangeRoutes: Face = async (app, { federation }) => {
  const rotate = {
    tags,
    querystring: NoQuery,
    summary: "Replace the key that this region signs with; other regions follow by themselves",
    body: NoFields,
    response: { 200: ShownKey, ...ERROR_RESPONSES },
  };
  app.post("/v1/cluster/region-key/rotate", { schema: rotate }, async () => federation.rotateKey());

  const retireSelf = {
    tags,
    querystring: NoQuery,
    summary: "Have all other regions forget this one, for good",
    body: NoFields,
    response: { 200: Retired, ...ERROR_RESPONSES },
  };
  app.post("/v1/cluster/retire", { schema: retireSelf }, async () => federation.retireSelf());

  const retire = {
    tags,
    params,
    querystring: NoQuery,
    summary: "Have this region forget another one",
    body: NoFields,
    response: { 200: Retired, ...ERROR_RESPONSES },
  };
  app.post("/v1/regions/:region/retire", { schema: retire }, async ({ params }) => federation.retire(params.region));

  const admit = {
    tags,
    params,
    querystring: NoQuery,
    summary: "Let a region that was forgotten be met again",
    body: NoFields,
    response: { 200: Type.Object({ region: Type.String() }), ...ERROR_RESPONSES },
  };
  app.post("/v1/regions/:region/admit", { schema: admit }, async ({ params }) => federation.admit(params.region));
};
