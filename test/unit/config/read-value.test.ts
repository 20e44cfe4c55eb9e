import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatSetting } from "../../../src/config/format-value.ts";
import { readValue } from "../../../src/config/read-value.ts";
import { OPTION_BY_PATH } from "../../../src/config/table.ts";

function read(path: string, raw: unknown): unknown {
  return readValue(raw, OPTION_BY_PATH.get(path)!.facts);
}

describe("durations", () => {
  const duration = (raw: unknown) => read("registry.retentionMs", raw);

  it("are read in ms, s, m, h and d, alone and in sums", () => {
    assert.deepEqual(
      ["500ms", "30s", "5m", "1h", "2d", "1h30m", "1.5s"].map(duration),
      [500, 30_000, 300_000, 3_600_000, 172_800_000, 5_400_000, 1_500],
    );
  });

  it("are milliseconds when they are bare numbers, as text and in files", () => {
    assert.deepEqual(["250", 250, " 250 "].map(duration), [250, 250, 250]);
  });

  it("stay as they are when they are not durations, for the schema to refuse", () => {
    for (const raw of ["", "s", "5 m", "5x", "m5", "1h-5m", "5m!", "0x10", "1e3", null, true])
      assert.equal(duration(raw), raw);
  });
});

describe("sizes", () => {
  it("are read in bytes, KiB, MiB and GiB", () => {
    const raws = ["512", "64KiB", "1MiB", "2gib", "7b"];
    assert.deepEqual(
      raws.map((raw) => read("registry.recordBytesMax", raw)),
      [512, 65_536, 1_048_576, 2_147_483_648, 7],
    );
  });
});

describe("addresses", () => {
  const addresses = (raw: unknown) => read("network.advertise", raw);

  it("are separated by commas, with the default port where none is said", () => {
    assert.deepEqual(addresses("registry-west.global, 10.0.0.1:5 ,[::1],[fe80::1]:7,"), [
      { host: "registry-west.global", port: 4001 },
      { host: "10.0.0.1", port: 5 },
      { host: "::1", port: 4001 },
      { host: "fe80::1", port: 7 },
    ]);
  });

  it("are an empty list by the word none, and a list in a file", () => {
    assert.deepEqual(addresses("none"), []);
    assert.deepEqual(addresses(["a:1", "b"]), [
      { host: "a", port: 1 },
      { host: "b", port: 4001 },
    ]);
  });

  it("with a scheme, a path or two ports are none", () => {
    for (const raw of ["http://west:1", "west/x", "west:1:2", "a@b", "west:port"])
      assert.deepEqual(addresses(raw), [raw]);
  });
});

describe("what is on or off", () => {
  it("is said by either word, and by those of other programs", () => {
    const raws = ["on", "true", "Yes", "1", true, "off", "FALSE", "no", "0", false];
    assert.deepEqual(
      raws.map((raw) => read("network.mdns", raw)),
      [true, true, true, true, true, false, false, false, false, false],
    );
  });

  it("is nothing else", () => {
    for (const raw of ["", "maybe", "2", 1]) assert.equal(read("network.mdns", raw), raw);
  });
});

describe("peers", () => {
  it("stay as they were written: where they lead is looked up at each attempt", () => {
    const written = ["registry-west.global", "10.0.0.1:5", "[fe80::1]:7", "srv:_atoll._tcp.example.org"];
    assert.deepEqual(read("network.peers", `${written.join(", ")},`), written);
    assert.deepEqual(read("network.peers", written), written);
    assert.deepEqual(read("network.peers", "none"), []);
  });
});

describe("members and pins", () => {
  it("are names with addresses, and names with keys", () => {
    assert.deepEqual(read("node.members", "a@h:1,b@[::1]"), [
      { name: "a", host: "h", port: 1 },
      { name: "b", host: "::1", port: 4001 },
    ]);
    assert.deepEqual(read("federation.pins", "west=ab,north=cd"), { west: "ab", north: "cd" });
  });

  it("without a name are handed on as they are", () => {
    assert.deepEqual(read("node.members", "h:1,@h:1"), ["h:1", "@h:1"]);
  });
});

describe("what is printed", () => {
  it("can be read again, but for secrets", () => {
    const texts = {
      "network.peers": "a:1,[::1]:2,srv:_atoll._tcp.example.org",
      "network.mdns": "on",
      "network.dnsServers": "10.0.0.53:53,[::1]:5353",
      "network.advertise": "none",
      "node.members": "a@h:1,b@[::1]:2",
      "federation.pins": "west=ab",
      "federation.export": "*,!payroll",
      "http.port": "8000",
    };
    for (const [path, text] of Object.entries(texts)) {
      assert.equal(formatSetting({ option: OPTION_BY_PATH.get(path)!, value: read(path, text) }), text);
    }
    const option = OPTION_BY_PATH.get("network.encryptionKey")!;
    assert.equal(formatSetting({ option, value: "do not show this" }), "[secret]");
  });
});
