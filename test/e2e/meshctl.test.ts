/** The real `meshctl` asks one node of a region about agents that registered with the others. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type FederationNode, FederationProcess } from "../support/federation-process.ts";
import { findMeshctl, Meshctl } from "../support/meshctl.ts";

const REGION = "us-east";
/** What the tests do must not be a race against leases: nobody renews them here. */
const LEASE_SECONDS = "3600";

const CLOCK = {
  agent_id: "clock-1a2b3c4d",
  name: "clock",
  version: "1.2.0",
  http_host: "10.0.0.7",
  http_port: 8081,
  tools: [{ function_name: "now", capability: "date", version: "1.4.2", tags: ["utc"] }],
};
const GREETER = {
  agent_id: "greeter-5e6f7a8b",
  name: "greeter",
  runtime: "typescript",
  http_host: "10.0.0.8",
  http_port: 8082,
  tools: [
    {
      function_name: "greet",
      capability: "greeting",
      dependencies: [{ capability: "date", tags: ["utc"], version: "^1" }, { capability: "mood" }],
    },
  ],
};
const CLOCK_ROW = /^clock-1a2b3c4d +Python +Agent +healthy +0\/0 +1\/1 +10\.0\.0\.7:8081 /m;
const GREETER_ROW = /^greeter-5e6f7a8b +TypeScript +Agent +healthy +1\/2 +1\/1 +10\.0\.0\.8:8082 /m;

const found = await findMeshctl();
const skip = "missing" in found ? found.missing : false;

describe("meshctl", () => {
  let home: string;
  let meshctl: Meshctl;
  let federation: FederationProcess;
  let nodes: [FederationNode, FederationNode, FederationNode];

  before(async () => {
    if ("missing" in found) return;
    home = await mkdtemp(join(tmpdir(), "atoll-meshctl-"));
    meshctl = new Meshctl(found.program, home);
    federation = await FederationProcess.start({
      regions: `${REGION}:3,us-west:1`,
      httpBase: 21_400,
      env: { DEFAULT_TIMEOUT_THRESHOLD: LEASE_SECONDS },
    });
    nodes = federation.nodesOf(REGION) as typeof nodes;
    await register(nodes[0], CLOCK);
    await untilListed(nodes[1], CLOCK.agent_id);
    await register(nodes[1], GREETER);
    await Promise.all(nodes.map((node) => untilListed(node, GREETER.agent_id)));
  });

  after(async () => {
    await federation?.stop();
    if (home !== undefined) await rm(home, { recursive: true, force: true });
  });

  it("lists on every node the agents that registered with others", { skip }, async () => {
    for (const { name, http } of nodes) {
      const listed = await meshctl.run(http, "list");
      assert.match(listed, /2 healthy/, name);
      assert.match(listed, CLOCK_ROW, name);
      assert.match(listed, GREETER_ROW, name);
    }
  });

  it("lists the tools of all agents", { skip }, async () => {
    const tools = await meshctl.run(nodes[2].http, "list", "--tools");
    assert.match(tools, /^now +clock-1a2b3c4d +date +utc$/m);
    assert.match(tools, /^greet +greeter-5e6f7a8b +greeting +-$/m);
  });

  it("shows the status of an agent, and who its dependencies are wired to", { skip }, async () => {
    const status = await meshctl.run(nodes[2].http, "status", GREETER.agent_id);
    assert.match(status, /^Status +: healthy$/m);
    assert.match(status, /^Endpoint +: http:\/\/10\.0\.0\.8:8082$/m);
    assert.match(status, /^greeting +greet +1\.0\.0 +-/m);
    assert.match(status, /^date +now +http:\/\/10\.0\.0\.7:8081/m);
    assert.match(status, /^mood +NOT FOUND +-/m);
  });

  it("shows the status of all agents as JSON", { skip }, async () => {
    const agents: { id: string; status: string; endpoint: string }[] = JSON.parse(
      await meshctl.run(nodes[2].http, "status", "--json"),
    );
    assert.deepEqual(
      agents.map(({ id, status, endpoint }) => [id, status, endpoint]),
      [
        [CLOCK.agent_id, "healthy", "http://10.0.0.7:8081"],
        [GREETER.agent_id, "healthy", "http://10.0.0.8:8082"],
      ],
    );
  });

  it("P5: goes on listing when the leader is killed", { skip }, async () => {
    const leader = federation.leaders.get(REGION)!;
    await federation.kill(leader);
    for (const { http } of nodes.filter(({ name }) => name !== leader)) {
      const listed = await meshctl.run(http, "list");
      assert.match(listed, CLOCK_ROW);
      assert.match(listed, GREETER_ROW);
    }
  });

  it("P1: lists all after the killed node came back, there too", { skip }, async () => {
    const leader = federation.node(federation.leaders.get(REGION)!);
    await federation.restart(leader.name);
    await untilListed(leader, GREETER.agent_id);
    assert.match(await meshctl.run(leader.http, "list"), GREETER_ROW);
  });

  it("hides an agent that unregistered with another node, and shows it on request", { skip }, async () => {
    const answer = await fetch(`${nodes[0].http}/agents/${CLOCK.agent_id}`, { method: "DELETE" });
    assert.equal(answer.status, 204);
    await federation.until(
      async () => (await agentsOn(nodes[2], "?status=unhealthy")).includes(CLOCK.agent_id),
      `${nodes[2].name} to hear of it`,
    );
    assert.match(await meshctl.run(nodes[2].http, "list"), /1 agent \(1 healthy\) - 1 down hidden/);
    assert.match(await meshctl.run(nodes[2].http, "list", "--all"), /^clock-1a2b3c4d .* unhealthy +0\/0 +0\/1 /m);
  });

  function untilListed(node: FederationNode, id: string): Promise<void> {
    return federation.until(async () => (await agentsOn(node)).includes(id), `${node.name} to list ${id}`);
  }
});

/** As an SDK does. */
async function register({ http }: FederationNode, heartbeat: object): Promise<void> {
  const answer = await fetch(`${http}/heartbeat`, { method: "POST", body: JSON.stringify(heartbeat) });
  const { status, message } = (await answer.json()) as { status: string; message: string };
  assert.equal(status, "success", message);
}

async function agentsOn({ http }: FederationNode, query = ""): Promise<string[]> {
  const answer = await fetch(`${http}/agents${query}`);
  const { agents } = (await answer.json()) as { agents: { id: string }[] | null };
  return (agents ?? []).map(({ id }) => id);
}
