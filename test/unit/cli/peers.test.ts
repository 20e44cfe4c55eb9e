import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { PeerView } from "../../../src/cli/api-client.ts";
import { type Ran, runCommand } from "../../support/run-command.ts";

const peer = (fields: Partial<PeerView> = {}): PeerView => ({
  name: "west:4001",
  isConfigured: false,
  isNamed: true,
  nodes: [],
  problem: null,
  ...fields,
});
const FOUND = peer({ nodes: [{ name: "us-west-1", nodeId: "12D3KooWwest", region: "us-west" }] });

/** A node that answers one question after the other as it was told to; the last answer stays. */
let server: Server;
let url: string;
let asked: string[];
let answers: (readonly PeerView[])[];
beforeEach(async () => {
  asked = [];
  server = createServer(async (request, response) => {
    const chunks = await request.toArray();
    asked.push([request.method, request.url, ...chunks.map(String)].join(" "));
    const peers = answers.length > 1 ? answers.shift() : answers[0];
    response.writeHead(200).end(JSON.stringify({ peers }));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
});
afterEach(() => void server.close());

const peers = (...argv: string[]): Promise<Ran> => runCommand("peers", ...argv, "--url", url);

describe("atoll peers", () => {
  it("lists who was found where, and what is in the way", async () => {
    answers = [[FOUND, peer({ name: "north", isConfigured: true, problem: "no address" })]];
    const { code, printed } = await peers("ls");
    assert.equal(code, 0);
    assert.match(printed, /^west:4001 +named +us-west-1 \(us-west\) +-$/m);
    assert.match(printed, /^north +configured, named +- +no address$/m);
  });

  it("adds one, waits until a node is found there, and says which", async () => {
    answers = [[peer()], [peer({ problem: "nobody listens there" })], [FOUND]];
    const { code, printed } = await peers("add", "west:4001");
    assert.equal(code, 0);
    assert.deepEqual(asked, [
      'POST /v1/cluster/peers {"name":"west:4001"}',
      "GET /v1/cluster/peers",
      "GET /v1/cluster/peers",
    ]);
    assert.match(printed, /^west:4001 leads to us-west-1 of us-west\.$/m);
  });

  it("says why nobody is found yet, and that dialling goes on", async () => {
    answers = [[peer({ problem: "refused by them: WRONG_KEY" })]];
    const { code, noted } = await peers("add", "west:4001", "--timeout", "0");
    assert.equal(code, 0);
    assert.match(noted, /No node is found at west:4001 yet: refused by them: WRONG_KEY\. Dialling goes on\./);
  });

  it("removes one", async () => {
    answers = [[]];
    const { code, printed } = await peers("remove", "[::1]:4001");
    assert.equal(code, 0);
    assert.deepEqual(asked, ["DELETE /v1/cluster/peers/%5B%3A%3A1%5D%3A4001"]);
    assert.match(printed, /^\[::1\]:4001 is dialled no more/);
  });

  it("prints what the node answered with --json", async () => {
    answers = [[FOUND]];
    for (const words of [["ls"], ["add", "west:4001"], ["remove", "west:4001"]]) {
      assert.deepEqual(JSON.parse((await peers(...words, "--json")).printed), { peers: [FOUND] });
    }
  });
});
