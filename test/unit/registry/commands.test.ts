import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decode, encode } from "../../../src/registry/codec.ts";
import { type Command, decodeCommand, encodeCommand } from "../../../src/registry/commands.ts";
import { asClusterId, asRegionId } from "../../../src/types/ids.ts";
import { agentId, aRecord } from "./fixtures.ts";

const COMMANDS: readonly Command[] = [
  { kind: "register", id: agentId(1), record: aRecord(), atMs: 1_700_000_000_000, agentsMax: 10, eventsMax: 100 },
  { kind: "deregister", id: agentId(1), mode: "keep", incarnation: null, atMs: 1, eventsMax: 100 },
  { kind: "deregister", id: agentId(1), mode: "purge", incarnation: 7, atMs: 1, eventsMax: 100 },
  { kind: "expire", leases: [[agentId(1), 7]], atMs: 1, eventsMax: 100 },
  { kind: "purge", agents: [[agentId(1), 9]], atMs: 1 },
  { kind: "setRegionKey", wrapped: Uint8Array.of(1, 2, 3) },
  {
    kind: "replaceRegionKey",
    replaces: Uint8Array.of(1, 2, 3),
    wrapped: Uint8Array.of(4, 5),
    succession: { previous: "01", next: "02", signature: "03" },
    successionsMax: 16,
  },
  {
    kind: "retireRegion",
    retirement: { region: asRegionId("west"), cluster: "c1", publicKey: "01", atMs: 1 },
    retirementsMax: 64,
  },
  { kind: "admitRegion", region: asRegionId("west") },
  {
    kind: "setFarewell",
    farewell: {
      region: asRegionId("west"),
      cluster: asClusterId("c1"),
      publicKey: "02",
      successions: [{ previous: "01", next: "02", signature: "03" }],
      signature: "04",
    },
  },
  {
    kind: "register",
    id: agentId(1),
    record: aRecord(),
    atMs: 1,
    agentsMax: 10,
    eventsMax: 100,
    guard: { namespaces: ["default"], entity: "corp", overrides: false },
  },
  {
    kind: "deregister",
    id: agentId(1),
    mode: "purge",
    incarnation: null,
    atMs: 1,
    eventsMax: 100,
    guard: { namespaces: null, entity: null, overrides: true },
  },
  { kind: "setExport", policy: ["*", "!private"] },
  { kind: "rotate", entityId: null, atMs: 1, eventsMax: 100 },
  { kind: "rotate", entityId: "entity", atMs: 1, eventsMax: 100 },
  { kind: "setDraining", isDraining: true },
  {
    kind: "createToken",
    token: {
      id: "0a1b2c",
      sha256: "ab".repeat(32),
      role: "agent",
      namespaces: ["a"],
      description: "",
      expiresAtMs: 5,
      createdAtMs: 1,
      createdBy: "auth-token",
      revokedAtMs: null,
    },
    tokensMax: 10,
  },
  { kind: "revokeToken", id: "0a1b2c", atMs: 1 },
  { kind: "rewrapRegionKey", replaces: Uint8Array.of(1), wrapped: Uint8Array.of(2) },
  {
    kind: "audit",
    id: agentId(1),
    incarnation: 7,
    entries: [
      { functionName: "f", position: 0, type: "dependency_resolved", data: { chosen: "a" } },
      { functionName: "f", position: 1, type: "dependency_unresolved", data: {} },
    ],
    atMs: 1,
    eventsMax: 100,
  },
];
/** They were written without a bound of events once: how many fields have been added since, that one among them. */
const OLDER: Readonly<Record<string, number>> = { register: 2, deregister: 2, expire: 1 };

describe("commands", () => {
  for (const command of COMMANDS) {
    it(`come back as they went: ${command.kind}`, () => {
      assert.deepEqual(decodeCommand(encodeCommand(command)), command);
    });

    it(`may have fields appended by a newer node: ${command.kind}`, () => {
      const fields = decode(encodeCommand(command)) as unknown[];
      assert.deepEqual(decodeCommand(encode([...fields, "new", { field: true }])), command);
    });

    it(`are not understood with a field missing: ${command.kind}`, () => {
      const fields = decode(encodeCommand(command)) as unknown[];
      assert.equal(decodeCommand(encode(fields.slice(0, -1 - (OLDER[command.kind] ?? 0)))), null);
    });
  }

  for (const command of COMMANDS.filter(({ kind, ...fields }) => kind in OLDER && !("guard" in fields))) {
    it(`that an older node wrote keep no events: ${command.kind}`, () => {
      const fields = decode(encodeCommand(command)) as unknown[];
      assert.deepEqual(decodeCommand(encode(fields.slice(0, -(OLDER[command.kind] ?? 0)))), {
        ...command,
        eventsMax: 0,
      });
    });
  }

  it("of an unknown kind, damaged, or of another shape are not understood, and never throw", () => {
    const strange = [
      encode([99, "future"]),
      encode({ kind: "register" }),
      encode([1, "id", { capabilities: [{}] }, 1, 1]),
      encode([3, [["id"]], 1]),
      encode([2, "id", 5, null, 1]),
      Uint8Array.of(),
      Uint8Array.of(0xc1),
      Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff),
      encodeCommand(COMMANDS[0]!).subarray(0, 20),
    ];
    for (const bytes of strange) assert.equal(decodeCommand(bytes), null);
  });
});
