/**
 * The real registry of MCP Mesh and a region of three nodes are told the same stories, and must answer the same, field by field.
 *
 * Where ours differs on purpose, the story says exactly how, under the name which the difference has in docs/http-api.md,
 * "Where Atoll differs on purpose".
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { FederationProcess } from "../support/federation-process.ts";
import { findRealRegistry, RealRegistry } from "../support/real-registry.ts";
import { RegistryPair } from "./registry-pair.ts";
import type { Scenario } from "./scenario.ts";
import { availability } from "./scenarios/availability.ts";
import { bodies } from "./scenarios/bodies.ts";
import { chance } from "./scenarios/chance.ts";
import { events } from "./scenarios/events.ts";
import { heartbeats } from "./scenarios/heartbeats.ts";
import { listing } from "./scenarios/listing.ts";
import { llm } from "./scenarios/llm.ts";
import { operators } from "./scenarios/operators.ts";
import { paths } from "./scenarios/paths.ts";
import { proxy } from "./scenarios/proxy.ts";
import { purpose } from "./scenarios/purpose.ts";
import { registration } from "./scenarios/registration.ts";
import { resolution } from "./scenarios/resolution.ts";
import { schemas } from "./scenarios/schemas.ts";
import { updates } from "./scenarios/updates.ts";

const HTTP_BASE = 22_400;
const REAL_PORT = 22_410;
const REQUESTS_MIN = 400;
const ENV = {
  /** What is compared must not be a race against leases: nobody renews them here. */
  DEFAULT_TIMEOUT_THRESHOLD: "3600",
  MCP_MESH_PUBLIC_URL_PREFIX: "https://mesh.example",
};

/** In this order: the first ones want an empty registry. */
const STORIES: Readonly<Record<string, readonly Scenario[]>> = {
  paths,
  bodies,
  registration,
  updates,
  "fast heartbeats": heartbeats,
  listing,
  resolution,
  "language models": llm,
  availability,
  schemas,
  events,
  chance,
  operators,
  proxy,
  purpose,
};

const found = await findRealRegistry();
const skip = "missing" in found ? `nothing to compare with: ${found.missing}` : false;

describe("the real registry and a region of three nodes", { skip }, () => {
  let real: RealRegistry;
  let federation: FederationProcess;
  let pair: RegistryPair;

  before(async () => {
    if ("missing" in found) return;
    // One after the other, so that what has started is known, and stopped, when the other one fails.
    real = await RealRegistry.start({ program: found.program, port: REAL_PORT, env: ENV });
    federation = await FederationProcess.start({ regions: "us-east:3", httpBase: HTTP_BASE, env: ENV });
    pair = new RegistryPair(
      real.url,
      federation.nodes.map(({ http }) => http),
    );
  });

  after(async () => {
    pair?.close();
    await Promise.all([real?.stop(), federation?.stop()]);
  });

  for (const [area, scenarios] of Object.entries(STORIES)) {
    describe(area, () => {
      for (const { name, run } of scenarios) {
        it(name, async () => {
          await pair.hop();
          await run(pair);
          pair.assertAsExpected();
        });
      }
    });
  }

  it("were asked several hundred questions", () => {
    assert.ok(pair.requests >= REQUESTS_MIN, `${pair.requests} requests`);
  });

  it("differ on purpose in everything that the document lists, and in nothing else", () => {
    assert.deepEqual([...pair.improvements].sort(), documentedImprovements().sort());
  });
});

/** The names in the table of the document. */
function documentedImprovements(): string[] {
  const page = readFileSync(join(import.meta.dirname, "../../docs/http-api.md"), "utf8");
  const [, section = ""] = page.split("### Where Atoll differs on purpose\n");
  const [table = ""] = section.split(/^#/m);
  return [...table.matchAll(/^\| \*\*(.+?)\*\* \|/gm)].map(([, name]) => name!);
}
