/** Whatever is sent: a 4xx with a stable code that names the field, nothing stored, and the next request works. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import type { InjectOptions } from "fastify";
import { createTestApp, type TestApp } from "../../support/api-app.ts";

const GOOD = { endpoint: "http://weather:8080", capabilities: ["weather"] };
const JSON_TYPE = { "content-type": "application/json" };
const ENCODED_SLASHES = "..%2F..%2Fetc%2Fpasswd";

/** What is sent, and what it must be answered with: status, code, field. */
type Case = readonly [what: string, request: InjectOptions, status: number, code: string, field: string | undefined];

const put = (payload: unknown, id = "bad-1"): InjectOptions => ({
  method: "PUT",
  url: `/v1/agents/${id}`,
  headers: JSON_TYPE,
  payload: typeof payload === "string" ? payload : JSON.stringify(payload),
});
const seed = (payload: unknown, url = "/agents"): InjectOptions => ({
  method: "POST",
  url,
  payload: typeof payload === "string" ? payload : JSON.stringify(payload),
});
const field = (change: object) => put({ ...GOOD, ...change });
const get = (url: string): InjectOptions => ({ url });

const BODIES: readonly Case[] = [
  ["malformed JSON", put("{"), 400, "INVALID_JSON", "body"],
  ["JSON cut short", put('{"endpoint":"http://a:1","capabilities":['), 400, "INVALID_JSON", "body"],
  ["no body", { method: "PUT", url: "/v1/agents/bad-1" }, 400, "INVALID_FIELD", "body"],
  ["an empty body", put(""), 400, "INVALID_FIELD", "body"],
  ["a list for a body", put([]), 400, "INVALID_FIELD", "body"],
  ["null for a body", put("null"), 400, "INVALID_FIELD", "body"],
  ["a property named __proto__", put('{"__proto__":{}}'), 400, "INVALID_FIELD", "body"],
  ["an abyss of brackets", put(`${"[".repeat(10_000)}${"]".repeat(10_000)}`), 400, "INVALID_FIELD", "body"],
  ["a swarm of values", put(`{"metadata":{"a":[${"{},".repeat(40_000)}{}]}}`), 400, "INVALID_FIELD", "body"],
  ["a swarm of values, malformed", put(`[${"1,".repeat(40_000)}`), 400, "INVALID_FIELD", "body"],
  ["a text that looks like many values", field({ zone: `\\"${"[,{".repeat(40_000)}` }), 400, "INVALID_FIELD", "zone"],
  [
    "a swarm of values, from an older script",
    seed(`{"id":"bad-1","x":[${"{},".repeat(40_000)}{}]}`),
    400,
    "INVALID_FIELD",
    "body",
  ],
  [
    "another content type",
    { ...put(GOOD), headers: { "content-type": "application/x-www-form-urlencoded" } },
    415,
    "UNSUPPORTED_MEDIA_TYPE",
    "content-type",
  ],
  ["a body of 10 MiB", put({ ...GOOD, name: "x".repeat(10 * 1024 * 1024) }), 413, "BODY_TOO_LARGE", "body"],
];

