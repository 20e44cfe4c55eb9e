/**
 * A report as one file of HTML that loads nothing: data, plots (uPlot) and styles lie in it.
 *
 * What runs in the browser is a string of plain JavaScript that each report brings, and is kept small: it draws what was
 * computed before.
 */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

export interface Page {
  readonly title: string;
  /** HTML. */
  readonly body: string;
  /** Constants that the script finds, by name. */
  readonly data: Readonly<Record<string, unknown>>;
  readonly script: string;
}

export function page({ title, body, data, script }: Page): string {
  const library = createRequire(import.meta.url).resolve("uplot");
  const asset = (name: string) => readFileSync(new URL(name, `file://${library}`), "utf8");
  const constants = Object.entries(data).map(([name, value]) => `const ${name} = ${jsonForScript(value)};`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:">
<title>${escaped(title)}</title>
<style>${asset("uPlot.min.css")}
${STYLE}</style>
</head>
<body>
${body}
<script>${asset("uPlot.iife.min.js")}</script>
<script>${constants.join("\n")}
${script}</script>
</body>
</html>
`;
}

export function escaped(text: string): string {
  const entities: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}

/** No text in it can end the script element. */
function jsonForScript(value: unknown): string {
  return JSON.stringify(value)
    .replace(/</g, "\\u003c")
    .replace(/[\u2028\u2029]/g, "");
}

const STYLE = `
:root { color-scheme: light dark; --text: #1d2430; --dim: #5b6675; --ground: #ffffff; --line: #d8dee6; --bad: #c0271d;
  --c0: #1668c4; --c1: #c25700; --c2: #17803d; --c3: #8a3ffc; --c4: #b0256b; --c5: #5a6b00; --band: rgba(190, 60, 40, 0.12); }
@media (prefers-color-scheme: dark) { :root { --text: #e4e9f0; --dim: #9aa6b5; --ground: #14181f; --line: #333c48; --bad: #ff7b6e;
  --c0: #6cb1ff; --c1: #ffa657; --c2: #5ed48a; --c3: #c49cff; --c4: #ff8fc4; --c5: #c3d94e; --band: rgba(255, 120, 100, 0.16); } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--ground); margin: 2rem auto; max-width: 1240px; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; } p, li { color: var(--dim); max-width: 75em; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 1rem; } dt { color: var(--dim); } dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 0.3rem 0.6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
thead th { white-space: normal; vertical-align: bottom; } th:first-child, td:first-child { text-align: left; } .bad { color: var(--bad); }
td.text { text-align: left; white-space: normal; min-width: 30em; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 580px), 1fr)); gap: 1rem; }
figure { margin: 0 0 1.5rem; } figcaption { font-weight: 600; } .u-legend { font-size: 12px; } .u-legend .u-value { min-width: 5em; }
`;
