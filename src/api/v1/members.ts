/**
 * `/v1/cluster/members` and `/v1/cluster/transfer`: who belongs to this node's region, and changes of it.
 *
 * Each answer shows the members as they are once the change is made. What a change needs further, a promotion or the way
 * out of a joint configuration, follows by itself: `isChanging` and `becomes` say what is still to come.
 */

import { Type } from "typebox";
import { NAME_PATTERN } from "../../config/option.ts";
import type { Face } from "../modules.ts";
import type { MemberStatus, MembersStatus } from "../ports.ts";
import { Count, ERROR_RESPONSES, NoFields, NoQuery, Shown } from "../schemas.ts";
import { wholeMs } from "../whole-ms.ts";

const tags = ["cluster"];

const NODE_NAME_LENGTH_MAX = 63;
const MEMBER_LENGTH_MAX = 128;

const NodeNameText = Type.String({
  minLength: 1,
  maxLength: NODE_NAME_LENGTH_MAX,
  pattern: NAME_PATTERN,
  description: "Name of a node.",
});
/** Ids are base58, names lower-case letters, digits, dots and hyphens: whatever is neither belongs to nobody. */
const MemberText = Type.String({
  minLength: 1,
  maxLength: MEMBER_LENGTH_MAX,
  pattern: "^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$",
  description: "Name or node id of a member.",
});
const params = Type.Object({ member: MemberText });
const AimedAt = Type.Unsafe<"voter" | "learner">({
  type: "string",
  enum: ["voter", "learner"],
  default: "voter",
  description:
    "A learner receives every write and has no vote; one that is to be a voter is promoted once it has caught up.",
});

const TextOrNull = Type.Unsafe<string | null>({ type: ["string", "null"] });
const CountOrNull = Type.Unsafe<number | null>({ type: ["integer", "null"], minimum: 0 });

const ShownMember = Type.Object({
  name: Type.String(),
  nodeId: Type.String(),
  role: Type.Unsafe<MemberStatus["role"]>({ type: "string", enum: ["leader", "voter", "learner", "leaving"] }),
  becomes: Type.Unsafe<MemberStatus["becomes"]>({ type: "string", enum: ["voter", "learner"] }),
  replaces: TextOrNull,
  link: Type.Unsafe<MemberStatus["link"]>({ type: "string", enum: ["self", "connected", "away"] }),
  http: Type.String(),
  lagEntries: CountOrNull,
  silentMs: CountOrNull,
});

const ShownMembers = Type.Object({
  region: Type.String(),
  leader: TextOrNull,
  term: Count,
  isChanging: Type.Boolean({ description: "A change is under way; until it ends no other one can begin." }),
  members: Type.Array(ShownMember),
  waiting: Shown<MembersStatus["waiting"]>(
    Type.Array(Type.Object({ name: Type.String(), nodeId: Type.String(), http: Type.String() }), {
      description: "Nodes that ask to join, and wait to be added.",
    }),
  ),
});

const response = { 200: ShownMembers, ...ERROR_RESPONSES };

export const memberRoutes: Face = async (app, { admin }) => {
  const list = {
    tags,
    querystring: NoQuery,
    summary: "The members of this node's region, and who asks to join",
    response,
  };
  app.get("/v1/cluster/members", { schema: list, exposeHeadRoute: true }, async () =>
    showMembers(await admin.members()),
  );

  const add = {
    tags,
    querystring: NoQuery,
    summary: "Take in a node that asks to join; it votes once it has caught up",
    body: Type.Object({ name: NodeNameText, as: Type.Optional(AimedAt) }, { additionalProperties: false }),
    response: { 202: ShownMembers, ...ERROR_RESPONSES },
  };
  app.post("/v1/cluster/members", { schema: add }, async ({ body }, reply) => {
    const members = await admin.addMember(body.name, body.as ?? "voter");
    return reply.code(202).send(showMembers(members));
  });

  const remove = {
    tags,
    params,
    querystring: NoQuery,
    summary: "Remove a member for good; a leader hands over first",
    response,
  };
  app.delete("/v1/cluster/members/:member", { schema: remove }, async ({ params }) =>
    showMembers(await admin.removeMember(params.member)),
  );

  const promote = {
    tags,
    params,
    querystring: NoQuery,
    summary: "Give a learner that has caught up a vote",
    body: NoFields,
    response,
  };
  app.post("/v1/cluster/members/:member/promote", { schema: promote }, async ({ params }) =>
    showMembers(await admin.promoteMember(params.member)),
  );

  const transfer = {
    tags,
    querystring: NoQuery,
    summary: "Hand leadership to a voter; to the one that is furthest along when none is named",
    body: Type.Union([Type.Object({ to: Type.Optional(MemberText) }, { additionalProperties: false }), Type.Null()]),
    response,
  };
  app.post("/v1/cluster/transfer", { schema: transfer }, async ({ body }) =>
    showMembers(await admin.transferLeadership(body?.to ?? null)),
  );
};

function showMembers({ members, ...region }: MembersStatus) {
  return { ...region, members: members.map(showMember) };
}

function showMember({ silentMs, ...member }: MemberStatus) {
  return { ...member, silentMs: silentMs === null ? null : wholeMs(silentMs) };
}