const FIELDS: readonly Case[] = [
  ["a missing field", put({ endpoint: "http://a:1" }), 400, "INVALID_FIELD", "capabilities"],
  ["an unknown field", field({ capabilitys: [] }), 400, "INVALID_FIELD", "capabilitys"],
  ["a number for a string", field({ name: 5 }), 400, "INVALID_FIELD", "name"],
  ["a string for a number", field({ leaseMs: "30000" }), 400, "INVALID_FIELD", "leaseMs"],
  ["half a millisecond", field({ leaseMs: 1_000.5 }), 400, "INVALID_FIELD", "leaseMs"],
  ["a lease too short", field({ leaseMs: 999 }), 400, "INVALID_FIELD", "leaseMs"],
  ["a lease too long", field({ leaseMs: 86_400_001 }), 400, "INVALID_FIELD", "leaseMs"],
  ["an unknown type", field({ type: "robot" }), 400, "INVALID_FIELD", "type"],
  ["an unknown runtime", field({ runtime: "cobol" }), 400, "INVALID_FIELD", "runtime"],
  ["an empty name", field({ name: "" }), 400, "INVALID_FIELD", "name"],
  ["an over-long name", field({ name: "x".repeat(254) }), 400, "INVALID_FIELD", "name"],
  ["a name of 64 KiB", field({ name: "<b>".repeat(21_846) }), 400, "INVALID_FIELD", "name"],
  [
    "a capability of 64 KiB",
    field({ capabilities: ["\u202e".repeat(65_536)] }),
    400,
    "INVALID_FIELD",
    "capabilities[0]",
  ],
  ["a name with control characters", field({ name: "a\u0007b" }), 400, "INVALID_FIELD", "name"],
  ["an over-long namespace", field({ namespace: "x".repeat(64) }), 400, "INVALID_FIELD", "namespace"],
  ["an endpoint that is no URL", field({ endpoint: "weather:" }), 400, "INVALID_FIELD", "endpoint"],
  ["an endpoint without a scheme", field({ endpoint: "weather:8080" }), 400, "INVALID_FIELD", "endpoint"],
  ["an endpoint with a line break", field({ endpoint: "http://a:1/\nx" }), 400, "INVALID_FIELD", "endpoint"],
  ["an empty endpoint", field({ endpoint: "" }), 400, "INVALID_FIELD", "endpoint"],
  ["an over-long endpoint", field({ endpoint: `http://a/${"x".repeat(3_000)}` }), 400, "INVALID_FIELD", "endpoint"],
  ["capabilities that are no list", field({ capabilities: "weather" }), 400, "INVALID_FIELD", "capabilities"],
  ["too many capabilities", field({ capabilities: Array(257).fill("x") }), 400, "INVALID_FIELD", "capabilities"],
  ["an empty capability", field({ capabilities: ["a", ""] }), 400, "INVALID_FIELD", "capabilities[1]"],
  ["a capability of another type", field({ capabilities: [7] }), 400, "INVALID_FIELD", "capabilities[0]"],
  ["a nameless capability", field({ capabilities: [{ version: "1" }] }), 400, "INVALID_FIELD", "capabilities[0].name"],
  [
    "an unknown field of a capability",
    field({ capabilities: [{ name: "a", tag: "x" }] }),
    400,
    "INVALID_FIELD",
    "capabilities[0].tag",
  ],
  [
    "a tag of another type",
    field({ capabilities: ["ok", { name: "a", tags: ["x", 1] }] }),
    400,
    "INVALID_FIELD",
    "capabilities[1].tags[1]",
  ],
  ["a label of another type", field({ labels: { a: 1 } }), 400, "INVALID_FIELD", "labels.a"],
  ["a label with a bad name", field({ labels: { "a b": "1" } }), 400, "INVALID_FIELD", "labels.a b"],
  ["metadata that is a list", field({ metadata: [] }), 400, "INVALID_FIELD", "metadata"],
  [
    "half a surrogate pair",
    put('{"endpoint":"http://a:1","capabilities":["\\ud800"]}'),
    400,
    "INVALID_RECORD",
    "capabilities[0].name",
  ],
];

const IDS: readonly Case[] = ["GET", "PUT", "DELETE"].flatMap((method): Case[] => {
  const at = (id: string): InjectOptions => ({
    method: method as "GET",
    url: `/v1/agents/${id}`,
    ...(method === "PUT" ? { payload: GOOD } : {}),
  });
  return [
    [`${method}: an id with ../`, at(ENCODED_SLASHES), 400, "INVALID_FIELD", "id"],
    [`${method}: an id of dots`, at("a..b"), 400, "INVALID_FIELD", "id"],
    [`${method}: an id with a zero byte`, at("a%00b"), 400, "INVALID_FIELD", "id"],
    [`${method}: an id with a line break`, at("a%0Ab"), 400, "INVALID_FIELD", "id"],
    [`${method}: an id with a blank`, at("a%20b"), 400, "INVALID_FIELD", "id"],
    [`${method}: an id that begins with a dash`, at("-a"), 400, "INVALID_FIELD", "id"],
    [`${method}: an over-long id`, at("a".repeat(254)), 400, "INVALID_FIELD", "id"],
    [`${method}: an id as long as a URL can be`, at("a".repeat(12_000)), 400, "INVALID_FIELD", "id"],
    [`${method}: an empty id`, at(""), 400, "INVALID_FIELD", "id"],
    [`${method}: malformed percent-encoding`, at("%ZZ"), 400, "INVALID_FIELD", "id"],
    [`${method}: percent-encoding that is not UTF-8`, at("%FF%FE"), 400, "INVALID_FIELD", "id"],
  ];
});

