/** The reasons were read from mcp-mesh-registry 3.7.1 for the same agents. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Availability, JUDGING_STEPS_MAX, NOT_JUDGED } from "../../../../src/registry/matching/availability.ts";
import type { Offer } from "../../../../src/registry/matching/resolve.ts";
import type { Dependency } from "../../../../src/types/agent.ts";
import { aDependency, anOffer, OfferBook, requires } from "./offers.ts";

function judge(offers: readonly Offer[], options?: ConstructorParameters<typeof Availability>[1]) {
  const availability = new Availability(new OfferBook(offers).offersOf, options);
  return (offer: Offer) => availability.reasonOf(offer);
}

const needing = (...names: string[]) => ({ dependencies: names.map((name) => requires(name)) });

describe("Availability (contract A8)", () => {
  it("is a healthy agent's whose capability requires nothing", () => {
    const reasonOf = judge([]);
    assert.equal(reasonOf(anOffer("a", "A")), undefined);
    assert.equal(reasonOf(anOffer("a", "A", { dependencies: [aDependency("nobody")] })), undefined);
    assert.equal(reasonOf(anOffer("a", "A", { health: "unhealthy" })), "agent unhealthy");
  });

  it("asks nobody about offers that require nothing", () => {
    const availability = new Availability(() => assert.fail("asked for offers"));
    for (let i = 0; i < 3; i++) assert.equal(availability.reasonOf(anOffer("a", "A")), undefined);
  });

  it("needs every requirement met, through all levels", () => {
    const [a, b, c] = [anOffer("a", "A", needing("B")), anOffer("b", "B", needing("C")), anOffer("c", "C")];
    assert.equal(judge([a, b, c])(a), undefined);
    const reasonOf = judge([a, b]);
    assert.equal(reasonOf(a), "required dep 'B' unavailable (provider b unavailable)");
    assert.equal(reasonOf(b), "required dep 'C' unresolved");
  });

  it("is met by any one of the providers, the agent's own other capability included", () => {
    const a = anOffer("a", "A", needing("B"));
    assert.equal(judge([a, anOffer("b1", "B", needing("nobody")), anOffer("b2", "B")])(a), undefined);
    assert.equal(judge([a, anOffer("a:g", "B")])(a), undefined);
  });

  it("names the first requirement that is not met, in the order of declaration", () => {
    const a = anOffer("a", "A", needing("B", "C", "D"));
    assert.equal(judge([a, anOffer("b", "B")])(a), "required dep 'C' unresolved");
  });

  const REASONS: readonly (readonly [
    about: string,
    needed: Dependency,
    providers: readonly Offer[],
    reason: string,
  ])[] = [
    ["nobody offers it", requires("B"), [], "required dep 'B' unresolved"],
    [
      "nobody offers it, and it is constrained in every way",
      requires("B", { tags: ["a", ["x", "y"], "b", "+p"], version: ">=2.0.0", matchMode: "subset" }),
      [],
      "required dep 'B' unresolved (no provider matches tags=[a b +p], version >=2.0.0, schema=subset)",
    ],
    [
      "only alternatives of tags are asked for, which are not told",
      requires("B", { tags: [["x", "y"]] }),
      [anOffer("b", "B")],
      "required dep 'B' unresolved",
    ],
    [
      "the only provider is down",
      requires("B"),
      [anOffer("b", "B", { health: "unhealthy" })],
      "required dep 'B' unavailable (provider b unhealthy)",
    ],
    [
      "one is down and one lacks something: the one that is down is told",
      requires("B"),
      [anOffer("b1", "B", needing("nobody")), anOffer("b2", "B", { health: "unhealthy" })],
      "required dep 'B' unavailable (provider b2 unhealthy)",
    ],
    [
      "several lack something: the one that would be chosen is told",
      requires("B"),
      [anOffer("b1", "B", { ...needing("nobody"), version: "2.0.0" }), anOffer("b2", "B", needing("nobody"))],
      "required dep 'B' unavailable (provider b1 unavailable)",
    ],
    [
      "the provider that is down would not have matched",
      requires("B", { tags: ["t"], version: "^2" }),
      [
        anOffer("b1", "B", { health: "unhealthy", tags: ["t"] }),
        anOffer("b2", "B", { health: "unhealthy", version: "2.0.0" }),
      ],
      "required dep 'B' unresolved (no provider matches tags=[t], version ^2)",
    ],
    [
      "the schema does not fit, which is told as unavailable",
      requires("B", { matchMode: "strict", expectedSchemaHash: "sha256:1" }),
      [anOffer("b", "B", { outputSchemaHash: "sha256:2" })],
      "required dep 'B' unavailable (provider b unavailable)",
    ],
  ];
  for (const [about, needed, providers, reason] of REASONS) {
    it(`gives the reason when ${about}`, () => {
      const a = anOffer("a", "A", { dependencies: [needed] });
      assert.equal(judge([a, ...providers])(a), reason);
    });
  }

  it("matches requirements by tags, version and schema, as consumers are matched", () => {
    const fitting = { tags: ["t"], version: "2.1.0", outputSchemaHash: "sha256:1" };
    const dependencies = [
      requires("B", { tags: ["t"], version: "^2", matchMode: "strict", expectedSchemaHash: "sha256:1" }),
    ];
    const a = anOffer("a", "A", { dependencies });
    assert.equal(judge([a, anOffer("b", "B", fitting)])(a), undefined);
    for (const misfit of [{ tags: [] }, { version: "1.0.0" }, { outputSchemaHash: "sha256:2" }]) {
      assert.notEqual(judge([a, anOffer("b", "B", { ...fitting, ...misfit })])(a), undefined);
    }
  });

  it("is met by another region that has a provider, asked once", () => {
    const a = anOffer("a", "A", needing("B"));
    const asked: string[] = [];
    const isOfferedElsewhere = ({ capability }: Dependency) => asked.push(capability) > 0;
    const reasonOf = judge([a], { isOfferedElsewhere });
    assert.equal(reasonOf(a), undefined);
    assert.equal(reasonOf(anOffer("a2", "A", needing("B"))), undefined);
    assert.deepEqual(asked, ["B"]);
  });

  it("judges a capability once, however many times an offer is made of it", () => {
    const a = anOffer("a", "A", needing("B"));
    let looks = 0;
    const availability = new Availability(() => {
      looks++;
      return [];
    });
    for (let i = 0; i < 3; i++) assert.equal(availability.reasonOf({ ...a }), "required dep 'B' unresolved");
    assert.equal(looks, 2, "to find out, and to say why");
  });

  it("remembers until it is told to forget", () => {
    const book = new OfferBook([]);
    const availability = new Availability(book.offersOf);
    const a = anOffer("a", "A", needing("B"));
    assert.equal(availability.reasonOf(a), "required dep 'B' unresolved");
    book.add(anOffer("b", "B"));
    assert.equal(availability.reasonOf(a), "required dep 'B' unresolved");
    availability.forget();
    assert.equal(availability.reasonOf(a), undefined);
  });
});

describe("Availability of what should not exist", () => {
  it("ends in a cycle: nobody in it is available, but whoever has a way out is", () => {
    const [a, b] = [anOffer("a", "A", needing("B")), anOffer("b", "B", needing("A"))];
    const reasonOf = judge([a, b]);
    assert.equal(reasonOf(a), "required dep 'B' unavailable (provider b unavailable)");
    assert.equal(reasonOf(b), "required dep 'A' unavailable (provider a unavailable)");
    const self = anOffer("s", "S", needing("S"));
    assert.notEqual(judge([self])(self), undefined);
  });

  it("gives one answer in a cycle with a way out, whoever is asked about first", () => {
    const [a, b1, b2] = [anOffer("a", "A", needing("B")), anOffer("b1", "B", needing("A")), anOffer("b2", "B")];
    for (const order of [
      [a, b1, b2],
      [b1, a, b2],
      [b2, b1, a],
    ]) {
      assert.deepEqual(order.map(judge([a, b1, b2])), [undefined, undefined, undefined]);
    }
  });

  it("follows a chain of 10,000 capabilities", () => {
    const length = 10_000;
    const chain = Array.from({ length }, (_, i) => anOffer(`a${i}`, `c${i}`, needing(`c${i + 1}`)));
    assert.equal(judge([...chain, anOffer("end", `c${length}`)])(chain[0]!), undefined);
    assert.equal(judge(chain)(chain[0]!), "required dep 'c1' unavailable (provider a1 unavailable)");
  });

  it("looks for what 10,000 replicas require once", () => {
    const replicas = Array.from({ length: 10_000 }, (_, i) => anOffer(`x${i}`, "X", needing("Y")));
    const book = new OfferBook([
      ...replicas,
      ...replicas.map((_, i) => anOffer(`y${i}`, "Y", { health: "unhealthy" })),
    ]);
    let looks = 0;
    const availability = new Availability((name) => {
      looks++;
      return book.offersOf(name);
    });
    for (const replica of replicas) assert.notEqual(availability.reasonOf(replica), undefined);
    assert.equal(looks, 2, "to find out, and to say why");
  });

  it("gives up, and says so, when there is more to look at than it may, and judges again after a change", () => {
    const count = 2_000;
    const users = Array.from({ length: count }, (_, i) =>
      anOffer(`x${i}`, "X", { dependencies: [requires("Y", { tags: [`t${i}`] })] }),
    );
    const book = new OfferBook([...users, ...users.map((_, i) => anOffer(`y${i}`, "Y"))]);
    const availability = new Availability(book.offersOf);
    const reasons = users.map((user) => availability.reasonOf(user));
    // Each looks at every provider to find out, and again to say why.
    const judged = reasons.indexOf(NOT_JUDGED);
    assert.ok(judged > 0 && judged <= JUDGING_STEPS_MAX / (2 * count));
    assert.ok(reasons.slice(judged).every((reason) => reason === NOT_JUDGED));
    availability.forget();
    assert.equal(
      availability.reasonOf(users.at(-1)!),
      `required dep 'Y' unresolved (no provider matches tags=[t${count - 1}])`,
    );
  });
});
