import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { LookupView } from "../../../src/cli/api-client.ts";
import { asAgentId, asRegionId } from "../../../src/types/ids.ts";
import { agentOf } from "../../support/fake-region.ts";
import { runCommand } from "../../support/run-command.ts";

let server: Server;
let url: string;
let asked: string;
let shown: LookupView;

beforeEach(async () => {
  server = createServer((request, response) => {
    asked = request.url ?? "";
    response.end(JSON.stringify(shown));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
});
afterEach(() => void server.close());

const EAST = asRegionId("us-east");
const answer = (more: Partial<LookupView> = {}): LookupView => ({
  agents: [agentOf(EAST, "w1", "weather")],
  complete: true,
  regions: [{ region: "us-east", source: "local", stalenessMs: 3, agents: 1 }],
  ...more,
});

describe("atoll lookup", () => {
  it("asks for what it was told, and shows no explanation unasked", async () => {
    shown = answer();
    const { code, printed } = await runCommand("lookup", "weather", "--zone", "a", "--url", url);
    assert.equal(code, 0);
    assert.deepEqual(
      [...new URL(asked, url).searchParams],
      [
        ["capability", "weather"],
        ["limit", "100"],
        ["zone", "a"],
      ],
    );
    assert.doesNotMatch(printed, /BEHIND BY/);
  });

  it("P9: explains each place, what each region did, and what was dropped", async () => {
    shown = answer({
      regions: [
        { region: "us-east", source: "local", stalenessMs: 3, agents: 1, trace: { did: "read" } },
        {
          region: "eu-west",
          source: "cached",
          stalenessMs: 310,
          agents: 1,
          trace: { did: "kept", summary: { revision: 52, ageMs: 310, changedRevision: 38 }, breaker: "closed" },
        },
      ],
      explanation: {
        zone: "a",
        places: [
          {
            ...{ id: asAgentId("w1"), functionName: "weather", region: EAST, score: 5, version: "1.0.0" },
            ...{ isInZone: true, distanceMs: 0, behindBy: "version" },
          },
        ],
        matching: {
          offers: 40,
          lookedAt: 40,
          stages: [
            { stage: "tags", kept: 1, dropped: 0, listed: [] },
            {
              stage: "version",
              kept: 1,
              dropped: 39,
              listed: [{ id: "w2:f", reason: "Old", details: { version: "0" } }],
            },
          ],
        },
        moved: { count: 2, listed: [] },
      },
    });
    const { printed, noted } = await runCommand("lookup", "weather", "--explain", "--url", url);
    assert.equal(new URL(asked, url).searchParams.get("explain"), "true");
    assert.match(printed, /SCORE +ZONE +DISTANCE +BEHIND BY/);
    assert.match(printed, /5 +same +0\.0 ms +version/);
    assert.match(noted, /kept: summary of revision 52, 310 ms old, last change at 38/);
    assert.match(noted, /version dropped 39:\n +w2:f: Old \{"version":"0"\}\n +and 38 more/);
    assert.doesNotMatch(noted, /tags dropped/);
    assert.match(noted, /2 left out that live elsewhere/);
  });
});
