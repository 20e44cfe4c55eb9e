import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { afterEach, beforeEach, describe, it } from "node:test";
import { type Ran, runCommand } from "../../support/run-command.ts";

/** A node that answers every question as it was told to. */
let server: Server;
let url: string;
let asked: string[];
let answer: { readonly status?: number; readonly body: unknown };

beforeEach(async () => {
  asked = [];
  server = createServer(async (request, response) => {
    const chunks = await request.toArray();
    asked.push([request.method, request.url, ...chunks.map(String)].join(" "));
    response.writeHead(answer.status ?? 200).end(JSON.stringify(answer.body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
});
afterEach(() => void server.close());

const regions = (...argv: string[]): Promise<Ran> => runCommand("regions", ...argv, "--url", url);

describe("atoll regions rotate-key", () => {
  it("shows the new key", async () => {
    answer = { body: { region: "us-east", publicKey: "ab".repeat(32) } };
    const { code, printed } = await regions("rotate-key");
    assert.equal(code, 0);
    assert.deepEqual(asked, ["POST /v1/cluster/region-key/rotate"]);
    assert.match(printed, /^us-east signs with a new key: (ab){32}$/m);
  });

  it("ends with 1 and says why when it was refused", async () => {
    answer = { status: 409, body: { error: { code: "REGION_KEY_MISSING", message: "There is no key" } } };
    const { code, noted } = await regions("rotate-key");
    assert.equal(code, 1);
    assert.match(noted, /There is no key/);
  });

  it("leaves the list of regions where it was", async () => {
    answer = { body: { regions: [] } };
    assert.equal((await regions()).code, 0);
    assert.deepEqual(asked, ["GET /v1/regions"]);
  });
});

describe("atoll regions retire and admit", () => {
  it("has the node's region forget another one", async () => {
    answer = { body: { region: "us-west", cluster: "c1" } };
    const { code, printed } = await regions("retire", "us-west");
    assert.equal(code, 0);
    assert.deepEqual(asked, ["POST /v1/regions/us-west/retire"]);
    assert.match(printed, /^us-west \(cluster c1\) is forgotten here\. Other regions go on with it\.$/m);
  });

  it("--self asks to be told again, and then has all others forget the node's own", async () => {
    answer = { body: { region: "us-east", cluster: "c0" } };
    const first = await regions("retire", "--self");
    assert.deepEqual([first.code, asked], [1, []]);
    assert.match(first.noted, /nothing was changed.*--yes/);
    const second = await regions("retire", "--self", "--yes");
    assert.deepEqual([second.code, asked], [0, ["POST /v1/cluster/retire"]]);
    assert.match(second.printed, /^us-east \(cluster c0\) says farewell/m);
  });

  it("wants a name or --self, and not both", async () => {
    for (const words of [[], ["us-west", "--self", "--yes"]])
      assert.equal((await regions("retire", ...words)).code, 64);
    assert.deepEqual(asked, []);
  });

  it("takes it back", async () => {
    answer = { body: { region: "us-west" } };
    const { code, printed } = await regions("admit", "us-west", "--json");
    assert.equal(code, 0);
    assert.deepEqual(asked, ["POST /v1/regions/us-west/admit"]);
    assert.deepEqual(JSON.parse(printed), { region: "us-west" });
  });
});
