import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseHostAndPort, parsePeerName } from "../../../src/types/peer-name.ts";

describe("parsePeerName", () => {
  const either = (host: string) => ({ type: "either", service: `_atoll._tcp.${host}`, host, port: 4001 });
  const host = (name: string, port: number) => ({ type: "host", host: name, port });
  const good: readonly (readonly [string, object])[] = [
    ["registry-west.global", either("registry-west.global")],
    ["west:4002", host("west", 4002)],
    ["srv:4001", host("srv", 4001)],
    ["10.0.0.1", host("10.0.0.1", 4001)],
    ["10.0.0.1:1", host("10.0.0.1", 1)],
    ["[::1]:65535", host("::1", 65_535)],
    ["[fe80::1]", host("fe80::1", 4001)],
    ["srv:_atoll._tcp.example.org", { type: "service", service: "_atoll._tcp.example.org" }],
  ];
  for (const [text, name] of good) it(`reads ${text}`, () => assert.deepEqual(parsePeerName(text), name));

  const bad = ["", "a:0", "a:65536", "a:b", "a:", "::1", "a b", "http://a", "[::1", "a:1:2", "srv:example.org"];
  for (const text of [...bad, "srv:", "srv:_a:1", "west\n", `${"a".repeat(254)}:1`]) {
    it(`refuses ${JSON.stringify(text.slice(0, 20))}`, () => assert.equal(parsePeerName(text), null));
  }
});

describe("parseHostAndPort", () => {
  it("reads an address as a node says it of itself", () => {
    assert.deepEqual(parseHostAndPort("west"), { host: "west", port: 4001 });
    assert.deepEqual(parseHostAndPort("[::1]:4002"), { host: "::1", port: 4002 });
  });

  for (const text of ["a:0", "a:65536", "srv:_atoll._tcp.example.org", "::1"]) {
    it(`refuses ${text}`, () => assert.equal(parseHostAndPort(text), null));
  }
});
