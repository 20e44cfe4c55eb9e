/** A headless Chromium of the system, for tests of pages; and why there is none, where there is none. */

import { type Browser, chromium, type Page } from "playwright-core";
import { findProgram } from "./programs.ts";

const NAMES = ["chromium", "chromium-browser", "google-chrome"];

/** Undefined where no browser is installed; `ATOLL_CHROMIUM` names one that is not in the path. */
const executablePath = process.env.ATOLL_CHROMIUM ?? NAMES.map(findProgram).find((path) => path !== undefined);

/** For the `skip` of a suite. */
export const NO_BROWSER =
  executablePath === undefined ? `there is no ${NAMES.join(" or ")}: install one, or name it in ATOLL_CHROMIUM` : false;

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({
    ...(executablePath !== undefined && { executablePath }),
    // Chromium refuses to run as root in its sandbox, and containers of tests know no other user.
    chromiumSandbox: process.getuid?.() !== 0,
  });
}

/** What went wrong in a page: errors of its scripts, of its policy, and what its console calls an error. */
export function problemsOf(page: Page): string[] {
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(`error: ${error.stack}`));
  page.on("console", (message) => {
    if (message.type() === "error" || /Content Security Policy|TrustedHTML/.test(message.text())) {
      problems.push(`console: ${message.text()}`);
    }
  });
  page.on("dialog", (dialog) => {
    problems.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  return problems;
}

/** By how many pixels a page is wider than its window, or a phone zooms out to show all of it; 0 when it scrolls one way only. */
export async function overflowOf(page: Page): Promise<number> {
  const needed = await page.evaluate<number>("Math.max(document.documentElement.scrollWidth, innerWidth)");
  return needed - page.viewportSize()!.width;
}
