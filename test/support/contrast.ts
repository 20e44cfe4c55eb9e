/** Whether text can be read on what it stands on: WCAG 2.2, contrast of level AA. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";

const IN_PAGE = readFileSync(join(import.meta.dirname, "contrast-in-page.js"), "utf8");

/** Each text of the page whose contrast is too low, with its colour. */
export function contrastProblems(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(IN_PAGE);
}
