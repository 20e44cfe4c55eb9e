import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import type { InjectOptions } from "fastify";
import type { ClusterErrorDetail } from "../../../../src/api/cluster-error.ts";
import { createTestApp, type TestApp } from "../../../support/api-app.ts";
import { aMember, aRegion } from "../../../support/fake-admin.ts";

const MEMBERS = "/v1/cluster/members";

let test: TestApp;
beforeEach(async () => {
  test = await createTestApp();
});

describe("GET /v1/cluster/members", () => {
  it("shows every member as the port has it, and who waits to be added", async () => {
    const leader = aMember("us-east-1", { role: "leader", link: "self" });
    const catchingUp = aMember("us-east-2", { role: "learner", replaces: "12D3KooWold", lagEntries: 120 });
    const waiting = [{ name: "us-east-4", nodeId: "12D3KooWnew", http: "http://us-east-4:8000" }];
    test.admin.status = aRegion([leader, catchingUp], { isChanging: true, waiting });
    const answer = await test.send({ url: MEMBERS });
    assert.deepEqual([answer.statusCode, answer.json()], [200, test.admin.status]);
  });

  it("says null where no leader is there to tell, and the largest integer for who never answered", async () => {
    const unknown = aMember("us-east-1", { lagEntries: null, silentMs: null });
    const never = aMember("us-east-2", { silentMs: Number.POSITIVE_INFINITY });
    test.admin.status = aRegion([unknown, never]);
    const { leader, members } = (await test.send({ url: MEMBERS })).json();
    assert.equal(leader, null);
    assert.deepEqual([members[0].lagEntries, members[0].silentMs], [null, null]);
    assert.equal(members[1].silentMs, Number.MAX_SAFE_INTEGER);
  });

  it("answers HEAD, and carries the headers of every answer", async () => {
    const { statusCode, headers } = await test.send({ method: "HEAD", url: MEMBERS });
    assert.deepEqual([statusCode, headers["x-atoll-node"], headers["x-atoll-revision"]], [200, "us-east-1", "0"]);
  });
});

describe("changes of the members", () => {
  const changes: readonly (readonly [InjectOptions, number, readonly unknown[]])[] = [
    [{ method: "POST", url: MEMBERS, payload: { name: "us-east-4" } }, 202, ["add", "us-east-4", "voter"]],
    [{ method: "POST", url: MEMBERS, payload: { name: "a", as: "voter" } }, 202, ["add", "a", "voter"]],
    [{ method: "POST", url: MEMBERS, payload: { name: "a", as: "learner" } }, 202, ["add", "a", "learner"]],
    [{ method: "DELETE", url: `${MEMBERS}/us-east-3` }, 200, ["remove", "us-east-3"]],
    [{ method: "DELETE", url: `${MEMBERS}/12D3KooWGk` }, 200, ["remove", "12D3KooWGk"]],
    [{ method: "POST", url: `${MEMBERS}/us-east-4/promote` }, 200, ["promote", "us-east-4"]],
    [{ method: "POST", url: `${MEMBERS}/us-east-4/promote`, payload: {} }, 200, ["promote", "us-east-4"]],
    [{ method: "POST", url: "/v1/cluster/transfer" }, 200, ["transfer", null]],
    [{ method: "POST", url: "/v1/cluster/transfer", payload: {} }, 200, ["transfer", null]],
    [{ method: "POST", url: "/v1/cluster/transfer", payload: { to: "us-east-2" } }, 200, ["transfer", "us-east-2"]],
  ];
  for (const [request, status, asked] of changes) {
    it(`${request.method} ${request.url} ${JSON.stringify(request.payload) ?? ""}: ${status}, with the members`, async () => {
      const answer = await test.send(request);
      assert.deepEqual([answer.statusCode, answer.json()], [status, test.admin.status]);
      assert.deepEqual(test.admin.asked, [asked]);
    });
  }

  it("say with 405 which methods a path has", async () => {
    for (const [url, allow] of [
      [MEMBERS, "GET, HEAD, POST"],
      [`${MEMBERS}/us-east-1`, "DELETE"],
      [`${MEMBERS}/us-east-1/promote`, "POST"],
      ["/v1/cluster/transfer", "POST"],
    ] as const) {
      const answer = await test.send({ method: "PUT", url });
      assert.deepEqual([answer.statusCode, answer.headers.allow], [405, allow], url);
    }
  });
});

