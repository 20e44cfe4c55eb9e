import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { NodeStatus } from "../../../../src/api/ports.ts";
import { createTestApp, OTHER_REGION_HTTP } from "../../../support/api-app.ts";

const FOLDER = join(import.meta.dirname, "../../../../src/api/dashboard/page");
const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

async function aNode(http: readonly string[] = []) {
  const test = await createTestApp();
  const nodes = test.view.nodes();
  const extra = http.map((url, i): NodeStatus => ({ ...nodes[1]!, name: `n${i}`, nodeId: `n${i}`, http: url }));
  test.view.nodes = () => [...nodes, ...extra];
  return test;
}

async function policyOf({ app }: Awaited<ReturnType<typeof aNode>>): Promise<Map<string, string>> {
  const { headers } = await app.inject({ url: "/", headers: { accept: BROWSER } });
  const directives = String(headers["content-security-policy"]).split("; ");
  return new Map(directives.map((directive) => directive.split(/ (.*)/s).slice(0, 2) as [string, string]));
}

describe("GET /", () => {
  it("is the page to browsers, and what the contract says to everybody else", async () => {
    const { app, send } = await aNode();
    const page = await app.inject({ url: "/", headers: { accept: BROWSER } });
    assert.deepEqual(
      [page.statusCode, page.headers["content-type"], page.headers.vary],
      [200, "text/html; charset=utf-8", "Accept"],
    );
    for (const accept of [undefined, "*/*", "application/json", "text/plain"]) {
      const answer = await send({ url: "/", ...(accept !== undefined && { headers: { accept } }) });
      assert.equal(answer.json().service, "mcp-mesh-registry", `${accept}`);
    }
  });

  it("has a policy that lets nothing run but the node's own files, and no text become markup", async () => {
    const policy = await policyOf(await aNode());
    assert.deepEqual(Object.fromEntries(policy), {
      "default-src": "'none'",
      "script-src": "'self'",
      "style-src": "'self'",
      "img-src": "'self'",
      "connect-src": `'self' http://us-east-1:8000 ${OTHER_REGION_HTTP}`,
      "base-uri": "'none'",
      "form-action": "'none'",
      "frame-ancestors": "'none'",
      "require-trusted-types-for": "'script'",
      "trusted-types": "'none'",
    });
  });

  it("lets no address that a node tells of itself write into the policy", async () => {
    const hostile = [
      "http://a;script-src *",
      "http://a;script-src:80/",
      "http://a,b",
      "http://b'unsafe-inline'",
      "javascript:alert(1)",
      "data:text/html,x",
      "*",
      "",
      `http://${"a".repeat(300)}`,
    ];
    const policy = await policyOf(await aNode([...hostile, "https://good.example:8443/path"]));
    assert.equal(policy.size, 10);
    assert.equal(
      policy.get("connect-src"),
      `'self' http://us-east-1:8000 ${OTHER_REGION_HTTP} https://good.example:8443`,
    );
  });

  it("names a bounded number of nodes, those of its own region first", async () => {
    const policy = await policyOf(await aNode(Array.from({ length: 500 }, (_, i) => `http://n${i}:8000`)));
    const origins = policy.get("connect-src")!.split(" ");
    assert.equal(origins.length, 65);
    assert.equal(origins[1], "http://us-east-1:8000");
  });
});

describe("the files of the dashboard", () => {
  const names = readdirSync(FOLDER);

  it("are served with their types, and not sent again to who has them", async () => {
    const { app } = await aNode();
    for (const name of names.filter((each) => /\.(js|css|svg)$/.test(each))) {
      const answer = await app.inject({ url: `/dashboard/${name}` });
      assert.equal(answer.statusCode, 200, name);
      assert.match(String(answer.headers["content-type"]), /^(text\/(javascript|css)|image\/svg)/);
      assert.equal(answer.headers["x-content-type-options"], "nosniff");
      const again = await app.inject({
        url: `/dashboard/${name}`,
        headers: { "if-none-match": String(answer.headers.etag) },
      });
      assert.deepEqual([again.statusCode, again.body], [304, ""]);
    }
  });

  it("are the only ones", async () => {
    const { app } = await aNode();
    for (const name of ["", "index.html", "../page.ts", "%2e%2e/page.ts", "tsconfig.json", "nothing.js"]) {
      assert.equal((await app.inject({ url: `/dashboard/${name}` })).statusCode, 404, name);
    }
  });

  it("name no other place, and have nothing inline", () => {
    for (const name of names) {
      const text = readFileSync(join(FOLDER, name), "utf8").replaceAll("http://www.w3.org/2000/svg", "");
      assert.doesNotMatch(text, /(src|href)="(https?:)?\/\/|url\(["']?https?:/, name);
      if (name.endsWith(".css")) assert.doesNotMatch(text, /@import/, name);
      assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/, name);
      if (name.endsWith(".html")) assert.doesNotMatch(text, /<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=/, name);
    }
  });

  it("load each other by names that are there", () => {
    for (const name of names.filter((each) => /\.(js|html)$/.test(each))) {
      const text = readFileSync(join(FOLDER, name), "utf8");
      for (const [, target] of text.matchAll(/(?:from|import) "\.\/([^"]+)"|(?:src|href)="dashboard\/([^"]+)"/g)) {
        if (target !== undefined) assert.ok(names.includes(target), `${name} loads ${target}`);
      }
    }
  });
});
