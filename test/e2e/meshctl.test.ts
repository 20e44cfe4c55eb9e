/** The real `meshctl` asks any node of a federation, about agents that registered with others of its region. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type FederationNode, FederationProcess } from "../support/federation-process.ts";
import { McpAgent } from "../support/mcp-agent.ts";
import { findMeshctl, Meshctl } from "../support/meshctl.ts";

const REGION = "us-east";
const OTHER_REGION = "us-west";
/** What the tests do must not be a race against leases: nobody renews them here. */
const LEASE_SECONDS = "3600";

const ZONE_SCHEMA = { type: "object", properties: { zone: { type: "string" } }, required: ["zone"] };
const PLACE_SCHEMA = { type: "object", properties: { place: { type: "string" } }, required: ["place"] };
const [ZONE_HASH, PLACE_HASH] = [`sha256:${"a1".repeat(32)}`, `sha256:${"b2".repeat(32)}`];

const TOOLS = [
  {
    name: "now",
    description: "What time it is in a zone",
    inputSchema: ZONE_SCHEMA,
    answersIn: "json",
    run: ({ zone }: Readonly<Record<string, unknown>>) => `noon in ${zone}`,
  },
  { name: "tell", description: "A story", inputSchema: {}, answersIn: "events", run: () => "once upon a time" },
  { name: "tick", description: "For ever", inputSchema: {}, answersIn: "endless events", run: () => "" },
] as const;

const CLOCK = "clock-1a2b3c4d";
const OLD_CLOCK = "clock-9a8b7c6d";
const GREETER = "greeter-5e6f7a8b";
const TRAVELLER = "traveller-0a0b0c0d";

const GREETER_HEARTBEAT = {
  agent_id: GREETER,
  name: "greeter",
  runtime: "typescript",
  http_host: "10.0.0.8",
  http_port: 8082,
  tools: [
    {
      function_name: "greet",
      capability: "greeting",
      dependencies: [{ capability: "date", tags: ["utc"], version: "^1.4" }, { capability: "mood" }],
    },
  ],
};
/** Nobody listens there. */
const OLD_CLOCK_HEARTBEAT = {
  agent_id: OLD_CLOCK,
  name: "clock",
  version: "1.0.0",
  http_host: "127.0.0.1",
  http_port: 9,
  tools: [
    {
      function_name: "now_then",
      capability: "date",
      version: "1.3.0",
      tags: ["utc"],
      inputSchema: PLACE_SCHEMA,
      inputSchemaCanonical: PLACE_SCHEMA,
      inputSchemaHash: PLACE_HASH,
    },
  ],
};
const TRAVELLER_HEARTBEAT = {
  agent_id: TRAVELLER,
  name: "traveller",
  http_host: "10.0.1.1",
  http_port: 8080,
  tools: [{ function_name: "go", capability: "travel", dependencies: [{ capability: "date", version: "^1.4" }] }],
};
const GREETER_ROW = /^greeter-5e6f7a8b +TypeScript +Agent +healthy +1\/2 +1\/1 +10\.0\.0\.8:8082 /m;

const found = await findMeshctl();
const skip = "missing" in found ? found.missing : false;