const QUERIES: readonly Case[] = [
  ["a lookup for nothing", get("/v1/lookup"), 400, "INVALID_FIELD", "capability"],
  ["a lookup for an empty name", get("/v1/lookup?capability="), 400, "INVALID_FIELD", "capability"],
  ["a lookup for two", get("/v1/lookup?capability=a&capability=b"), 400, "INVALID_FIELD", "capability"],
  ["a misspelt parameter", get("/v1/lookup?capability=a&tag=b"), 400, "INVALID_FIELD", "tag"],
  ["an unknown scope", get("/v1/lookup?capability=a&scope=world"), 400, "INVALID_FIELD", "scope"],
  ["an unknown health", get("/v1/lookup?capability=a&health=ill"), 400, "INVALID_FIELD", "health"],
  ["an unknown consistency", get("/v1/lookup?capability=a&consistency=x"), 400, "INVALID_FIELD", "consistency"],
  ["a limit of 0", get("/v1/lookup?capability=a&limit=0"), 400, "INVALID_FIELD", "limit"],
  ["a limit over 1000", get("/v1/lookup?capability=a&limit=1001"), 400, "INVALID_FIELD", "limit"],
  ["a limit in words", get("/v1/lookup?capability=a&limit=ten"), 400, "INVALID_FIELD", "limit"],
  ["an empty limit", get("/v1/lookup?capability=a&limit="), 400, "INVALID_FIELD", "limit"],
  ["a negative age", get("/v1/lookup?capability=a&max_staleness_ms=-1"), 400, "INVALID_FIELD", "max_staleness_ms"],
  ["a cursor of another list", get("/v1/lookup?capability=a&cursor=WyJhIl0"), 400, "INVALID_FIELD", "cursor"],
  ["a cursor that is none", get("/v1/lookup?capability=a&cursor=%7B%7D"), 400, "INVALID_FIELD", "cursor"],
  ["an over-long cursor", get(`/v1/lookup?capability=a&cursor=${"a".repeat(3_000)}`), 400, "INVALID_FIELD", "cursor"],
  ["too many tags", get(`/v1/lookup?capability=a&tags=${"a,".repeat(65)}`), 400, "INVALID_FIELD", "tags"],
  ["a control character in a tag", get("/v1/lookup?capability=a&tags=%00"), 400, "INVALID_FIELD", "tags"],
  ["a list with a bad type", get("/v1/agents?type=robot"), 400, "INVALID_FIELD", "type"],
  ["a list with a bad boolean", get("/v1/agents?fuzzy=perhaps"), 400, "INVALID_FIELD", "fuzzy"],
  ["a list with a bad cursor", get("/v1/agents?cursor=%25"), 400, "INVALID_FIELD", "cursor"],
  ["capabilities with a bad limit", get("/v1/capabilities?limit=1.5"), 400, "INVALID_FIELD", "limit"],
  ["a parameter where there is none", get("/v1/nodes?x=1"), 400, "INVALID_FIELD", "x"],
];

const PATHS: readonly Case[] = [
  ["an unknown path", get("/v1/unknown"), 404, "NOT_FOUND", undefined],
  ["the bare prefix", get("/v1"), 404, "NOT_FOUND", undefined],
  ["a slash too many", get("/v1/lookup/"), 404, "NOT_FOUND", undefined],
  ["a POST to nowhere, with no JSON", { ...seed("{", "/v1/unknown") }, 404, "NOT_FOUND", undefined],
  ["PATCH of an agent", { method: "PATCH", url: "/v1/agents/a" }, 405, "METHOD_NOT_ALLOWED", undefined],
  ["POST to the lookup, with no JSON", { ...seed("{", "/v1/lookup") }, 405, "METHOD_NOT_ALLOWED", undefined],
];

