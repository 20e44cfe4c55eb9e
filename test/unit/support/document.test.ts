import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anchorsOf, type Block, blocksOf, linksOf } from "../../support/document.ts";
import { assertPrinted } from "../../support/document-commands.ts";

const PAGE = [
  "# The `first` one, and more",
  "See [there](other.md#here), not `[code](no.md)`, ![a picture](p.png).",
  "",
  "```sh",
  "run [this](not-a-link.md)",
  "# no heading",
  "```",
  "",
  "```text",
  "shown",
  "```",
  "Between.",
  "- in a list",
  "",
  "  ```json",
  "  {}",
  "  ```",
  "## Again",
  "## Again",
].join("\n");

describe("a page", () => {
  it("has blocks with their lines, and tells which stand right below another", () => {
    assert.deepEqual(blocksOf(PAGE), [
      { language: "sh", text: "run [this](not-a-link.md)\n# no heading", line: 5, followsBlock: false },
      { language: "text", text: "shown", line: 10, followsBlock: true },
      { language: "json", text: "{}", line: 16, followsBlock: false },
    ]);
  });

  it("has links and pictures outside of code", () => {
    assert.deepEqual(
      linksOf(PAGE).map(({ target, line }) => `${line} ${target}`),
      ["2 other.md#here", "2 p.png"],
    );
  });

  it("has an anchor for each heading, numbered where two are called the same", () => {
    assert.deepEqual([...anchorsOf(PAGE)], ["the-first-one-and-more", "again", "again-1"]);
  });
});

describe("what a page shows of an answer", () => {
  const block = (language: string, text: string): Block => ({ language, text, line: 7, followsBlock: true });
  const text = (printed: string, shown: string) => () => assertPrinted(printed, block("text", shown), "a.md:7");
  const json = (printed: string, shown: string) => () => assertPrinted(printed, block("json", shown), "a.md:7");

  it("is some of its lines in order, whatever the spaces, with anything for …", () => {
    assert.doesNotThrow(text("one  1\ntwo\nthree (3)", "one …\nthree (3)"));
    assert.throws(text("one\ntwo", "two\none"), /a\.md:8: "one" is not there/);
    assert.throws(text("one more", "one"), /a\.md:7: "one" is not there/);
    assert.throws(text("axb", "a.b"), /is not there/);
  });

  it("is some of its properties, with anything for …", () => {
    assert.doesNotThrow(json('{"a":1,"b":[{"c":2,"d":3}]}', '{"b":[{"c":"…"}]}'));
    assert.throws(json('{"a":1}', '{"a":2}'), /a\.md:7: the answer\.a is 1, not 2/);
    assert.throws(json('{"a":[]}', '{"a":[1]}'), /the answer\.a\.0 is undefined, not 1/);
    assert.throws(json('{"a":null}', '{"a":{"b":1}}'), /the answer\.a is null/);
  });
});
