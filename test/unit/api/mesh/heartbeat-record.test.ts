import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Heartbeat } from "../../../../src/api/mesh/heartbeat-body.ts";
import { translate } from "../../../../src/api/mesh/heartbeat-record.ts";
import type { AgentRecord } from "../../../../src/types/agent.ts";

const LEASE_MS = 20_000;

function recordOf(heartbeat: Heartbeat, held?: AgentRecord): AgentRecord {
  const translation = translate(heartbeat, held, LEASE_MS);
  assert.ok("record" in translation, JSON.stringify(translation));
  return translation.record;
}

function refusalOf(heartbeat: Heartbeat, held?: AgentRecord): string {
  const translation = translate(heartbeat, held, LEASE_MS);
  assert.ok("refusal" in translation, JSON.stringify(translation));
  return translation.refusal;
}

const held = recordOf({
  agent_id: "a",
  version: "1",
  http_host: "h",
  http_port: 80,
  tools: [{ function_name: "f", capability: "c" }],
});

describe("A2: a heartbeat of a known agent", () => {
  it("A2: replaces all tools, also when it names none", () => {
    assert.deepEqual(recordOf({ agent_id: "a" }, held).capabilities, []);
    assert.deepEqual(recordOf({ agent_id: "a", tools: [] }, held).capabilities, []);
  });

  it("A2: leaves the version as it is when it is empty", () => {
    assert.equal(recordOf({ agent_id: "a", version: "" }, held).version, "1");
    assert.equal(recordOf({ agent_id: "a", version: "2" }, held).version, "2");
  });

  for (const [what, address, endpoint] of [
    ["an empty host", { http_host: "" }, "http://h:80"],
    ["a port of 0", { http_port: 0 }, "http://h:80"],
    ["a negative port", { http_port: -1 }, "http://h:80"],
    ["an empty host and no port", { http_host: "", http_port: 0 }, "http://h:80"],
    ["an empty host and another port", { http_host: "", http_port: 81 }, "http://h:81"],
    ["another host alone", { http_host: "i" }, "http://i:80"],
    ["another host and no port", { http_host: "i", http_port: 0 }, "http://i:80"],
  ] as const) {
    it(`A2: with ${what} is at ${endpoint}`, () => {
      assert.equal(recordOf({ agent_id: "a", ...address }, held).endpoint, endpoint);
    });
  }

  for (const [endpoint, moved] of [
    ["http://HOST.Example:80", "http://HOST.Example:81"],
    ["http://[::1]:80", "http://[::1]:81"],
    ["http://[::1]", "http://[::1]:81"],
    ["http://h/agents/a", "http://h:81"],
    ["stdio://a", "stdio://a"],
  ] as const) {
    it(`A2: at ${endpoint} with another port is at ${moved}`, () => {
      assert.equal(recordOf({ agent_id: "a", http_port: 81 }, { ...held, endpoint }).endpoint, moved);
    });
  }

  it("A2: keeps an endpoint that host and port can not spell", () => {
    const elsewhere = { ...held, endpoint: "https://example.org/agents/a" };
    assert.equal(recordOf({ agent_id: "a", http_host: "", http_port: 0 }, elsewhere).endpoint, elsewhere.endpoint);
  });

  it("A2: is judged for its type and runtime like a first one", () => {
    assert.match(refusalOf({ agent_id: "a", agent_type: "robot" }, held), /^validation failed: agent_type: /);
    assert.match(refusalOf({ agent_id: "a", runtime: "" }, held), /^validation failed: runtime: /);
  });
});

describe("A2: a first heartbeat", () => {
  it("A2: is refused with an empty type or runtime", () => {
    assert.match(refusalOf({ agent_id: "a", agent_type: "" }), /^validation failed: agent_type: /);
    assert.match(refusalOf({ agent_id: "a", runtime: "" }), /^validation failed: runtime: /);
  });

  it("A2: needs a name of its own when the id is too long for one", () => {
    const agent_id = "a".repeat(64);
    assert.match(refusalOf({ agent_id }), /^validation failed: name: /);
    assert.equal(recordOf({ agent_id, name: "short" }).name, "short");
  });
});

describe("A9: what a dependency expects of a schema", () => {
  const hash = `sha256:${"a".repeat(64)}`;
  const schema = { type: "object" };
  const expectedBy = (fields: object) => {
    const dependencies = [{ capability: "d", ...fields }];
    const [capability] = recordOf({
      agent_id: "a",
      tools: [{ function_name: "f", capability: "c", dependencies }],
    }).capabilities;
    const { expectedSchemaCanonical, expectedSchemaHash } = capability!.dependencies[0]!;
    return [expectedSchemaCanonical, expectedSchemaHash];
  };

  it("A9: is kept when only one half of it is said", () => {
    assert.deepEqual(expectedBy({ expectedSchemaCanonical: schema }), [schema, undefined]);
    assert.deepEqual(expectedBy({ expectedSchemaHash: hash }), [undefined, hash]);
  });

  it("A9: is not kept when it is no schema, or no hash", () => {
    assert.deepEqual(expectedBy({ expectedSchemaCanonical: "s", expectedSchemaHash: hash }), [undefined, hash]);
    assert.deepEqual(expectedBy({ expectedSchemaCanonical: schema, expectedSchemaHash: "md5:1" }), [schema, undefined]);
  });
});