const SEEDS: readonly Case[] = [
  ["seed: malformed JSON", seed("{"), 400, "INVALID_JSON", "body"],
  ["seed: no id", seed({ endpoint: "http://a:1" }), 400, "INVALID_FIELD", "id"],
  ["seed: an id with ../", seed({ id: "../x", endpoint: "http://a:1" }), 400, "INVALID_FIELD", "id"],
  ["seed: an id that is a number", seed({ id: 5, endpoint: "http://a:1" }), 400, "INVALID_FIELD", "id"],
  ["seed: no endpoint", seed({ id: "a" }), 400, "INVALID_FIELD", "endpoint"],
  ["seed: a bad endpoint", seed({ id: "a", endpoint: "nowhere" }), 400, "INVALID_FIELD", "endpoint"],
  [
    "seed: bad capabilities",
    seed({ id: "a", endpoint: "http://a:1", capabilities: [1] }),
    400,
    "INVALID_FIELD",
    "capabilities[0]",
  ],
  ["seed: a body of 10 MiB", seed({ id: "a", endpoint: "x".repeat(10 * 1024 * 1024) }), 413, "BODY_TOO_LARGE", "body"],
  ["seed: an empty capability to look for", get("/api/v1/agents?capability="), 400, "INVALID_FIELD", "capability"],
  ["seed: an unknown status", get("/capabilities?status=ill"), 400, "INVALID_FIELD", "status"],
];

const memberOf = (payload: unknown): InjectOptions => ({ ...seed(payload, "/v1/cluster/members"), headers: JSON_TYPE });
const transfer = (payload: unknown): InjectOptions => ({
  ...seed(payload, "/v1/cluster/transfer"),
  headers: JSON_TYPE,
});

const NEW_MEMBERS: readonly Case[] = [
  ["a member without a body", { method: "POST", url: "/v1/cluster/members" }, 400, "INVALID_FIELD", "body"],
  ["a member in malformed JSON", memberOf("{"), 400, "INVALID_JSON", "body"],
  ["a member without a name", memberOf({ as: "voter" }), 400, "INVALID_FIELD", "name"],
  ["an empty name of a member", memberOf({ name: "" }), 400, "INVALID_FIELD", "name"],
  ["a name of a member that is a number", memberOf({ name: 4 }), 400, "INVALID_FIELD", "name"],
  ["an over-long name of a member", memberOf({ name: "a".repeat(64) }), 400, "INVALID_FIELD", "name"],
  ["a name that no node can have", memberOf({ name: "US_East" }), 400, "INVALID_FIELD", "name"],
  ["an unknown kind of member", memberOf({ name: "a", as: "leader" }), 400, "INVALID_FIELD", "as"],
  ["a misspelt field of a member", memberOf({ name: "a", role: "voter" }), 400, "INVALID_FIELD", "role"],
  ["a parameter beside a member", { ...memberOf({ name: "a" }), query: { as: "x" } }, 400, "INVALID_FIELD", "as"],
  ["a transfer to a number", transfer({ to: 7 }), 400, "INVALID_FIELD", "to"],
  ["a transfer to nobody", transfer({ to: "" }), 400, "INVALID_FIELD", "to"],
  ["a transfer to a path", transfer({ to: "../a" }), 400, "INVALID_FIELD", "to"],
  ["a transfer to an over-long name", transfer({ to: "a".repeat(129) }), 400, "INVALID_FIELD", "to"],
  ["a misspelt transfer", transfer({ target: "a" }), 400, "INVALID_FIELD", "target"],
  ["a transfer of a list", transfer([]), 400, "INVALID_FIELD", "body"],
];

