import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AddressList, isLoopbackAddress } from "../../../src/util/address-list.ts";

describe("a list of networks", () => {
  const list = new AddressList(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]);

  it("has the addresses of its networks, also as they come over an IPv6 socket", () => {
    for (const address of ["10.1.2.3", "::ffff:10.1.2.3", "192.0.2.7", "2001:db8::1"])
      assert.ok(list.has(address), address);
    for (const address of ["11.0.0.1", "192.0.2.8", "2001:db9::1", "", "localhost", "::ffff:11.0.0.1"]) {
      assert.ok(!list.has(address), address);
    }
  });

  it("refuses what is no network", () => {
    for (const bad of ["10.0.0.0/33", "10.0.0/8", "2001:db8::/129", "host", "10.0.0.0/-1", "10.0.0.0/"]) {
      assert.throws(() => new AddressList([bad]), RangeError, bad);
    }
  });

  it("knows this machine's own addresses", () => {
    assert.deepEqual(["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "10.0.0.1"].map(isLoopbackAddress), [
      true,
      true,
      true,
      true,
      false,
    ]);
  });
});
