/**
 * Agents that fall silent, told to the real registry and to a node of ours with leases of a few seconds (contract A10), and
 * operators on a port of their own (contract B).
 */

import { after, before, describe, it } from "node:test";
import { FederationProcess } from "../support/federation-process.ts";
import { findRealRegistry, RealRegistry } from "../support/real-registry.ts";
import { until } from "../support/waiting.ts";
import { HttpExchange } from "./exchange.ts";
import { RegistryPair } from "./registry-pair.ts";
import { agent, bareRedirect, tool } from "./scenario.ts";

const HTTP_BASE = 22_420;
const ADMIN_PORT = 22_425;
const REAL_PORT = 22_430;
const REAL_ADMIN_PORT = 22_435;
const LEASE_SECONDS = "3";
const CHECK_SECONDS = "1";
const SILENCE_TIMEOUT_MS = 30_000;

const found = await findRealRegistry();
const skip = "missing" in found ? `nothing to compare with: ${found.missing}` : false;

describe("the real registry and a node with short leases", { skip }, () => {
  let real: RealRegistry;
  let federation: FederationProcess;
  let pair: RegistryPair;
  let operators: RegistryPair;

  before(async () => {
    if ("missing" in found) return;
    const env = { DEFAULT_TIMEOUT_THRESHOLD: LEASE_SECONDS, HEALTH_CHECK_INTERVAL: CHECK_SECONDS };
    real = await RealRegistry.start({
      program: found.program,
      port: REAL_PORT,
      env: { ...env, MCP_MESH_ADMIN_PORT: `${REAL_ADMIN_PORT}` },
    });
    federation = await FederationProcess.start({
      regions: "us-east:1",
      httpBase: HTTP_BASE,
      env: { ...env, MCP_MESH_ADMIN_PORT: `${ADMIN_PORT}` },
    });
    const [node] = federation.nodes;
    pair = new RegistryPair(real.url, [node!.http]);
    operators = new RegistryPair(`http://127.0.0.1:${REAL_ADMIN_PORT}`, [`http://127.0.0.1:${ADMIN_PORT}`]);
  });

  after(async () => {
    pair?.close();
    operators?.close();
    await Promise.all([real?.stop(), federation?.stop()]);
  });

  it("A10: an agent that falls silent is unhealthy, one that renews is not, and a POST brings it back", async () => {
    const silent = agent("silent", ["silent"]);
    const alive = agent("alive", [tool("alive", { dependencies: [{ capability: "silent" }] })]);
    await pair.post(silent);
    await pair.post(alive);
    await pair.head("alive");
    await untilUnhealthy("silent", "alive");
    await pair.get("/agents?capabilities=silent");
    await pair.head("silent");
    await pair.head("alive");
    await pair.get("/events?agent_id=silent&type=unhealthy");
    await pair.post(alive);
    await pair.post(silent);
    await pair.get("/agents?capabilities=silent");
    await pair.get("/events?agent_id=silent");
    await pair.head("alive");
    pair.assertAsExpected();
  });

  it("operators have a port of their own, and agents none of their paths", async () => {
    for (const path of ["/admin/drain", "/admin/entities"]) {
      await pair.get(path);
      await operators.get(path);
    }
    for (const method of ["POST", "DELETE"]) {
      await pair.send({ method, path: "/admin/drain" });
      await operators.send({ method, path: "/admin/drain" });
    }
    await pair.send({ method: "POST", path: "/admin/rotate" });
    await operators.send({ method: "POST", path: "/admin/rotate?entity_id=nobody" });
    for (const path of ["/", "/health", "/agents", "/admin"]) await operators.get(path);
    const slashed = { method: "GET", path: "/admin/drain/" };
    await operators.send(slashed, bareRedirect(slashed));
    pair.assertAsExpected();
    operators.assertAsExpected();
  });

  /** Both say so in their own time; meanwhile another agent shows signs of life. */
  async function untilUnhealthy(id: string, renewing: string): Promise<void> {
    const exchanges = [real.url, federation.nodes[0]!.http].map((url) => new HttpExchange(url));
    try {
      for (const exchange of exchanges) {
        await until(
          async () => {
            for (const each of exchanges) await each.send({ method: "HEAD", path: `/heartbeat/${renewing}` });
            const { text } = await exchange.send({
              method: "GET",
              path: `/agents?status=unhealthy&capabilities=${id}`,
            });
            return JSON.parse(text).count === 1;
          },
          { what: `${exchange.url} to call ${id} unhealthy`, timeoutMs: SILENCE_TIMEOUT_MS, show: () => "" },
        );
      }
    } finally {
      for (const exchange of exchanges) exchange.close();
    }
  }
});
