import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { RegionView } from "../../../src/cli/api-client.ts";
import { runCommand } from "../../support/run-command.ts";

let server: Server;
let url: string;
let shown: RegionView[];

beforeEach(async () => {
  server = createServer((_request, response) => void response.end(JSON.stringify({ regions: shown })));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
});
afterEach(() => void server.close());

const HOME: RegionView = {
  region: "us-east",
  link: "self",
  leader: "us-east-1",
  revision: 40,
  lagRevisions: 0,
  stalenessMs: 12,
  inSync: true,
  agents: 3,
  capabilities: 2,
  nodes: [{ name: "us-east-1", http: "http://one" }],
};
const AWAY: RegionView = {
  ...HOME,
  region: "eu-west",
  link: "away",
  leader: null,
  lagRevisions: 7,
  stalenessMs: 95_000,
  silentMs: 96_000,
  inSync: false,
  roundTripMs: 81.25,
  breaker: "open",
};

/** The cells of the row that begins with `name`, by the head above them. */
function rowOf(text: string, name: string): Record<string, string> {
  const [head, ...rows] = text.split("\n");
  const row = rows.find((line) => line.startsWith(name)) ?? "";
  const columns = [...head!.matchAll(/\S+/g)];
  const cells = columns.map(({ 0: title, index }, i) => [title, row.slice(index, columns[i + 1]?.index).trim()]);
  return Object.fromEntries(cells);
}

describe("atoll regions", () => {
  it("shows for each region what is known of it, how old that is, and how it is reached", async () => {
    shown = [HOME, AWAY];
    const { code, printed } = await runCommand("regions", "--url", url);
    assert.equal(code, 0);
    const { LAG, AGE, SUMMARY, RTT, SILENT, BREAKER } = rowOf(printed, "eu-west");
    assert.deepEqual(
      { LAG, AGE, SUMMARY, RTT, SILENT, BREAKER },
      { LAG: "7", AGE: "95 s", SUMMARY: "catching up", RTT: "81.3 ms", SILENT: "96 s", BREAKER: "open" },
    );
    assert.equal(rowOf(printed, "us-east").SILENT, "-");
    assert.match(printed, /eu-west is not asked for a while/);
  });

  it("says below the table why a region is not trusted", async () => {
    shown = [HOME, { ...AWAY, breaker: "closed", distrust: "its key is not the pinned one" }];
    const { printed } = await runCommand("regions", "--url", url);
    assert.match(printed, /^eu-west is not trusted: its key is not the pinned one$/m);
  });

  it("shows a node that does not say all of it yet", async () => {
    const { lagRevisions: _, silentMs: __, breaker: ___, ...older } = AWAY;
    shown = [HOME, older];
    const { LAG, SILENT, BREAKER } = rowOf((await runCommand("regions", "--url", url)).printed, "eu-west");
    assert.deepEqual([LAG, SILENT, BREAKER], ["-", "-", "-"]);
  });

  it("gives all of it as JSON", async () => {
    shown = [HOME, AWAY];
    const { printed } = await runCommand("regions", "--json", "--url", url);
    assert.deepEqual(JSON.parse(printed), [HOME, AWAY]);
  });
});
