import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import { DecodeError, pack, unpack } from "../../../src/network/codec.ts";
import {
  dialerHello,
  type Hello,
  type HelloIdentity,
  type HelloOutcome,
  type HelloTerms,
  responderHello,
} from "../../../src/network/hello.ts";
import { asClusterId, asFederationId, asNodeId, asNodeName, asRegionId } from "../../../src/types/ids.ts";

const DIALER = asNodeId("12D3KooDialer");
const RESPONDER = asNodeId("12D3KooResponder");

const identity = (more: Partial<HelloIdentity> = {}): HelloIdentity => ({
  federation: asFederationId("fed"),
  region: asRegionId("us-east"),
  name: asNodeName("us-east-1"),
  cluster: null,
  http: "http://us-east-1:8000",
  addresses: ["us-east-1:4001"],
  ...more,
});

const terms = (more: Partial<HelloTerms> = {}): HelloTerms => ({
  self: DIALER,
  peer: RESPONDER,
  identity: identity(),
  versions: { min: 1, max: 1 },
  psk: Buffer.from("secret"),
  nonce: new Uint8Array(randomBytes(32)),
  ...more,
});

const dialer = (more: Partial<HelloTerms> = {}) => dialerHello(terms(more));
const responder = (more: Partial<HelloTerms> = {}) => responderHello(terms({ self: RESPONDER, peer: DIALER, ...more }));

/** Carries messages to and fro until neither side has more to say. */
function exchange(left: Hello, right: Hello): { outcomes: (HelloOutcome | null)[]; messages: Uint8Array[] } {
  const outcomes: (HelloOutcome | null)[] = [null, null];
  const messages: Uint8Array[] = [];
  let message = left.opening;
  for (let turn = 1; message !== null; turn = 1 - turn) {
    messages.push(message);
    const step = [left, right][turn]!.receive(message);
    outcomes[turn] ??= step.outcome;
    message = step.send;
  }
  return { outcomes, messages };
}

function refusalOf(left: Hello, right: Hello): string {
  const { outcomes } = exchange(left, right);
  const [a, b] = outcomes;
  assert.ok(a?.type === "refused" && b?.type === "refused", "both sides know of the refusal");
  assert.equal(a.code, b.code);
  assert.deepEqual(new Set([a.by, b.by]), new Set(["us", "them"]));
  return a.code;
}

