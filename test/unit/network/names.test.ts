import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Names, resolvePeer, type ServiceTarget, worldNames } from "../../../src/network/names.ts";
import { parsePeerName } from "../../../src/types/peer-name.ts";
import { DnsServer } from "../../support/dns-server.ts";

interface Found {
  readonly addresses: readonly string[];
  readonly unresolved: readonly string[];
}

async function resolve(text: string, names: Names): Promise<Found> {
  const unresolved: string[] = [];
  const found = await resolvePeer(parsePeerName(text)!, names, (name) => unresolved.push(name));
  return { addresses: found.map(({ ip, port }) => `${ip} ${port}`), unresolved };
}

describe("a peer's name", () => {
  const service = (targets: readonly ServiceTarget[]): Names => ({
    addresses: async (host) => [`ip-of-${host}`],
    services: async () => targets,
  });
  const target = (host: string, priority: number, weight: number) => ({ host, port: 4001, priority, weight });

  it("leads to all targets of a service, the preferred first, and to 16 of those at most", async () => {
    const many = Array.from({ length: 20 }, (_, i) => target(`late-${i}`, 9, 20 - i));
    const names = service([...many, target("light", 1, 1), target("heavy", 1, 9), target("first", 0, 0)]);
    const { addresses } = await resolve("srv:_atoll._tcp.x", names);
    const expected = ["first", "heavy", "light", ...many.slice(0, 13).map(({ host }) => host)];
    assert.deepEqual(
      addresses,
      expected.map((host) => `ip-of-${host} 4001`),
    );
  });

  it("leads to 16 addresses of a host at most, and 32 of a service", async () => {
    const names: Names = {
      addresses: async () => Array.from({ length: 100 }, (_, i) => `10.0.0.${i}`),
      services: async () => [target("a", 0, 0), target("b", 0, 0), target("c", 0, 0)],
    };
    assert.equal((await resolve("host:1", names)).addresses.length, 16);
    assert.equal((await resolve("srv:_atoll._tcp.x", names)).addresses.length, 32);
  });

  it("leads nowhere when its service is said not to be there, also where the host has addresses", async () => {
    assert.deepEqual(await resolve("example.org", service([target(".", 0, 0)])), { addresses: [], unresolved: [] });
  });

  it("leads to the targets that can be found when another can not", async () => {
    const names: Names = {
      addresses: async (host) => (host === "gone" ? Promise.reject(new Error("ENOTFOUND")) : ["10.0.0.1"]),
      services: async () => [target("gone", 0, 0), target("there", 0, 0)],
    };
    const found = await resolve("srv:_atoll._tcp.x", names);
    assert.deepEqual(found, { addresses: ["10.0.0.1 4001"], unresolved: ["gone"] });
  });
});

describe("names asked of a DNS server", { timeout: 20_000 }, () => {
  it("lead to the addresses of both families", async (test) => {
    const server = await DnsServer.start(test);
    server.addresses.set("west.example.org", ["10.0.0.1", "10.0.0.2", "fd00::1"]);
    const names = worldNames([server.address]);
    const { addresses } = await resolve("west.example.org:4007", names);
    assert.deepEqual([...addresses].sort(), ["10.0.0.1 4007", "10.0.0.2 4007", "fd00::1 4007"]);
  });

  it("lead to the targets of the service of a host without a port, else to its addresses", async (test) => {
    const server = await DnsServer.start(test);
    const names = worldNames([server.address]);
    server.addresses.set("example.org", ["10.0.0.9"]);
    assert.deepEqual((await resolve("example.org", names)).addresses, ["10.0.0.9 4001"]);
    server.services.set("_atoll._tcp.example.org", [{ target: "one.example.org", port: 5001 }]);
    server.addresses.set("one.example.org", ["10.0.0.1"]);
    assert.deepEqual((await resolve("example.org", names)).addresses, ["10.0.0.1 5001"]);
    assert.deepEqual((await resolve("srv:_atoll._tcp.example.org", names)).addresses, ["10.0.0.1 5001"]);
  });

  it("F15: are asked for anew each time, whatever lifetime the last answer had", async (test) => {
    const server = await DnsServer.start(test);
    const names = worldNames([server.address]);
    server.services.set("_atoll._tcp.example.org", [{ target: "one.example.org", port: 5001 }]);
    server.addresses.set("one.example.org", ["10.0.0.1"]);
    assert.deepEqual((await resolve("example.org", names)).addresses, ["10.0.0.1 5001"]);
    server.services.set("_atoll._tcp.example.org", [{ target: "one.example.org", port: 6001 }]);
    server.addresses.set("one.example.org", ["10.9.9.9"]);
    assert.deepEqual((await resolve("example.org", names)).addresses, ["10.9.9.9 6001"]);
  });

  it("that do not exist, or that nobody can say, are told", async (test) => {
    const server = await DnsServer.start(test);
    const names = worldNames([server.address]);
    assert.deepEqual(await resolve("srv:_atoll._tcp.nowhere", names), {
      addresses: [],
      unresolved: ["_atoll._tcp.nowhere"],
    });
    assert.deepEqual(await resolve("nowhere", names), { addresses: [], unresolved: ["nowhere"] });
    server.isSilent = true;
    assert.deepEqual(await resolve("nowhere:1", names), { addresses: [], unresolved: ["nowhere"] });
  });

  it("are not asked for where an address was given", async () => {
    const names = worldNames(["127.0.0.1:1"]);
    assert.deepEqual((await resolve("10.0.0.1", names)).addresses, ["10.0.0.1 4001"]);
    assert.deepEqual((await resolve("[::1]:7", names)).addresses, ["::1 7"]);
  });
});
