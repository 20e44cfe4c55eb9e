import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { Socket } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { MembersView } from "../../../src/cli/api-client.ts";
import { run } from "../../../src/cli/program.ts";
import { aMember, aRegion } from "../../support/fake-admin.ts";
import { type Ran, runCommand } from "../../support/run-command.ts";

type Answer = { readonly status?: number; readonly body: unknown } | "cut";

/** A node that answers one question after the other as it was told to; the last answer stays. */
let server: Server;
let url: string;
let asked: string[];
let answers: Answer[];

beforeEach(async () => {
  asked = [];
  server = createServer(async (request, response) => {
    const chunks = await request.toArray();
    asked.push([request.method, request.url, ...chunks.map(String)].join(" "));
    const answer = answers.length > 1 ? answers.shift()! : answers[0]!;
    if (answer === "cut") return void (request.socket as Socket).destroy();
    response.writeHead(answer.status ?? 200).end(JSON.stringify(answer.body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
});
afterEach(() => void server.close());

const members = (...argv: string[]): Promise<Ran> => runCommand("members", ...argv, "--url", url);

const refusal = (status: number, code: string, message: string): Answer => ({
  status,
  body: { error: { code, message, retryAfterMs: 1 } },
});

const LEADER = aMember("us-east-1", { role: "leader", link: "self" });
const LEARNER = aMember("us-east-4", { role: "learner", lagEntries: 1_200 });
const region = (...others: readonly Parameters<typeof aRegion>[0][number][]): MembersView =>
  aRegion([LEADER, ...others]);

describe("atoll members ls", () => {
  it("shows who belongs to the region, what becomes of learners, and who is silent", async () => {
    const away = aMember("us-east-3", { link: "away", silentMs: 95_000 });
    const replacement = aMember("us-east-2", { role: "learner", replaces: "12D3KooWold", lagEntries: 7 });
    const spare = aMember("us-east-5", { role: "learner", becomes: "learner" });
    answers = [{ body: region(away, replacement, spare) }];
    const { code, printed } = await members("ls");
    assert.equal(code, 0);
    assert.deepEqual(asked, ["GET /v1/cluster/members"]);
    assert.match(printed, /^us-east-1 +leader +self +0 +20 ms +12D3KooWuseast1 +-$/m);
    assert.match(printed, /^us-east-3 +voter +away +0 +95 s /m);
    assert.match(printed, /^us-east-2 +learner -> voter +connected +7 +20 ms +12D3KooWuseast2 +12D3KooWold$/m);
    assert.match(printed, /^us-east-5 +learner +connected /m);
  });

  it("ends with the nodes that ask to join, and the command that admits each", async () => {
    const waiting = [{ name: "us-east-4", nodeId: "12D3KooWnew", http: "http://us-east-4:8000" }];
    answers = [{ body: { ...region(), waiting } }];
    const { printed } = await members("ls");
    const [last] = printed.split("\n").slice(-1);
    assert.equal(last, `us-east-4 asks to join (http://us-east-4:8000): atoll members add us-east-4 --url ${url}`);
  });

  it("says when nobody leads, and shows no figure that only a leader has", async () => {
    answers = [{ body: aRegion([aMember("us-east-1", { link: "self", lagEntries: null, silentMs: null })]) }];
    const { printed, noted } = await members("ls");
    assert.match(printed, /^us-east-1 +voter +self +- +- +12D3KooWuseast1 +-$/m);
    assert.match(noted, /^No leader/);
  });

  it("says when a change is under way", async () => {
    answers = [{ body: { ...region(), isChanging: true } }];
    assert.equal((await members("ls")).noted, "A change is under way.");
  });

  it("has the columns that docs/membership.md shows", async () => {
    answers = [{ body: region() }];
    const [head = ""] = (await members("ls")).printed.split("\n");
    const shown = readFileSync(join(import.meta.dirname, "../../../docs/membership.md"), "utf8").match(/^MEMBER .*$/gm);
    assert.ok(shown !== null);
    for (const line of shown) assert.deepEqual(line.split(/ +/), head.split(/ +/));
  });

  it("prints with --json what the node answered", async () => {
    answers = [{ body: region(LEARNER) }];
    assert.deepEqual(JSON.parse((await members("ls", "--json")).printed), region(LEARNER));
  });
});

describe("atoll members add", () => {
  const votes = { body: region(aMember("us-east-4")) };

  it("waits until the new member votes", async () => {
    const nearly = { body: region({ ...LEARNER, lagEntries: 3 }) };
    answers = [{ status: 202, body: region(LEARNER) }, nearly, votes];
    const { code, printed, noted } = await members("add", "us-east-4");
    assert.equal(code, 0);
    const question = "GET /v1/cluster/members";
    assert.deepEqual(asked, ['POST /v1/cluster/members {"name":"us-east-4","as":"voter"}', question, question]);
    assert.equal(noted, "us-east-4 is a learner of us-east, and votes once it has caught up");
    assert.match(printed, /^us-east-4 votes in us-east\.\n/);
    assert.match(printed, /^us-east-4 +voter /m);
  });

  it("shows whoever watches how far the member is, until it votes", async () => {
    const shown: string[] = [];
    const progress = (text: string) => {
      shown.push(text);
      return { update: (text: string) => void shown.push(text), end: () => void shown.push("end") };
    };
    answers = [{ status: 202, body: region(LEARNER) }, votes];
    await run(["members", "add", "us-east-4", "--url", url], { print() {}, note() {}, progress });
    assert.deepEqual(shown.slice(1), ["us-east-4 catches up: 1200 entries behind", "end"]);
  });

  it("waits for the learner, not for the former member of its name", async () => {
    const former = aMember("us-east-4", { nodeId: "12D3KooWformer", link: "away" });
    answers = [{ status: 202, body: region(former, { ...LEARNER, replaces: former.nodeId }) }, votes];
    assert.equal((await members("add", "us-east-4")).code, 0);
    assert.equal(asked.length, 2);
  });

  it("goes on waiting while the node that is asked does not answer, or knows no leader", async () => {
    const noLeader = { body: aRegion([aMember("us-east-1")]) };
    const stopping = refusal(503, "NO_LEADER", "This region has no leader");
    answers = [{ status: 202, body: region(LEARNER) }, "cut", stopping, noLeader, votes];
    assert.equal((await members("add", "us-east-4")).code, 0);
    assert.equal(asked.length, 5);
  });

  it("ends when its time is over, with how far the member is and what to do", async () => {
    answers = [{ status: 202, body: region({ ...LEARNER, silentMs: 12_000 }) }];
    const { code, noted } = await members("add", "us-east-4", "--timeout", "1");
    assert.equal(code, 1);
    assert.match(noted, /NOT_VOTING: us-east-4 does not vote after 1 s \(1200 entries behind, silent for 12 s\)\./);
    assert.match(noted, /"atoll members ls".* "atoll members remove us-east-4" gives it up$/m);
  });

  it("ends when the member was removed meanwhile", async () => {
    answers = [{ status: 202, body: region(LEARNER) }, { body: region() }];
    const { code, noted } = await members("add", "us-east-4");
    assert.equal(code, 1);
    assert.match(noted, /MEMBER_GONE: us-east-4 was removed meanwhile/);
  });

  it("does not wait with --no-wait", async () => {
    answers = [{ status: 202, body: region(LEARNER) }];
    const { code, printed } = await members("add", "us-east-4", "--no-wait");
    assert.deepEqual([code, asked.length], [0, 1]);
    assert.match(printed, /^us-east-4 is a learner of us-east: it votes once it has caught up\.\n/);
  });

  it("does not wait for a learner that stays one", async () => {
    answers = [{ status: 202, body: region({ ...LEARNER, becomes: "learner" }) }];
    const { printed } = await members("add", "us-east-4", "--learner");
    assert.deepEqual(asked, ['POST /v1/cluster/members {"name":"us-east-4","as":"learner"}']);
    assert.match(printed, /^us-east-4 is a learner of us-east: atoll members promote us-east-4 gives it a vote\.\n/);
  });

  it("prints with --json the members once it votes, and nothing else", async () => {
    answers = [{ status: 202, body: region(LEARNER) }, votes];
    assert.deepEqual(JSON.parse((await members("add", "us-east-4", "--json")).printed), votes.body);
  });
});

describe("the other changes", () => {
  it("each ask once, and show what came of it", async () => {
    answers = [{ body: region(aMember("us-east-2")) }];
    for (const [argv, question, said] of [
      [["remove", "us-east-3"], "DELETE /v1/cluster/members/us-east-3", "us-east-3 is removed from us-east for good."],
      [["promote", "us-east-2"], "POST /v1/cluster/members/us-east-2/promote", "us-east-2 votes in us-east."],
      [["transfer"], "POST /v1/cluster/transfer {}", "us-east-1 leads us-east, term 3."],
      [["transfer", "us-east-1"], 'POST /v1/cluster/transfer {"to":"us-east-1"}', "us-east-1 leads us-east, term 3."],
    ] as const) {
      asked = [];
      const { code, printed } = await members(...argv);
      assert.deepEqual([code, asked], [0, [question]]);
      assert.equal(printed.split("\n")[0], said);
      assert.match(printed, /^us-east-2 +voter /m);
      assert.deepEqual(JSON.parse((await members(...argv, "--json")).printed), region(aMember("us-east-2")));
    }
  });
});

describe("a change that is refused", () => {
  it("is told with its code and what to do, and not tried again", async () => {
    for (const code of [
      "QUORUM_AT_RISK",
      "OUTCOME_UNKNOWN",
      "NOT_CAUGHT_UP",
      "NOT_TRANSFERRED",
      "MEMBER_NOT_WAITING",
    ]) {
      asked = [];
      answers = [refusal(409, code, "Do this")];
      assert.deepEqual(await members("remove", "us-east-3"), { code: 1, printed: "", noted: `${code}: Do this` });
      assert.equal(asked.length, 1, code);
    }
  });

  it("is tried again when nothing was changed, for want of a leader or because of another change", async () => {
    const pending = refusal(409, "CHANGE_PENDING", "Another change is under way");
    answers = [pending, refusal(503, "NO_LEADER", "This region has no leader"), { body: region() }];
    const { code, noted } = await members("remove", "us-east-3");
    assert.deepEqual([code, asked.length], [0, 3]);
    assert.equal(noted, "CHANGE_PENDING: Another change is under way. Trying again.");
  });

  it("is given up after a bounded number of tries", async () => {
    answers = [refusal(503, "NO_LEADER", "This region has no leader")];
    const { code, noted } = await members("transfer");
    assert.deepEqual([code, asked.length], [1, 3]);
    assert.match(noted, /\nNO_LEADER: This region has no leader$/);
  });

  it("says of a node that stopped midway that it may have been made, and does not repeat it", async () => {
    answers = ["cut"];
    const { code, noted } = await members("remove", "us-east-3");
    assert.deepEqual([code, asked.length], [1, 1]);
    assert.match(noted, /^UNREACHABLE: .* was asked and did not answer \(.*\)\. It may have done it all the same/);
  });
});
