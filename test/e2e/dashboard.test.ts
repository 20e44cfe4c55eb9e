/** The dashboard in a real browser, over a federation of real processes. */

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { launchBrowser, NO_BROWSER, overflowOf, problemsOf } from "../support/browser.ts";
import { contrastProblems } from "../support/contrast.ts";
import { EventStreamReader } from "../support/event-stream.ts";
import { FederationProcess } from "../support/federation-process.ts";
import { registration } from "../support/load.ts";

const SECTIONS = ["#/", "#/agents", "#/capabilities", "#/events"];
const PHONE = { width: 360, height: 740 };
const SHOWN_WITHIN_MS = 1_000;
const STEP_MS = 10;

const HOSTILE = {
  html: '<img src="x" onerror="alert(1)"><script>alert(2)</script>',
  bidi: "\u202egpj.exe\u2066\u200f",
  long: "w".repeat(253),
  /** As much as a record may hold in one place. */
  endless: "m".repeat(15_000),
};

let federation: FederationProcess;
let browser: Browser;
let page: Page;
let problems: string[];

/** A node on a busy machine may refuse some of what it is asked at once, and says so (P12). */
async function register(http: string, id: string, fields: object = {}): Promise<void> {
  await federation.until(async () => {
    const body = { endpoint: `http://${id}:8080`, capabilities: ["forecast"], leaseMs: 600_000, ...fields };
    const response = await registration(`${http}/v1/agents/${id}`, body);
    assert.ok(response.ok, await response.text());
    return true;
  }, `${id} to be registered`);
}

/** Whoever leads now: on a busy machine it need not be the one that led first. */
async function leaderOf(region: string): Promise<string> {
  const [node] = federation.nodesOf(region);
  let leader: string | null = null;
  await federation.until(async () => {
    ({ leader } = (await (await fetch(`${node!.http}/v1/cluster`)).json()) as { leader: string | null });
    return leader !== null;
  }, `${region} to have a leader`);
  return leader!;
}

/** A page of its own, with storage of its own. */
async function openPage(options: BrowserContextOptions = {}): Promise<void> {
  const context = await browser.newContext({ viewport: { width: 1_280, height: 900 }, ...options });
  page = await context.newPage();
  problems = problemsOf(page);
}

async function show(http: string, section = "#/"): Promise<void> {
  await page.goto(`${http}/${section}`);
  await page.locator("#link-state[data-state=live]").waitFor();
  await page.locator("main h1").waitFor({ state: "attached" });
}

const leaderTile = () => page.locator(".tile", { hasText: "Leader" }).locator(".tile-value").textContent();

const focusedId = () => page.evaluate<string>("document.activeElement?.id");

