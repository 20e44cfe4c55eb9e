import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  findRequiredCycle,
  REACHED_EDGES_MAX,
  type RequiredEdge,
} from "../../../../src/registry/matching/required-cycle.ts";

/** Edges as text: `"a>b b>c"`. */
function edges(text: string): RequiredEdge[] {
  return text
    .split(" ")
    .filter((part) => part !== "")
    .map((part) => part.split(">") as [string, string]);
}

function cycle(own: string, others = ""): string | null {
  const held = edges(others);
  const requiredBy = (name: string) => held.filter(([from]) => from === name).map(([, to]) => to);
  return findRequiredCycle(edges(own), requiredBy)?.join(" → ") ?? null;
}

describe("findRequiredCycle (contract A8)", () => {
  it("finds nothing where nothing leads back", () => {
    assert.equal(cycle(""), null);
    assert.equal(cycle("a>b b>c", "c>d"), null);
    assert.equal(cycle("a>b a>c", "b>d c>d"), null);
  });

  // Each of these was put to mcp-mesh-registry 3.7.1, which answered with the same names.
  it("names the loop from its smallest name, as the real registry does", () => {
    assert.equal(cycle("kb>ka", "ka>kb"), "ka → kb → ka");
    assert.equal(cycle("kz>kz"), "kz → kz");
    assert.equal(cycle("k0>ka kb>kc kb>ka", "ka>kb"), "ka → kb → ka");
    assert.equal(cycle("Zz>Zy Zy>Zx Zx>Zz Zx>Zy"), "Zx → Zy → Zx");
  });

  it("finds a loop through the edges of others, and leads in to none", () => {
    assert.equal(cycle("c>a", "a>b b>c x>a"), "a → b → c → a");
    assert.equal(cycle("x>a", "a>b"), null);
  });

  it("takes the shortest of several, and the same one in whatever order the edges come", () => {
    const others = edges("a>b b>c c>z a>m m>z");
    for (const held of [others, [...others].reverse()]) {
      const requiredBy = (name: string) => held.filter(([from]) => from === name).map(([, to]) => to);
      assert.deepEqual(findRequiredCycle(edges("z>a z>q"), requiredBy), ["a", "m", "z", "a"]);
    }
  });

  it("takes the one of the smallest names among equally short ones", () => {
    for (const [own, others] of [
      ["s>y s>x", "y>s x>s"],
      ["s>x s>y", "x>s y>s"],
    ] as const) {
      assert.equal(cycle(own, others), "s → x → s");
    }
    assert.equal(cycle("d>c b>a", "c>d a>b"), "a → b → a");
    assert.equal(cycle("b>a d>c", "a>b c>d"), "a → b → a");
  });

  it("takes names for names, whatever the language thinks of them", () => {
    assert.equal(cycle("constructor>__proto__", "__proto__>constructor"), "__proto__ → constructor → __proto__");
  });

  it("finds the way back through a chain as long as the bound, and looks no further", () => {
    const chain = (length: number) => (name: string) => (Number(name) < length ? [`${Number(name) + 1}`] : []);
    const end = REACHED_EDGES_MAX - 1;
    assert.equal(findRequiredCycle([[`${end}`, "0"]], chain(end))?.length, end + 2);
    assert.equal(findRequiredCycle([[`${end + 1}`, "0"]], chain(end + 1)), null);
  });

  it("stops reading edges that have no end", () => {
    let read = 0;
    function* endless() {
      for (;;) yield `${read++}`;
    }
    assert.equal(findRequiredCycle([["a", "b"]], endless), null);
    assert.ok(read <= 2 * REACHED_EDGES_MAX);
  });
});