describe("meshctl", { skip }, () => {
  let home: string;
  let meshctl: Meshctl;
  let clock: McpAgent;
  let federation: FederationProcess;
  let nodes: [FederationNode, FederationNode, FederationNode];
  let abroad: FederationNode;
  let clockRow: RegExp;

  before(async () => {
    if ("missing" in found) return;
    home = await mkdtemp(join(tmpdir(), "atoll-meshctl-"));
    meshctl = new Meshctl(found.program, home);
    clock = await McpAgent.start(TOOLS);
    clockRow = new RegExp(`^${CLOCK} +Python +Agent +healthy +0/0 +3/3 +127\\.0\\.0\\.1:${clock.port} `, "m");
    federation = await FederationProcess.start({
      regions: `${REGION}:3,${OTHER_REGION}:1`,
      httpBase: 21_400,
      env: { DEFAULT_TIMEOUT_THRESHOLD: LEASE_SECONDS },
    });
    nodes = federation.nodesOf(REGION) as typeof nodes;
    abroad = federation.nodesOf(OTHER_REGION)[0]!;
    await register(nodes[0], clockHeartbeat());
    await register(nodes[2], OLD_CLOCK_HEARTBEAT);
    await Promise.all([untilListed(nodes[1], CLOCK), untilListed(nodes[1], OLD_CLOCK)]);
    await register(nodes[1], GREETER_HEARTBEAT);
    await Promise.all(nodes.map((node) => untilListed(node, GREETER)));
  });

  after(async () => {
    await federation?.stop();
    await clock?.stop();
    if (home !== undefined) await rm(home, { recursive: true, force: true });
  });

  function clockHeartbeat() {
    const { host, port } = clock;
    const [now, tell, tick] = TOOLS;
    return {
      agent_id: CLOCK,
      name: "clock",
      version: "1.2.0",
      http_host: host,
      http_port: port,
      tools: [
        {
          function_name: now.name,
          capability: "date",
          version: "1.4.2",
          tags: ["utc"],
          inputSchema: ZONE_SCHEMA,
          inputSchemaCanonical: ZONE_SCHEMA,
          inputSchemaHash: ZONE_HASH,
        },
        { function_name: tell.name, capability: "story" },
        { function_name: tick.name, capability: "ticks" },
      ],
    };
  }

  it("lists on every node the agents that registered with others", async () => {
    for (const { name, http } of nodes) {
      const listed = await meshctl.run(http, "list");
      assert.match(listed, /3 healthy/, name);
      assert.match(listed, clockRow, name);
      assert.match(listed, GREETER_ROW, name);
    }
  });

  it("lists the tools of all agents on every node", async () => {
    for (const { name, http } of nodes) {
      const tools = await meshctl.run(http, "list", "--tools");
      assert.match(tools, /^now +clock-1a2b3c4d +date +utc$/m, name);
      assert.match(tools, /^greet +greeter-5e6f7a8b +greeting +-$/m, name);
    }
  });

  it("shows what a tool takes, as its agent says through every node", async () => {
    for (const { name, http } of nodes) {
      const tool = await meshctl.run(http, "list", "--tools=now");
      assert.match(tool, /^Agent: clock-1a2b3c4d$/m, name);
      assert.match(tool, /^Availability: available$/m, name);
      assert.match(tool, /^Description: What time it is in a zone$/m, name);
      assert.match(tool, /"required": \[\s+"zone"\s+\]/, name);
    }
  });

  it("shows the status of an agent, and who its dependencies are wired to, on every node", async () => {
    for (const { name, http } of nodes) {
      const status = await meshctl.run(http, "status", GREETER);
      assert.match(status, /^Status +: healthy$/m, name);
      assert.match(status, /^Endpoint +: http:\/\/10\.0\.0\.8:8082$/m, name);
      assert.match(status, /^greeting +greet +1\.0\.0 +-/m, name);
      assert.match(status, new RegExp(`^date +now +http://127\\.0\\.0\\.1:${clock.port}`, "m"), name);
      assert.match(status, /^mood +NOT FOUND +-/m, name);
    }
  });

  it("shows the status of all agents as JSON", async () => {
    const agents: { id: string; status: string; endpoint: string }[] = JSON.parse(
      await meshctl.run(nodes[2].http, "status", "--json"),
    );
    assert.deepEqual(
      agents.map(({ id, status, endpoint }) => [id, status, endpoint]),
      [
        [CLOCK, "healthy", `http://127.0.0.1:${clock.port}`],
        [OLD_CLOCK, "healthy", "http://127.0.0.1:9"],
        [GREETER, "healthy", "http://10.0.0.8:8082"],
      ],
    );
  });

  it("explains on every node why an agent was given its provider", async () => {
    for (const { name, http } of nodes) {
      await federation.until(async () => (await auditsOn(http)) > 0, `${name} to have the audit`);
      assert.match(await meshctl.run(http, "audit", "greeter"), /\[0\] +greet +clock-1a2b3c4d +2 → 1/, name);
      const explained = await meshctl.run(http, "audit", GREETER, "--explain");
      assert.match(explained, /spec: tags=utc +version=\^1\.4/, name);
      assert.match(
        explained,
        /✗ clock-9a8b7c6d:now_then — VersionConstraintFailed \{constraint=\^1\.4, version=1\.3\.0\}/,
      );
      assert.match(
        explained,
        new RegExp(`✓ chosen: ${CLOCK} +endpoint=http://127\\.0\\.0\\.1:${clock.port} +function=now`),
      );
    }
  });

  it("calls a tool through every node, and has its answer whether it comes at once or as events", async () => {
    for (const { name, http } of nodes) {
      const answer = JSON.parse(await meshctl.run(http, "call", "now", '{"zone":"UTC"}'));
      assert.deepEqual(answer.content, [{ type: "text", text: "noon in UTC" }], name);
      const story = JSON.parse(await meshctl.run(http, "call", `${CLOCK}:tell`));
      assert.deepEqual(story.content, [{ type: "text", text: "once upon a time" }], name);
    }
  });

  it("hands a call's headers to the agent, and no credential", async () => {
    const headers = ["--header", "Authorization: Bearer x", "--header", "X-Trace-ID: trace-1"];
    await meshctl.run(nodes[1].http, "call", "now", '{"zone":"UTC"}', "--timeout", "7", ...headers);
    const call = clock.calls.at(-1)!;
    assert.deepEqual([call.method, call.tool], ["tools/call", "now"]);
    assert.deepEqual([call.headers["x-mesh-timeout"], call.headers["x-trace-id"]], ["7", "trace-1"]);
    assert.equal(call.headers.authorization, undefined);
  });

  it("is told when an agent can not be reached", async () => {
    const refused = /status 502: .*Failed to reach target agent: connect ECONNREFUSED 127\.0\.0\.1:9/;
    await assert.rejects(meshctl.run(nodes[0].http, "call", "now_then"), refused);
    await assert.rejects(meshctl.run(nodes[0].http, "call", "nothing"), /no agent found with tool 'nothing'/);
  });

  it("B: a stream of events that takes too long ends with words that its reader knows", async () => {
    const call = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "tick" } };
    const answer = await postMcp(nodes[1], clock.port, call, { "x-mesh-timeout": "1" });
    assert.deepEqual([answer.status, await answer.text()], [200, ": ping\n\n: mesh-proxy-timeout budget=1s\n\n"]);
  });

  it("drains the region by any node, shows it on every node, and resumes; other regions go on", async () => {
    for (const { name, http } of nodes) {
      assert.match(await meshctl.run(http, "registry", "drain", "--wait"), /All jobs drained/, name);
      await untilDrains(/DRAINING \(new claims paused\)\nLive claims: 0/);
      assert.match(await meshctl.run(abroad.http, "registry", "status"), /active \(normal dispatch\)/);
      assert.match(await meshctl.run(http, "registry", "resume"), /Registry resumed/, name);
      await untilDrains(/active \(normal dispatch\)\nLive claims: 0/);
    }
  });

  it("lists on every node the schemas of agents, and what sets two of them apart", async () => {
    for (const { name, http } of nodes) {
      const { schemas } = JSON.parse(await meshctl.run(http, "list", "--schemas", "--json"));
      assert.deepEqual(schemas.map(({ hash }: { hash: string }) => hash).sort(), [ZONE_HASH, PLACE_HASH], name);
      const difference = await meshctl.run(http, "schema", "diff", ZONE_HASH, PLACE_HASH);
      assert.match(difference, /zone/, name);
      assert.match(difference, /place/, name);
    }
    await assert.rejects(meshctl.run(nodes[0].http, "schema", "diff", ZONE_HASH, "sha256:00"), /schema not found/);
  });

  it("tells all agents of a region to ask anew when certificates are rotated by any node", async () => {
    for (const { name, http } of nodes) {
      await register(nodes[0], GREETER_HEARTBEAT);
      assert.equal(await fastHeartbeat(nodes[0], GREETER), 200);
      assert.match(
        await meshctl.run(http, "entity", "rotate"),
        /3 agent\(s\) will re-register on next heartbeat/,
        name,
      );
      await federation.until(
        async () => (await fastHeartbeat(nodes[0], GREETER)) === 202,
        `${name}'s rotation to be told`,
      );
    }
  });

  it("shows a provider abroad, who can be called through the consumer's own region once it was told of", async () => {
    const list = { jsonrpc: "2.0", id: 1, method: "tools/list" };
    assert.equal((await postMcp(abroad, clock.port, list)).status, 403);
    await federation.until(async () => {
      const { dependencies_resolved } = await register(abroad, TRAVELLER_HEARTBEAT);
      return dependencies_resolved.go?.[0]?.agent_id === CLOCK;
    }, "the traveller to be told of the clock");
    const status = await meshctl.run(abroad.http, "status", TRAVELLER);
    assert.match(status, new RegExp(`^date +now +http://127\\.0\\.0\\.1:${clock.port}`, "m"));
    assert.equal((await postMcp(abroad, clock.port, list)).status, 200);
  });

  it("P5: goes on listing and calling when the leader is killed", async () => {
    const leader = federation.leaders.get(REGION)!;
    await federation.kill(leader);
    for (const { http } of nodes.filter(({ name }) => name !== leader)) {
      const listed = await meshctl.run(http, "list");
      assert.match(listed, clockRow);
      assert.match(listed, GREETER_ROW);
      assert.match(await meshctl.run(http, "call", "now", '{"zone":"UTC"}'), /noon in UTC/);
    }
  });

  it("P1: lists all after the killed node came back, there too", async () => {
    const leader = federation.node(federation.leaders.get(REGION)!);
    await federation.restart(leader.name);
    await untilListed(leader, GREETER);
    assert.match(await meshctl.run(leader.http, "list"), GREETER_ROW);
  });

  it("hides an agent that unregistered with another node, and shows it on request", async () => {
    const answer = await fetch(`${nodes[0].http}/agents/${CLOCK}`, { method: "DELETE" });
    assert.equal(answer.status, 204);
    await federation.until(
      async () => (await agentsOn(nodes[2], "?status=unhealthy")).includes(CLOCK),
      `${nodes[2].name} to hear of it`,
    );
    assert.match(await meshctl.run(nodes[2].http, "list"), /2 agents \(2 healthy\) - 1 down hidden/);
    assert.match(await meshctl.run(nodes[2].http, "list", "--all"), /^clock-1a2b3c4d .* unhealthy +0\/0 +0\/3 /m);
  });

  function untilListed(node: FederationNode, id: string): Promise<void> {
    return federation.until(async () => (await agentsOn(node)).includes(id), `${node.name} to list ${id}`);
  }

  async function untilDrains(said: RegExp): Promise<void> {
    for (const { name, http } of nodes) {
      await federation.until(
        async () => said.test(await meshctl.run(http, "registry", "status")),
        `${name} to say ${said}`,
      );
    }
  }
});