const OLD_MEMBERS: readonly Case[] = (["DELETE", "POST"] as const).flatMap((method): Case[] => {
  const at = (member: string): InjectOptions => ({
    method,
    url: `/v1/cluster/members/${member}${method === "POST" ? "/promote" : ""}`,
  });
  return [
    [`${method}: an empty member`, at(""), 400, "INVALID_FIELD", "member"],
    [`${method}: a member with ../`, at(ENCODED_SLASHES), 400, "INVALID_FIELD", "member"],
    [`${method}: a member with a zero byte`, at("a%00b"), 400, "INVALID_FIELD", "member"],
    [`${method}: a member with a blank`, at("a%20b"), 400, "INVALID_FIELD", "member"],
    [`${method}: an over-long member`, at("a".repeat(129)), 400, "INVALID_FIELD", "member"],
    [`${method}: a member in malformed percent-encoding`, at("%ZZ"), 400, "INVALID_FIELD", "member"],
    [`${method}: a parameter beside a member`, { ...at("a"), query: { force: "1" } }, 400, "INVALID_FIELD", "force"],
  ];
});

describe("bad input", () => {
  let test: TestApp;
  before(async () => {
    test = await createTestApp();
  });

  const cases = [BODIES, FIELDS, IDS, QUERIES, NEW_MEMBERS, OLD_MEMBERS, PATHS, SEEDS].flat();
  for (const [what, request, status, code, at] of cases) {
    it(`${what}: ${status} ${code} ${at ?? ""}`, async () => {
      const answer = await test.send(request);
      assert.equal(answer.statusCode, status, answer.body);
      const { error } = answer.json();
      assert.deepEqual([error.code, error.field], [code, at]);
      assert.ok(error.message.length > 0 && !error.message.includes("undefined"), error.message);
      assert.deepEqual(test.errors, [], "a bad request is no fault of ours");
      assert.deepEqual(test.node.service.countAgents(), { healthy: 0, unhealthy: 0, capabilities: 0 }, "stored");
      assert.deepEqual(test.admin.asked, [], "asked of the members");
      assert.equal((await test.send({ url: "/v1/agents" })).statusCode, 200, "the next one");
    });
  }

  it("says with 405 which methods there are", async () => {
    const answer = await test.send({ method: "PATCH", url: "/v1/agents/a" });
    assert.equal(answer.headers.allow, "DELETE, GET, HEAD, PUT");
  });
});

describe("bad input on a socket", () => {
  let test: TestApp;
  let port: number;
  before(async () => {
    test = await createTestApp();
    await test.app.listen({ host: "127.0.0.1", port: 0 });
    const address = test.app.server.address();
    assert.ok(typeof address === "object" && address !== null);
    port = address.port;
  });
  after(() => test.app.close());

  /** Sends bytes as they are: clients that tidy up URLs would hide what is tested here. */
  async function sendRaw(request: string): Promise<string> {
    const socket = connect(port, "127.0.0.1");
    socket.end(request);
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    await once(socket, "close");
    return Buffer.concat(chunks).toString();
  }
  const raw = (method: string, path: string) =>
    sendRaw(`${method} ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);

  it("names the id when its ../ was not encoded", async () => {
    const answer = await raw("DELETE", "/v1/agents/../../etc/passwd");
    assert.match(answer, /^HTTP\/1\.1 400 /);
    assert.match(answer, /"code":"INVALID_FIELD".*"field":"id"/);
  });

  it("survives control characters in a path, and what is not HTTP at all", async () => {
    assert.match(await raw("GET", "/v1/agents/a\u0007b"), /^HTTP\/1\.1 400 /);
    assert.match(await sendRaw("\u0000\u0001\u0002 nonsense\r\n\r\n"), /^HTTP\/1\.1 400 /);
    assert.match(await raw("GET", "/health"), /^HTTP\/1\.1 200 /);
  });

  it("does not wait for ever for a body", () => {
    const { requestTimeout } = test.app.server;
    assert.ok(requestTimeout > 0 && requestTimeout <= 60_000, `waits for ${requestTimeout} ms`);
  });

  it("refuses a body of 10 MiB by its announced length, before it is sent", async () => {
    const headers = `host: x\r\ncontent-type: application/json\r\ncontent-length: ${10 * 1024 * 1024}\r\n`;
    const answer = await sendRaw(`PUT /v1/agents/a HTTP/1.1\r\n${headers}\r\n{`);
    assert.match(answer, /^HTTP\/1\.1 413 /);
    assert.match(answer, /"code":"BODY_TOO_LARGE"/);
  });
});
