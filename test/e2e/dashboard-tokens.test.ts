/** The dashboard of a region that asks for tokens, in a real browser: real nodes judge real tokens of each kind. */

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { hashToken } from "../../src/security/token.ts";
import { launchBrowser, NO_BROWSER, problemsOf } from "../support/browser.ts";
import { contrastProblems } from "../support/contrast.ts";
import { type NodeProcess, ProcessGroup, startRegion } from "../support/node-process.ts";

const ADMIN = "the-token-of-the-configuration-0123456789";
const UNKNOWN = "atoll_0000000000000000_nobody-ever-made-this-one-0123456789";
const HOSTILE_TOKEN = "<img src=x onerror=alert(1)>";
const SECTIONS = ["#/", "#/agents", "#/capabilities", "#/events", "#/agents/us-east/payer"];

interface Made {
  readonly id: string;
  readonly token: string;
}

describe("the dashboard of a region with tokens", { skip: NO_BROWSER }, () => {
  let group: ProcessGroup;
  let nodes: readonly [NodeProcess, NodeProcess, NodeProcess];
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  let problems: string[];
  let asked: string[];
  let reader: Made;
  let ofPayments: Made;
  let revoked: Made;
  const logs: string[] = [];

  async function ask(method: string, path: string, body?: object): Promise<Response> {
    const headers = { authorization: `Bearer ${ADMIN}`, "content-type": "application/json" };
    const answer = await fetch(`${nodes[0].http}${path}`, {
      method,
      headers,
      ...(body && { body: JSON.stringify(body) }),
    });
    assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
    return answer;
  }
  const make = async (body: object) => (await (await ask("POST", "/v1/tokens", body)).json()) as Made;
  const secrets = () => [ADMIN, UNKNOWN, ...[reader, ofPayments, revoked].map(({ token }) => token)];

  before(async () => {
    browser = await launchBrowser();
    group = await ProcessGroup.create({ region: "us-east", httpBase: 18_910, env: { AUTH_TOKEN: ADMIN } });
    nodes = [group.add("us-east-1"), group.add("us-east-2"), group.add("us-east-3")];
    await startRegion(nodes);
    for (const [id, namespace] of [
      ["payer", "payments"],
      ["weather", "public"],
    ]) {
      const record = { endpoint: `http://${id}:8080`, capabilities: ["serve"], leaseMs: 600_000, namespace };
      await ask("PUT", `/v1/agents/${id}`, record);
    }
    reader = await make({ role: "reader" });
    ofPayments = await make({ role: "agent", namespaces: ["payments"] });
    revoked = await make({ role: "reader" });
    await ask("DELETE", `/v1/tokens/${revoked.id}`);
    for (const node of nodes) {
      const answers = async (token: string) =>
        (await fetch(`${node.http}/v1/cluster`, { headers: { authorization: `Bearer ${token}` } })).status;
      const isApplied = async () => (await answers(ofPayments.token)) === 200 && (await answers(revoked.token)) === 401;
      await node.untilRunning(isApplied, "the tokens to be known everywhere");
    }
  });
  after(async () => {
    await browser?.close();
    await group?.destroy();
  });
  beforeEach(async () => {
    context = await browser.newContext({ viewport: { width: 1_280, height: 900 } });
    await openTab();
  });
  afterEach(() => context.close());

  async function openTab(): Promise<void> {
    page = await context.newPage();
    // A refusal is what these tests are about; Chromium's console calls each an error.
    problems = problemsOf(page);
    asked = [];
    page.on("request", (request) => void asked.push(`${request.url()} ${request.headers().referer ?? ""}`));
  }

  const enter = async (token: string) => {
    await page.locator("#token").fill(token);
    await page.getByRole("button", { name: "Use it" }).click();
  };
  const signIn = async (token: string) => {
    await page.goto(nodes[0].http);
    await page.locator("dialog[open]").waitFor();
    await enter(token);
    await page.locator("#link-state[data-state=live]").waitFor();
    await page.locator(".map [data-node]").first().waitFor();
  };
  const reason = (text: string | RegExp) => page.locator("#token-reason", { hasText: text }).waitFor();
  const kept = (storage: string) => page.evaluate<string>(`JSON.stringify({ ...${storage} })`);
  const listsAgent = (id: string) =>
    page.locator(".list[aria-busy=false]").getByRole("link", { name: id, exact: true }).waitFor();

  it("P11: shows nothing of the region before it was given a token, and says whose is needed", async () => {
    await page.goto(`${nodes[0].http}/#/agents/us-east/payer`);
    await reason("This needs a token with the role reader");
    const text = (await page.locator("body").textContent()) ?? "";
    for (const told of ["payments", "http://payer", "us-east-2"]) assert.ok(!text.includes(told), told);
    await page.keyboard.press("Escape");
    await page.getByText("Enter one with the role reader: the button Token at the top.").waitFor();
    await page.getByRole("button", { name: "Token", exact: true }).click();
    await page.locator("dialog[open]").waitFor();
  });

  it("P11: says of a wrong token, of a revoked one and of one that is none what is wrong, and takes the right one then", async () => {
    await page.goto(nodes[0].http);
    await page.locator("dialog[open]").waitFor();
    for (const [token, said] of [
      [UNKNOWN, /not known|no token of/i],
      [HOSTILE_TOKEN, /not known|no token of/i],
      [revoked.token, /revoked/i],
    ] as const) {
      await enter(token);
      await reason(said);
      await page.locator("dialog[open]").waitFor();
      assert.equal(await page.locator("#token").inputValue(), "");
      assert.equal(await page.locator(".map [data-node]").count(), 0);
    }
    await enter(reader.token);
    await page.locator(".map [data-node]").first().waitFor();
  });

  it("shows all to a reader, in every section", async () => {
    await signIn(reader.token);
    for (const { name } of nodes) await page.locator(`.map [data-node="${name}"]`).waitFor();
    for (const section of SECTIONS) {
      await page.goto(`${nodes[0].http}/${section}`);
      await page.locator("main h1").waitFor({ state: "attached" });
      assert.equal(await page.locator("dialog[open]").count(), 0, section);
      assert.deepEqual(await contrastProblems(page), [], section);
    }
    await page.goto(`${nodes[0].http}/#/agents`);
    for (const id of ["payer", "weather"]) await listsAgent(id);
    assert.deepEqual(
      problems.filter((problem) => !problem.includes("401")),
      [],
    );
  });

  it("shows an agent of one namespace what a reader sees: namespaces limit changes, not reading", async () => {
    await signIn(ofPayments.token);
    await page.goto(`${nodes[0].http}/#/agents`);
    for (const id of ["payer", "weather"]) await listsAgent(id);
    await page.getByRole("link", { name: "weather", exact: true }).click();
    await page.locator("h1", { hasText: "weather" }).waitFor();
  });

  it("P11: keeps a token in its own tab, out of addresses, cookies and what lasts", async () => {
    await signIn(reader.token);
    for (const section of SECTIONS) await page.goto(`${nodes[0].http}/${section}`);
    await page.locator("h1", { hasText: "payer" }).waitFor();
    assert.deepEqual(JSON.parse(await kept("sessionStorage")), {
      "atoll.tokens": JSON.stringify({ "us-east": reader.token }),
    });
    assert.equal(await kept("localStorage"), "{}");
    assert.deepEqual(await context.cookies(), []);
    const shown = [page.url(), await page.content(), ...asked, ...problems].join("\n");
    assert.ok(asked.length > SECTIONS.length);
    for (const secret of secrets()) assert.ok(!shown.includes(secret), "a token is where others see it");
    await openTab();
    await page.goto(nodes[0].http);
    await page.locator("dialog[open]").waitFor();
  });

  it("signs out, also after it was loaded anew: the token is gone, and with it all that it showed", async () => {
    await signIn(reader.token);
    await page.goto(`${nodes[0].http}/#/agents/us-east/payer`);
    await page.reload();
    await page.getByText("http://payer:8080").first().waitFor();
    await page.getByRole("button", { name: "Token", exact: true }).click();
    await page.getByRole("button", { name: "Forget tokens" }).click();
    await reason("This needs a token with the role reader");
    assert.equal(await kept("sessionStorage"), "{}");
    assert.ok(!(await page.content()).includes("http://payer:8080"));
    await enter(reader.token);
    await page.getByText("http://payer:8080").first().waitFor();
  });

  it("replaces its token, also after it was loaded anew", async () => {
    await signIn(reader.token);
    await page.reload();
    await page.locator(".map [data-node]").first().waitFor();
    await page.getByRole("button", { name: "Token", exact: true }).click();
    await enter(ofPayments.token);
    await page.locator("#link-state[data-state=live]").waitFor();
    assert.deepEqual(JSON.parse(JSON.parse(await kept("sessionStorage"))["atoll.tokens"]), {
      "us-east": ofPayments.token,
    });
  });

  it("asks again when its token is revoked while it is looked at", async () => {
    const short = await make({ role: "reader" });
    await nodes[0].untilRunning(
      async () =>
        (await fetch(`${nodes[0].http}/v1/cluster`, { headers: { authorization: `Bearer ${short.token}` } })).ok,
      "the token to be known",
    );
    await signIn(short.token);
    await ask("DELETE", `/v1/tokens/${short.id}`);
    await reason(/revoked/i);
    await page.locator("#link-state[data-state=unauthorized]").waitFor();
  });

  it("goes on with the same token at another node of the region, and signs out there when its own is gone", async () => {
    await signIn(reader.token);
    await nodes[0].kill();
    await page.locator("#link-state[data-state=live]").waitFor();
    await nodes[1].untilRunning(
      async () => (await page.locator("#node-picker").inputValue()) !== nodes[0].http,
      "the page to move to another node",
    );
    assert.equal(await page.locator("dialog[open]").count(), 0);
    await page.getByRole("button", { name: "Token", exact: true }).click();
    await page.getByRole("button", { name: "Forget tokens" }).click();
    await reason("This needs a token with the role reader");
    assert.notEqual(new URL(page.url()).origin, nodes[0].http);
    assert.equal(await kept("sessionStorage"), "{}");
    logs.push(JSON.stringify(nodes[0].lines));
    nodes[0].start([nodes[1], nodes[2]]);
    await nodes[0].ready();
  });

  it("P11: leaves no token in a log or in a file of a node", async () => {
    for (const node of nodes) await node.stop();
    logs.push(...nodes.map(({ lines, output }) => JSON.stringify(lines) + output));
    for (const node of nodes) {
      const disk = node.disk();
      for (const secret of secrets()) {
        assert.ok(!disk.includes(secret), `a token lies on the disk of ${node.name}`);
        assert.ok(!logs.join("\n").includes(secret), "a token was logged");
      }
      assert.ok(disk.includes(hashToken(reader.token)), "the search would find one");
      assert.ok(logs.join("\n").includes(node.name), "the search would find one in a log");
    }
  });
});
