import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { afterEach, beforeEach, describe, it } from "node:test";
import { runCommand as atoll } from "../../support/run-command.ts";

describe("exit codes", () => {
  it("are 0 for help and version", async () => {
    assert.equal((await atoll("--help")).code, 0);
    assert.equal((await atoll("start", "--help")).code, 0);
    assert.match((await atoll("--version")).printed, /^\d+\.\d+\.\d+$/);
  });

  it("are 64 when the words are wrong, with what would be right", async () => {
    const wrong: [string[], RegExp][] = [
      [["strat"], /unknown command 'strat'\n.*start/],
      [["status", "--jsno"], /unknown option '--jsno'\n.*--json/],
      [["lookup"], /missing required argument 'capability'/],
      [["lookup", "x", "--scope", "moon"], /Allowed choices are region, federation/],
      [["agents", "--limit", "0"], /whole number from 1 to 100000/],
      [["members", "kick"], /unknown command 'kick'/],
      [["members", "add"], /missing required argument 'name'/],
      [["members", "add", "x", "--timeout", "0"], /whole number from 1 to 86400/],
      [["dev", "--regions", "a:9"], /"a:9" is not name:nodes/],
      [["dev", "--http-base", "70000"], /whole number from 1 to 65535/],
      [["dev", "--wan-ms", "-1"], /whole number from 0 to 10000/],
    ];
    for (const [argv, message] of wrong) {
      const { code, noted } = await atoll(...argv);
      assert.equal(code, 64, argv.join(" "));
      assert.match(noted, message);
    }
  });

  it("are 78 when a node's configuration is wrong, before anything is started", async () => {
    for (const command of ["start", "config"]) {
      const { code, noted } = await atoll(command, "--port", "eighty");
      assert.equal(code, 78);
      assert.match(noted, /CONFIG_INVALID: http\.port: "eighty" is not an integer from 0 to 65535 \(flag --port\)/);
    }
    const { code, noted } = await atoll("start", "--config", "/nowhere/atoll.yaml");
    assert.equal(code, 78);
    assert.match(noted, /--config: \/nowhere\/atoll\.yaml can not be read/);
  });

  it("are 1 when a node does not answer, with what to do", async () => {
    const { code, noted } = await atoll("status", "--url", "http://127.0.0.1:1");
    assert.equal(code, 1);
    assert.match(noted, /^UNREACHABLE: no node answers at http:\/\/127\.0\.0\.1:1 \(.*\)\. Start one with atoll start/);
    assert.equal((await atoll("status", "--url", "nonsense")).code, 1);
  });
});

describe("atoll config", () => {
  it("shows every option with where its value came from; secrets never", async () => {
    const { printed, code } = await atoll("config", "--region", "eu", "-p", "8123", "--json");
    assert.equal(code, 0);
    const { options } = JSON.parse(printed) as { options: { option: string; value: string; origin: string }[] };
    const shown = Object.fromEntries(options.map(({ option, value, origin }) => [option, `${value} by ${origin}`]));
    assert.equal(shown["node.region"], "eu by flag --region");
    assert.equal(shown["node.name"], "eu-1 by from node.region");
    assert.equal(shown["http.port"], "8123 by flag --port");
  });

  it("takes no secret as a flag, where every user of the machine could read it", async () => {
    assert.equal((await atoll("config", "--network-encryption-key", "x")).code, 64);
  });
});

describe("questions to a node", () => {
  let server: Server;
  let url: string;
  let asked: string[];
  let answer: (request: IncomingMessage) => { status?: number; body: unknown };

  beforeEach(async () => {
    asked = [];
    server = createServer((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      const { status = 200, body } = answer(request);
      response.writeHead(status).end(typeof body === "string" ? body : JSON.stringify(body));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  });
  afterEach(() => void server.close());

  const found = (region: string) => ({
    id: "weather-1",
    endpoint: "http://w:1",
    region,
    capability: "weather",
    version: "1.2.0",
    tags: ["fast"],
    health: "healthy",
  });

  it("a lookup says which agents were found, and which region did not answer", async () => {
    answer = () => ({
      body: {
        agents: [found("east")],
        complete: false,
        regions: [
          { region: "east", source: "local", revision: 1, stalenessMs: 3, agents: 1 },
          {
            region: "west",
            source: "none",
            revision: 0,
            stalenessMs: 9e15,
            agents: 0,
            error: { code: "TIMEOUT", message: "late" },
          },
        ],
      },
    });
    const { code, printed, noted } = await atoll(
      "lookup",
      "weather",
      "--version",
      "^1",
      "--tags",
      "+fast",
      "--url",
      url,
    );
    assert.equal(code, 0);
    assert.deepEqual(asked, ["GET /v1/lookup?capability=weather&limit=100&version=%5E1&tags=%2Bfast"]);
    assert.match(printed, /weather-1\s+east\s+http:\/\/w:1\s+1\.2\.0/);
    assert.match(noted, /west: did not answer \(TIMEOUT: late\)/);
    assert.match(noted, /Incomplete/);
  });

  it("a list of agents follows the pages up to its limit, and says when there are more", async () => {
    const agent = (id: string) => ({ ...found("east"), id, capabilities: [{ name: "weather", version: "1.0.0" }] });
    answer = ({ url }) => ({
      body: url?.includes("cursor=next")
        ? { agents: [agent("c")], nextCursor: "more" }
        : { agents: [agent("a"), agent("b")], nextCursor: "next" },
    });
    const { printed, noted } = await atoll("agents", "--limit", "3", "--url", url);
    assert.deepEqual(asked, ["GET /v1/agents?limit=3", "GET /v1/agents?cursor=next&limit=1"]);
    assert.match(printed, /^a .*\n^b .*\n^c /m);
    assert.match(noted, /There are more: raise --limit above 3/);
  });

  it("with --json print what the node answered", async () => {
    const nodes = [{ name: "east-1", region: "east", role: "leader", link: "self", http: "", nodeId: "x" }];
    answer = () => ({ body: { nodes } });
    const { printed } = await atoll("nodes", "--json", "--url", `${url}/`);
    assert.deepEqual(JSON.parse(printed), nodes);
  });

  it("a refusal is told with its code and message", async () => {
    answer = () => ({ status: 503, body: { error: { code: "NO_LEADER", message: "This region has no leader" } } });
    const { code, noted } = await atoll("regions", "--url", url);
    assert.equal(code, 1);
    assert.equal(noted, "NO_LEADER: This region has no leader");
  });

  it("an answer that is not ours is told as such", async () => {
    answer = () => ({ body: "<html>hello</html>" });
    const { code, noted } = await atoll("status", "--url", url);
    assert.equal(code, 1);
    assert.match(noted, /^UNEXPECTED_ANSWER: .* is it an Atoll node\?/);
  });
});
