/** Laws of the stages that decide who is given to whom (contract A6 to A9). */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Availability } from "../../src/registry/matching/availability.ts";
import { traceDependency } from "../../src/registry/matching/explain.ts";
import { findRequiredCycle, type RequiredEdge } from "../../src/registry/matching/required-cycle.ts";
import { chooseProvider, compareOffers, findMatches, type Offer } from "../../src/registry/matching/resolve.ts";
import { schemaTest } from "../../src/registry/matching/schema-compatibility.ts";
import type { Dependency, JsonObject, TagConstraint } from "../../src/types/agent.ts";
import { aQuery } from "../unit/registry/fixtures.ts";
import { aDependency, anOffer, OfferBook, requires } from "../unit/registry/matching/offers.ts";

const name = fc.constantFrom("a", "b", "c", "d", "e");
const tag = fc.constantFrom("x", "y", "z");
const signedTag = fc.tuple(fc.constantFrom("", "+", "-"), tag).map((parts) => parts.join(""));
const tags: fc.Arbitrary<TagConstraint[]> = fc.array(fc.oneof(signedTag, fc.array(signedTag, { maxLength: 2 })), {
  maxLength: 3,
});
const version = fc.constantFrom("1.0.0", "1.2.0", "2.0.0", "latest");
const dependency = fc
  .record({ capability: name, tags, version: fc.constantFrom("", "", "^1", ">=1.1"), required: fc.boolean() })
  .map(({ capability, ...fields }) => aDependency(capability, fields));

const offers: fc.Arbitrary<Offer[]> = fc
  .array(
    fc.record({
      capability: name,
      version,
      tags: fc.uniqueArray(tag),
      health: fc.constantFrom("healthy", "healthy", "unhealthy"),
      dependencies: fc.array(dependency, { maxLength: 2 }),
    }),
    { maxLength: 12 },
  )
  .map((drawn) => drawn.map(({ capability, ...fields }, i) => anOffer(`agent-${i}`, capability, fields)));