describe("refused changes of the members", () => {
  const member = "us-east-4";
  const refusals: readonly (readonly [ClusterErrorDetail, number, RegExp])[] = [
    [{ code: "NO_LEADER", waitedMs: 5_000 }, 503, /nothing was changed\. Retry/],
    [{ code: "OUTCOME_UNKNOWN", waitedMs: 5_000 }, 503, /Before it is repeated, see \/v1\/cluster\/members/],
    [{ code: "NOT_TRANSFERRED", to: member }, 503, /us-east-4 did not take over in time\. Retry, or name another/],
    [{ code: "NOT_TRANSFERRED", to: null }, 503, /Another voter did not take over in time/],
    [{ code: "CHANGE_PENDING" }, 409, /Retry when isChanging is false/],
    [{ code: "NOT_CAUGHT_UP", member, lagEntries: 1_200 }, 409, /1200 entries behind\. Retry when it has caught up/],
    [{ code: "MEMBER_UNKNOWN", member }, 404, /No member .* us-east-4; see \/v1\/cluster\/members/],
    [{ code: "MEMBER_NOT_WAITING", member }, 409, /ATOLL_MEMBERS naming a member .* waits for this command/],
    [{ code: "MEMBER_EXISTS", member }, 409, /is a member already/],
    [{ code: "MEMBER_REMOVED", member }, 409, /left for good\. Move its data folder away/],
    [{ code: "NAME_TAKEN", member }, 409, /Remove that one first, or name the new node otherwise/],
    [{ code: "TOO_MANY_MEMBERS", member }, 409, /Remove one before adding us-east-4/],
    [{ code: "NOT_A_LEARNER", member }, 409, /votes already/],
    [{ code: "NOT_A_VOTER", member }, 409, /Promote it first, or name a voter/],
    [{ code: "LAST_VOTER", member }, 409, /only voter.* Add another voter first/],
    [{ code: "QUORUM_AT_RISK", answering: 1, needed: 2 }, 409, /1 answer now and 2 are needed\. Bring back or replace/],
  ];
  const worthAnotherTry = ["NO_LEADER", "OUTCOME_UNKNOWN", "NOT_TRANSFERRED", "CHANGE_PENDING", "NOT_CAUGHT_UP"];

  for (const [detail, status, message] of refusals) {
    const { code, ...facts } = detail;
    it(`${code} ${JSON.stringify(facts)}: ${status}, with its facts and what to do`, async () => {
      test.admin.refusal = detail;
      const answer = await test.send({ method: "POST", url: "/v1/cluster/transfer" });
      const { error } = answer.json();
      assert.deepEqual([answer.statusCode, error.code], [status, code]);
      assert.match(error.message, message);
      assert.deepEqual({ ...error, ...detail }, error, "the facts");
      const isRetried = worthAnotherTry.includes(code);
      assert.equal(answer.headers["retry-after"], isRetried ? "1" : undefined);
      assert.equal("retryAfterMs" in error, isRetried);
      assert.ok(!("otherRegions" in error), "no other region can change the members of this one");
      assert.deepEqual(test.errors, []);
    });
  }

  it("are refused on every route alike", async () => {
    test.admin.refusal = { code: "QUORUM_AT_RISK", answering: 1, needed: 2 };
    for (const request of [
      { method: "POST", url: MEMBERS, payload: { name: "us-east-4" } },
      { method: "DELETE", url: `${MEMBERS}/us-east-3` },
      { method: "POST", url: `${MEMBERS}/us-east-3/promote` },
    ] as const) {
      const answer = await test.send(request);
      assert.deepEqual([answer.statusCode, answer.json().error.code], [409, "QUORUM_AT_RISK"], request.url);
    }
  });
});