interface HeartbeatAnswer {
  readonly status: string;
  readonly message: string;
  readonly dependencies_resolved: Readonly<Record<string, readonly { readonly agent_id: string }[]>>;
}

/** As an SDK does. */
async function register({ http }: FederationNode, heartbeat: object): Promise<HeartbeatAnswer> {
  const answer = await fetch(`${http}/heartbeat`, { method: "POST", body: JSON.stringify(heartbeat) });
  const body = (await answer.json()) as HeartbeatAnswer;
  assert.equal(body.status, "success", body.message);
  return body;
}

async function fastHeartbeat({ http }: FederationNode, id: string): Promise<number> {
  return (await fetch(`${http}/heartbeat/${id}`, { method: "HEAD" })).status;
}

async function agentsOn({ http }: FederationNode, query = ""): Promise<string[]> {
  const answer = await fetch(`${http}/agents${query}`);
  const { agents } = (await answer.json()) as { agents: { id: string }[] | null };
  return (agents ?? []).map(({ id }) => id);
}

async function auditsOn(http: string): Promise<number> {
  const answer = await fetch(`${http}/events?type=dependency_resolved&agent_id=${GREETER}`);
  return ((await answer.json()) as { count: number }).count;
}

/** As an SDK does that calls another agent through the registry. */
function postMcp({ http }: FederationNode, port: number, call: object, headers = {}): Promise<Response> {
  const url = `${http}/proxy/127.0.0.1:${port}/mcp`;
  return fetch(url, {
    method: "POST",
    body: JSON.stringify(call),
    headers: { "content-type": "application/json", ...headers },
  });
}
