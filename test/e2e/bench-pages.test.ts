/** The pages of benchmarks in a real browser: they draw what they say, at any width, and complain of nothing. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Browser, Page } from "playwright-core";
import { comparisonHtml } from "../../bench/comparison/html.ts";
import { failoverHtml } from "../../bench/failover/html.ts";
import { soakHtml } from "../../bench/soak/html.ts";
import { COMPARISON_REPORT, FAILOVER_RUN, failoverReport, soakReport } from "../support/bench-reports.ts";
import { launchBrowser, NO_BROWSER, overflowOf, problemsOf } from "../support/browser.ts";

const WIDTHS = [1_200, 400];

describe("the page of a benchmark", { skip: NO_BROWSER }, () => {
  let browser: Browser;
  before(async () => {
    browser = await launchBrowser();
  });
  after(() => browser?.close());

  /** Shows it at every width. */
  async function shown(html: string, check: (page: Page) => Promise<void>): Promise<void> {
    for (const width of WIDTHS) {
      const page = await browser.newPage({ viewport: { width, height: 900 } });
      const problems = problemsOf(page);
      await page.setContent(html);
      await check(page);
      assert.equal(await overflowOf(page), 0, `too wide at ${width} px`);
      assert.deepEqual(problems, []);
      await page.close();
    }
  }

  it("of failover draws each fault, each operation and the whole run, of this report and of an earlier one", async () => {
    const report = failoverReport(FAILOVER_RUN);
    await shown(failoverHtml(report, { name: "old", report }), async (page) => {
      const titles = await page.locator("figure:has(canvas) figcaption").allTextContents();
      assert.deepEqual(titles, ["kill-leader", "register", "atoll", "old: atoll"]);
      const names = await page.locator("#around .u-label").allTextContents();
      assert.deepEqual(names, ["since", "atoll", "old: atoll"]);
    });
  });

  it("of a soak draws latency and memory, with each fault marked", async () => {
    await shown(soakHtml(soakReport()), async (page) => {
      const titles = await page.locator("figure:has(canvas) figcaption").allTextContents();
      assert.deepEqual(titles, [
        "The slowest operation, and how many were given up",
        "RSS of each node",
        "Heap that lives, of each node",
      ]);
      assert.match((await page.locator("p").allTextContents()).join(), /from the age of 10 minutes on/);
    });
  });

  it("of a comparison draws the turns, and draws them anew when the colours change", async () => {
    await shown(comparisonHtml(COMPARISON_REPORT), async (page) => {
      assert.equal(await page.locator("canvas").count(), 1);
      await page.emulateMedia({ colorScheme: "dark" });
      await page.locator("canvas").waitFor();
      assert.equal(await page.locator("canvas").count(), 1);
    });
  });
});