describe("availability", () => {
  /** The definition, computed the slow way: from nobody available to as many as can be. */
  function availableBy(definition: readonly Offer[]): Set<Offer> {
    const available = new Set<Offer>();
    const canBeMet = (needed: Dependency) =>
      chooseProvider(
        [...available].filter(({ capability }) => capability.name === needed.capability),
        needed,
      ) !== null;
    for (let size = -1; size < available.size; ) {
      size = available.size;
      for (const offer of definition) {
        const isMet = offer.capability.dependencies.every((needed) => !needed.required || canBeMet(needed));
        if (offer.agent.health === "healthy" && isMet) available.add(offer);
      }
    }
    return available;
  }

  it("is what can be derived, in whatever order it is asked for", () => {
    fc.assert(
      fc.property(offers, fc.infiniteStream(fc.nat()), (held, order) => {
        const expected = availableBy(held);
        const availability = new Availability(new OfferBook(held).offersOf);
        const asked = held.map((offer) => ({ offer, at: order.next().value })).sort((a, b) => a.at - b.at);
        for (const { offer } of asked) {
          assert.equal(availability.reasonOf(offer) === undefined, expected.has(offer), offer.found.id);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("is never lost because somebody else comes along", () => {
    fc.assert(
      fc.property(offers, offers, (held, more) => {
        const isAvailable = (all: readonly Offer[]) => {
          const availability = new Availability(new OfferBook(all).offersOf);
          return held.map((offer) => availability.reasonOf(offer) === undefined);
        };
        const [before, after] = [isAvailable(held), isAvailable([...held, ...more])];
        for (const [i, was] of before.entries()) assert.ok(!was || after[i]);
      }),
    );
  });
});

describe("the choice of a provider", () => {
  it("is the first of what a lookup finds, and the one that its trace explains", () => {
    fc.assert(
      fc.property(offers, dependency, (all, asked) => {
        const held = all.filter(({ capability }) => capability.name === asked.capability).sort(compareOffers);
        const availability = new Availability(new OfferBook(all).offersOf);
        const reasonOf = (offer: Offer) => availability.reasonOf(offer);
        const isAvailable = (offer: Offer) => reasonOf(offer) === undefined;
        const chosen = chooseProvider(held, asked, { isAvailable });
        const [first] = findMatches(held, aQuery({ tags: asked.tags, version: asked.version }), { isAvailable }).agents;
        assert.equal(first?.id, chosen?.id);
        const trace = traceDependency(held, asked, { reasonOf });
        assert.equal(trace.chosen?.agent_id, chosen?.id);
        let entered = held.length;
        for (const { kept, evicted = [] } of trace.stages) {
          assert.equal(kept.length + evicted.length, entered, "nobody is lost between two stages");
          entered = kept.length;
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("cycles of required dependencies", () => {
  const edge = fc.tuple(name, name);
  const edges: fc.Arbitrary<RequiredEdge[]> = fc.array(edge, { maxLength: 8 });
  const follow = (graph: readonly RequiredEdge[]) => (from: string) =>
    graph.filter(([start]) => start === from).map(([, to]) => to);
  const reaches = (graph: readonly RequiredEdge[], from: string, to: string): boolean => {
    const seen = new Set(follow(graph)(from));
    for (const at of seen) for (const next of follow(graph)(at)) seen.add(next);
    return seen.has(to);
  };

  it("are found exactly when an own edge leads back to where it starts, and are cycles", () => {
    fc.assert(
      fc.property(edges, edges, (own, others) => {
        const cycle = findRequiredCycle(own, follow(others));
        const graph = [...own, ...others];
        assert.equal(
          cycle !== null,
          own.some(([from]) => reaches(graph, from, from)),
        );
        if (cycle === null) return;
        assert.equal(cycle[0], cycle.at(-1));
        for (const [at, from] of cycle.slice(0, -1).entries()) {
          assert.ok(graph.some(([start, to]) => start === from && to === cycle[at + 1]));
        }
        assert.equal(new Set(cycle).size, cycle.length - 1, "no name twice");
      }),
      { numRuns: 500 },
    );
  });

  it("are named alike in whatever order the edges come: replicas agree", () => {
    fc.assert(
      fc.property(edges, edges, (own, others) => {
        const reversed = findRequiredCycle([...own].reverse(), follow([...others].reverse()));
        assert.deepEqual(findRequiredCycle(own, follow(others)), reversed);
      }),
    );
  });
});

describe("schemas", () => {
  const type = fc.constantFrom("string", "integer", "number", "object", "array", "null");
  const schema: fc.Memo<JsonObject> = fc.memo((depth) =>
    fc
      .record(
        {
          type: fc.oneof(type, fc.uniqueArray(type, { maxLength: 3 })),
          properties: depth > 1 ? fc.dictionary(name, schema(depth - 1), { maxKeys: 3 }) : fc.constant({}),
          items: depth > 1 ? schema(depth - 1) : fc.constant({}),
        },
        { requiredKeys: [] },
      )
      .chain((drawn) => {
        const fields = Object.keys(drawn.properties ?? {});
        const required = fields.length === 0 ? fc.constant([]) : fc.subarray(fields);
        return required.map((required) => ({ ...drawn, required }) as JsonObject);
      }),
  );
  const fits = (expected: JsonObject, given: JsonObject) => {
    const producer = anOffer("p", "c", { outputSchemaCanonical: given, outputSchemaHash: "sha256:p" });
    const consumer = requires("c", {
      matchMode: "subset",
      expectedSchemaCanonical: expected,
      expectedSchemaHash: "sha256:c",
    });
    return schemaTest(consumer)!(producer.capability);
  };

  it("fit themselves, and whoever expects nothing", () => {
    fc.assert(
      fc.property(schema(3), (given) => {
        assert.equal(fits(given, given), true);
        assert.equal(fits({}, given), true);
      }),
    );
  });

  it("that fit still do when less is required", () => {
    fc.assert(
      fc.property(schema(3), schema(3), (expected, given) => {
        if (!fits(expected, given)) return;
        const { required: _, ...relaxed } = expected;
        assert.equal(fits(relaxed, given), true);
      }),
    );
  });
});
