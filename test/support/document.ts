/** What tests read in a Markdown page: its fenced blocks, its links, and what can be linked to in it. */

/** A fenced block. */
export interface Block {
  readonly language: string;
  readonly text: string;
  /** Of the first line of its text, from 1. */
  readonly line: number;
  /** Nothing but empty lines stands between it and the block before. */
  readonly followsBlock: boolean;
}

export interface Link {
  readonly target: string;
  readonly line: number;
}

const FENCE = /^( *)```(\w*)\s*$/;

/** The fenced blocks of a page, in order. Those in lists are there without their indentation. */
export function blocksOf(page: string): Block[] {
  const blocks: Block[] = [];
  let open: { indent: string; language: string; line: number; lines: string[] } | undefined;
  let followsBlock = false;
  for (const [i, line] of page.split("\n").entries()) {
    const [, indent = "", language = ""] = FENCE.exec(line) ?? [];
    if (!FENCE.test(line)) {
      if (open !== undefined) open.lines.push(line.startsWith(open.indent) ? line.slice(open.indent.length) : line);
      else if (line.trim() !== "") followsBlock = false;
    } else if (open === undefined) {
      open = { indent, language, line: i + 2, lines: [] };
    } else {
      blocks.push({ language: open.language, text: open.lines.join("\n"), line: open.line, followsBlock });
      open = undefined;
      followsBlock = true;
    }
  }
  return blocks;
}

/** Links and pictures of a page, those in code left out. */
export function linksOf(page: string): Link[] {
  return proseOf(page).flatMap((text, i) =>
    [...text.matchAll(/\]\(([^)\s]+)\)|^\[[^\]]+\]:\s+(\S+)/g)].map(([, inline, reference]) => ({
      target: (inline ?? reference)!,
      line: i + 1,
    })),
  );
}

/** The anchors of a page's headings, as GitHub makes them. */
export function anchorsOf(page: string): Set<string> {
  const anchors = new Set<string>();
  for (const line of proseOf(page, { keepCode: true })) {
    const [, heading] = /^#{1,6}\s+(.*)$/.exec(line) ?? [];
    if (heading === undefined) continue;
    const name = slugOf(heading);
    let anchor = name;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${name}-${n}`;
    anchors.add(anchor);
  }
  return anchors;
}

function slugOf(heading: string): string {
  const text = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
  return text.replace(/[^\p{L}\p{N}\p{M} _-]/gu, "").replaceAll(" ", "-");
}

/** The lines of a page: empty where they belong to a fenced block, and without code in the line unless that is kept. */
function proseOf(page: string, { keepCode = false } = {}): string[] {
  let isCode = false;
  return page.split("\n").map((line) => {
    const isFence = FENCE.test(line);
    if (isFence) isCode = !isCode;
    if (isFence || isCode) return "";
    return keepCode ? line : line.replace(/`[^`]*`/g, "");
  });
}