describe("hello", () => {
  it("admits both sides and tells each who the other is", () => {
    const theirs = identity({
      region: asRegionId("eu-west"),
      name: asNodeName("eu-west-1"),
      cluster: asClusterId("c2"),
    });
    const { outcomes } = exchange(dialer(), responder({ identity: theirs }));
    assert.deepEqual(outcomes[0], { type: "admitted", identity: theirs, version: 1 });
    assert.deepEqual(outcomes[1], { type: "admitted", identity: identity(), version: 1 });
  });

  it("agrees on the highest version both know", () => {
    const { outcomes } = exchange(
      dialer({ versions: { min: 1, max: 3 } }),
      responder({ versions: { min: 2, max: 5 } }),
    );
    assert.ok(outcomes[0]?.type === "admitted" && outcomes[0].version === 3);
  });

  it("refuses a version that only one side knows", () => {
    assert.equal(
      refusalOf(dialer({ versions: { min: 1, max: 1 } }), responder({ versions: { min: 2, max: 3 } })),
      "PROTOCOL_VERSION",
    );
  });

  it("P11: refuses another key", () => {
    assert.equal(refusalOf(dialer({ psk: Buffer.from("other") }), responder()), "WRONG_KEY");
  });

  it("P11: while the key is replaced, nodes with the old, both and the new one agree as they should", () => {
    const [old, next] = [Buffer.from("old"), Buffer.from("next")];
    const states = {
      before: { psk: old },
      prepared: { psk: old, alsoAccepted: [next] },
      changed: { psk: next, alsoAccepted: [old] },
      after: { psk: next },
    };
    const agree = (a: keyof typeof states, b: keyof typeof states) =>
      exchange(dialer(states[a]), responder(states[b])).outcomes.every((outcome) => outcome?.type === "admitted");
    const steps = ["before", "prepared", "changed", "after"] as const;
    for (const [i, step] of steps.entries()) {
      const following = steps[i + 1] ?? step;
      assert.ok(agree(step, step) && agree(step, following) && agree(following, step), `${step} and ${following}`);
    }
    assert.ok(agree("changed", "before"), "the dialer proves the key that the responder has shown to know");
    assert.equal(agree("before", "after"), false);
    assert.equal(agree("after", "before"), false);
  });

  it("P11: an empty key does not pass for a key", () => {
    assert.equal(refusalOf(dialer({ psk: new Uint8Array(0) }), responder()), "WRONG_KEY");
    assert.equal(
      exchange(dialer({ psk: new Uint8Array(0) }), responder({ psk: new Uint8Array(0) })).outcomes[0]?.type,
      "admitted",
    );
  });

  it("P11, F17: refuses another federation, with the right key", () => {
    assert.equal(
      refusalOf(dialer({ identity: identity({ federation: asFederationId("other") }) }), responder()),
      "WRONG_FEDERATION",
    );
  });

  it("F17: refuses a region of the same name that was founded apart", () => {
    const ours = identity({ cluster: asClusterId("c1") });
    const theirs = identity({ cluster: asClusterId("c2") });
    assert.equal(refusalOf(dialer({ identity: ours }), responder({ identity: theirs })), "WRONG_CLUSTER");
  });

  it("admits a node whose region is not founded yet", () => {
    const { outcomes } = exchange(dialer(), responder({ identity: identity({ cluster: asClusterId("c1") }) }));
    assert.equal(outcomes[0]?.type, "admitted");
  });

  it("tells no name to who has not proved the key", () => {
    const { messages } = exchange(dialer(), responder({ psk: Buffer.from("other") }));
    for (const message of messages) {
      const said = Buffer.from(message).toString("latin1");
      for (const secret of ["fed", "us-east", "8000", "4001", "secret"]) assert.ok(!said.includes(secret), said);
    }
  });

  it("does not take a proof that was made for another connection", () => {
    const good = responder();
    const challenge = good.receive(dialer().opening!).send!;
    const [, min, max, , proof] = unpack(challenge) as unknown[];
    const replayed = pack([2, min, max, new Uint8Array(32), proof]);
    const victim = dialer();
    assert.deepEqual(victim.receive(replayed).outcome, { type: "refused", by: "us", code: "WRONG_KEY" });
  });

  it("does not take its own proof back", () => {
    // A stranger who answers a dialer with what the dialer's own responder side says, under the stranger's name.
    const mirror = responderHello(terms({ self: DIALER, peer: RESPONDER }));
    const victim = dialer();
    const reflected = mirror.receive(victim.opening!).send!;
    assert.deepEqual(victim.receive(reflected).outcome, { type: "refused", by: "us", code: "WRONG_KEY" });
  });

  it("refuses messages out of turn", () => {
    assert.throws(() => responder().receive(pack([3, new Uint8Array(32), []])), DecodeError);
    assert.throws(() => dialer().receive(pack([4, []])), DecodeError);
    const twice = responder();
    twice.receive(dialer().opening!);
    assert.throws(() => twice.receive(dialer().opening!), DecodeError);
  });

  const malformed: readonly (readonly [string, unknown])[] = [
    ["a nonce that is too short", [1, 1, 1, new Uint8Array(31)]],
    ["a version that is no integer", [1, "1", 1, new Uint8Array(32)]],
    ["a missing field", [1, 1, 1]],
    ["a map", { 0: 1 }],
    ["a refusal with an invented code", [5, "BECAUSE"]],
  ];
  for (const [what, message] of malformed) {
    it(`refuses ${what}`, () => assert.throws(() => responder().receive(pack(message)), DecodeError));
  }

  const identities: readonly (readonly [string, Partial<Record<keyof HelloIdentity, unknown>>])[] = [
    ["an empty region", { region: "" }],
    ["a name of 129 characters", { name: "n".repeat(129) }],
    ["a name with a line break", { name: "a\nb" }],
    ["17 addresses", { addresses: Array.from({ length: 17 }, () => "a:1") }],
    ["an address that is a number", { addresses: [1] }],
  ];
  for (const [what, more] of identities) {
    it(`refuses an identity with ${what}`, () => {
      const sloppy = dialer({ identity: { ...identity(), ...more } as HelloIdentity });
      assert.throws(() => exchange(sloppy, responder()), DecodeError);
    });
  }
});