describe("the dashboard", { skip: NO_BROWSER }, () => {
  before(async () => {
    browser = await launchBrowser();
    federation = await FederationProcess.start({ regions: "us-east:3,us-west:3", httpBase: 20_800 });
    const [east] = federation.nodesOf("us-east");
    const [west] = federation.nodesOf("us-west");
    await register(east!.http, "weather");
    await register(east!.http, "planner", {
      capabilities: [{ name: "plan", dependencies: [{ capability: "forecast", required: true }] }],
    });
    await register(west!.http, "hotels", { capabilities: ["book"] });
  });
  after(async () => {
    await browser?.close();
    await federation?.destroy();
  });
  beforeEach(() => openPage());
  afterEach(() => page.context().close());

  it("loads all of its sections without an error, and without breaking its own policy", async () => {
    const [node] = federation.nodesOf("us-east");
    await show(node!.http);
    for (const section of [...SECTIONS, "#/agents/us-east/planner", "#/capabilities/forecast", "#/nowhere/%ZZ"]) {
      await page.goto(`${node!.http}/${section}`);
      await page.locator("main h1").waitFor({ state: "attached" });
    }
    assert.deepEqual(problems, []);
  });

  it("shows regions, nodes, leaders and the way between regions", async () => {
    const [node] = federation.nodesOf("us-east");
    await show(node!.http);
    await federation.until(async () => (await leaderTile()) === (await leaderOf("us-east")), "the leader to be shown");
    for (const { name } of federation.nodes) await page.locator(`.map [data-node="${name}"]`).waitFor();
    for (const region of ["us-east", "us-west"]) {
      await page.locator(`.map .node.leader[data-node="${await leaderOf(region)}"]`).waitFor();
    }
    await page.locator(".map .link text", { hasText: "ms" }).waitFor();
    await page.locator(".tile", { hasText: "6 of 6" }).waitFor();
  });

  it("shows an agent: whom it depends on, who depends on it, and how it fared", async () => {
    const [node] = federation.nodesOf("us-east");
    await show(node!.http, "#/agents/us-east/planner");
    await page.getByRole("region", { name: "Depends on", exact: true }).getByRole("link", { name: "weather" }).click();
    const dependents = page.getByRole("region", { name: "Who depends on it" });
    await dependents.getByRole("link", { name: "planner" }).waitFor();
    await page.getByRole("region", { name: "Health" }).getByText("never fell silent").waitFor();
  });

  it("asks another region's nodes for its agents, where the browser reaches them", async () => {
    const [node] = federation.nodesOf("us-east");
    await show(node!.http, "#/agents");
    await page.getByLabel("Region").selectOption("us-west");
    await page.getByRole("link", { name: "hotels" }).click();
    await page.locator("h1", { hasText: "hotels" }).waitFor();
    assert.deepEqual(problems, []);
  });

  it("pages through agents, and never draws more than a page", async () => {
    const [node] = federation.nodesOf("us-east");
    const ids = Array.from({ length: 120 }, (_, i) => `paged-${String(i).padStart(3, "0")}`);
    await Promise.all(ids.map((id) => register(node!.http, id)));
    await show(node!.http, "#/agents");
    const rows = page.locator("main tbody tr");
    const listed = async (id: string) => {
      await page.locator(".list[aria-busy=false]").getByRole("link", { name: id }).waitFor();
      return rows.count();
    };
    await page.getByRole("searchbox").fill("PAGED-");
    assert.equal(await listed("paged-000"), 50);
    await page.getByRole("button", { name: "Next" }).click();
    assert.equal(await listed("paged-050"), 50);
    await page.getByRole("button", { name: "Next" }).click();
    assert.equal(await listed("paged-119"), 20);
    await page.getByRole("button", { name: "Previous" }).click();
    assert.equal(await listed("paged-099"), 50);
    await page.getByRole("searchbox").fill("nobody-is-called-that");
    await page.getByText("Nothing found").waitFor();
  });

  it("shows hostile names as the text that they are, and all of it to who asks", async () => {
    const [node] = federation.nodesOf("us-east");
    await register(node!.http, "hostile", {
      name: HOSTILE.html,
      description: HOSTILE.bidi,
      version: HOSTILE.html,
      endpoint: "javascript://x/%0aalert(3)",
      capabilities: [HOSTILE.html, HOSTILE.bidi, HOSTILE.long],
      metadata: { [HOSTILE.html]: HOSTILE.endless },
      labels: { note: HOSTILE.bidi },
    });
    await register(node!.http, "hostile-long", { name: HOSTILE.long });
    for (const section of [
      ...SECTIONS,
      "#/agents/us-east/hostile",
      `#/capabilities/${encodeURIComponent(HOSTILE.html)}`,
    ]) {
      await show(node!.http, section);
      await page
        .getByText(section === "#/" ? "Nodes" : /./)
        .first()
        .waitFor();
      assert.equal(await page.locator("main img, main script, main iframe").count(), 0, section);
      assert.equal(await page.locator('a[href^="javascript"]').count(), 0, section);
      assert.doesNotMatch((await page.locator("main").textContent()) ?? "", /[\u202a-\u202e\u2066-\u2069]/, section);
    }
    await show(node!.http, "#/agents/us-east/hostile");
    await page.getByText(HOSTILE.html, { exact: true }).first().waitFor();
    await page.getByText("⟨U+202E⟩gpj.exe⟨U+2066⟩⟨U+200F⟩").first().waitFor();
    // By keyboard: the short form unfolds to the whole.
    const summary = page.locator("details.whole summary").last();
    await summary.focus();
    await page.keyboard.press("Enter");
    assert.equal(await page.locator("details[open] pre").textContent(), HOSTILE.endless);
    assert.deepEqual(problems, []);
    const isolated = await page.evaluate<boolean>(
      '[...document.querySelectorAll("bdi.name")].every((each) => getComputedStyle(each).unicodeBidi === "isolate")',
    );
    assert.ok(isolated);
  });

  it("shows what a link of somebody else's holds as text, also 64 KiB of it, and stays with its node", async () => {
    const [node] = federation.nodesOf("us-east");
    for (const name of [HOSTILE.html, HOSTILE.bidi, "w".repeat(65_536)]) {
      for (const section of ["#/agents/us-east/", "#/capabilities/"]) {
        await page.goto(node!.http);
        await show(node!.http, section + encodeURIComponent(name));
        await page.locator("main .loading").waitFor({ state: "detached" });
        assert.equal(await page.locator("main img, main script, main iframe").count(), 0, section);
        assert.doesNotMatch((await page.locator("main").textContent()) ?? "", /[\u202a-\u202e\u2066-\u2069]/, section);
        assert.equal(await overflowOf(page), 0, section);
        assert.equal(await page.locator("#node-picker").inputValue(), node!.http);
      }
    }
    // That nobody is called so, the browser's console calls an error.
    const others = problems.filter((problem) => !problem.includes("Failed to load resource"));
    assert.deepEqual(others, []);
  });

  it("is used by keyboard alone", async () => {
    const [node] = federation.nodesOf("us-east");
    await show(node!.http);
    const focused = () => page.evaluate<string>('document.activeElement?.textContent?.trim() ?? ""');
    const tabTo = async (text: string) => {
      for (let presses = 0; presses < 60; presses++) {
        if ((await focused()) === text) return;
        await page.keyboard.press("Tab");
      }
      assert.fail(`${text} is not reached by Tab; the focus is on ${await focused()}`);
    };
    await page.keyboard.press("Tab");
    assert.equal(await focused(), "Skip to content");
    await page.keyboard.press("Enter");
    assert.equal(await focusedId(), "main");
    assert.equal(new URL(page.url()).hash, "#/");
    await page.evaluate("document.activeElement.blur()");
    await tabTo("Agents");
    const outline = await page.evaluate<string>("getComputedStyle(document.activeElement).outlineStyle");
    assert.notEqual(outline, "none");
    await page.keyboard.press("Enter");
    await page.locator("h1", { hasText: "Agents" }).waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.type("plann");
    const link = page.getByRole("link", { name: "planner" });
    await page.locator("main tbody tr").nth(1).waitFor({ state: "detached" });
    await link.waitFor();
    await tabTo("planner");
    await page.keyboard.press("Enter");
    await page.locator("h1", { hasText: "planner" }).waitFor();
    assert.deepEqual(problems, []);
  });

  for (const colorScheme of ["light", "dark"] as const) {
    it(`is readable in the ${colorScheme} theme, as the system has it and as the button chooses it`, async () => {
      await page.context().close();
      await openPage({ colorScheme });
      const [node] = federation.nodesOf("us-east");
      await show(node!.http);
      const ground = () => page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
      const asSystem = await ground();
      for (const section of [...SECTIONS, "#/agents/us-east/planner"]) {
        await show(node!.http, section);
        assert.deepEqual(await contrastProblems(page), [], section);
      }
      const button = page.getByRole("button", { name: /^Theme/ });
      const seen = [];
      for (const theme of ["light", "dark", "system"]) {
        await button.click();
        assert.equal(await button.textContent(), `Theme: ${theme}`);
        seen.push(await ground());
      }
      assert.notEqual(seen[0], seen[1]);
      assert.deepEqual([seen[colorScheme === "light" ? 0 : 1], seen[2]], [asSystem, asSystem]);
      await button.click();
      await page.reload();
      assert.equal(await ground(), seen[0]);
    });
  }

  it("fits a phone, and scrolls one way only", async () => {
    await page.context().close();
    await openPage({ viewport: PHONE, hasTouch: true, isMobile: true });
    const [node] = federation.nodesOf("us-east");
    await register(node!.http, "hostile-phone", { name: HOSTILE.long, capabilities: [HOSTILE.long] });
    for (const section of [...SECTIONS, "#/agents/us-east/hostile-phone", "#/capabilities/forecast"]) {
      await show(node!.http, section);
      assert.equal(await overflowOf(page), 0, section);
    }
  });

  it("says what the node says of itself when it can not serve, or not all", async () => {
    const [node] = federation.nodesOf("us-east");
    let answer: { status: number; json: object } = {
      status: 503,
      json: { status: "not ready", reasons: ["no leader of <b>the region</b> is known"] },
    };
    await page.route("**/ready", (route) => route.fulfill(answer));
    await page.goto(node!.http);
    await page.getByText("This node is not ready: no leader of <b>the region</b> is known").waitFor();
    const degraded = [{ code: "DISK_FULL", message: "the disk is full: writes are refused" }];
    answer = { status: 200, json: { status: "degraded", reasons: [], degraded } };
    await page.getByText("This node is degraded: the disk is full: writes are refused").waitFor();
    answer = { status: 200, json: { status: "ready", reasons: [], degraded: [] } };
    await page.locator(".banner").waitFor({ state: "detached" });
  });

  it("asks for a token where one is needed, and sends it to that region's nodes alone", async () => {
    const [node] = federation.nodesOf("us-east");
    const sent: { readonly origin: string; readonly token: string | undefined }[] = [];
    await page.route(/\/v1\//, async (route) => {
      const { authorization } = route.request().headers();
      sent.push({ origin: new URL(route.request().url()).origin, token: authorization });
      if (authorization === "Bearer secret-of-east") return route.continue();
      const error = { code: "TOKEN_MISSING", message: "This needs a token with the role reader" };
      return route.fulfill({ status: 401, json: { error }, headers: { "x-atoll-region": "us-east" } });
    });
    await page.goto(node!.http);
    await page.getByText("This needs a token with the role reader").waitFor();
    assert.equal(await focusedId(), "token");
    await page.keyboard.type("secret-of-east");
    await page.keyboard.press("Enter");
    await page.locator("#link-state[data-state=live]").waitFor();
    await page.locator(".map [data-node]").first().waitFor();
    const home = new Set(federation.nodesOf("us-east").map(({ http }) => http));
    await federation.until(() => sent.some(({ origin }) => !home.has(origin)), "the page to ask the other region");
    assert.deepEqual(
      sent.filter(({ origin, token }) => !home.has(origin) && token !== undefined),
      [],
    );
    assert.equal(await page.evaluate<string>("JSON.stringify({ ...localStorage })"), "{}");
    await page.reload();
    await page.locator(".map [data-node]").first().waitFor();
  });

  it("shows another leader within a second of the node's own word, in the page's time", async () => {
    const killed = await leaderOf("us-east");
    const [watched] = federation.nodesOf("us-east").filter(({ name }) => name !== killed);
    await page.clock.install();
    await show(watched!.http);
    await federation.until(async () => (await leaderTile()) === killed, `${killed} to be shown`);
    const told = await ActivityStream.open(watched!.http);
    await page.clock.pauseAt((await page.evaluate<number>("Date.now()")) + 500);
    await federation.killByPid(killed);
    await federation.until(() => told.leader !== null && told.leader !== killed, "another leader to be told");
    // The page's clock stands still but for these steps, and it asks by itself no sooner than after two seconds.
    let pageMs = 0;
    await federation.until(async () => {
      if ((await leaderTile()) === told.leader) return true;
      if (pageMs + STEP_MS > SHOWN_WITHIN_MS) return false;
      pageMs += STEP_MS;
      await page.clock.runFor(STEP_MS);
      return false;
    }, `the page to show ${told.leader} within ${SHOWN_WITHIN_MS} ms of its own time`);
    await page.locator(`.map .node.leader[data-node="${told.leader}"]`).waitFor();
    told.close();
    await federation.restart(killed);
  });

  it("survives its node's death by moving to another one, with what it showed and was asked", async () => {
    const [first] = federation.nodesOf("us-east");
    await show(first!.http, "#/agents");
    await page.getByRole("searchbox").fill("weather");
    await page.getByRole("link", { name: "weather" }).waitFor();
    await federation.killByPid(first!.name);
    await federation.until(
      async () => (await page.locator("#node-picker").inputValue()) !== first!.http,
      "the page to move to another node",
    );
    await page.locator("#link-state[data-state=live]").waitFor();
    const now = await page.locator("#node-picker").inputValue();
    assert.ok(
      federation.nodesOf("us-east").some(({ http }) => http === now),
      `${now} is of another region`,
    );
    assert.equal(await page.getByRole("searchbox").inputValue(), "weather");
    await page.getByRole("link", { name: "weather" }).waitFor();
    await page.getByRole("link", { name: "Events" }).click();
    await page.locator(".events").getByText(`${first!.name} did not answer; this page moved to`).waitFor();
    await register(now, "after-the-move");
    await page.locator(".events").getByText("after-the-move registered").waitFor();
    await federation.restart(first!.name);
  });

  it("goes to another region when its own is gone, and says so when nobody answers", async () => {
    const home = federation.nodesOf("us-west");
    await show(home[0]!.http);
    for (const { name } of home) await federation.killByPid(name);
    await federation.until(
      async () => (await page.locator("#seen-from").textContent())?.includes("us-east") ?? false,
      "the page to move to the other region",
    );
    await page.context().setOffline(true);
    await page.getByText("No node answers.").waitFor();
    await page.context().setOffline(false);
    await page.locator("#link-state[data-state=live]").waitFor();
    await federation.startStopped();
  });
});

/** What a node tells of its leader. */
class ActivityStream {
  leader: string | null = null;
  readonly #abort = new AbortController();
  readonly #reader = new EventStreamReader();

  static async open(http: string): Promise<ActivityStream> {
    const stream = new ActivityStream();
    const response = await fetch(`${http}/v1/activity`, { signal: stream.#abort.signal });
    assert.equal(response.status, 200);
    void stream.#read(response.body!);
    return stream;
  }

  close(): void {
    this.#abort.abort();
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    try {
      for await (const text of body.pipeThrough(new TextDecoderStream())) {
        this.#reader.push(text);
        for (const { event, data } of this.#reader.events.splice(0)) {
          const { leader, region } = JSON.parse(data);
          if (event === "leader" && region === "us-east" && leader !== undefined) this.leader = leader;
        }
      }
    } catch {
      // It is closed at the end; what it told until then counts.
    }
  }
}
