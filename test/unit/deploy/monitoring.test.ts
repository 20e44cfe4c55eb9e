/** What operators watch with: docs/metrics.md, the alert rules and the dashboard name metrics that a node really has. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parse as parseYaml, stringify } from "yaml";
import { createMetrics } from "../../../src/metrics/metrics.ts";
import { metricsSource } from "../../support/api-app.ts";
import { findProgram, needs } from "../../support/programs.ts";
import { TestRegion } from "../registry/fixtures.ts";

const ROOT = join(import.meta.dirname, "../../..");
const RULES = join(ROOT, "deploy/prometheus/atoll.rules.yml");
const RULE_TESTS = join(ROOT, "deploy/prometheus/atoll.rules.test.yml");
const PROMISES = Array.from({ length: 12 }, (_, i) => `P${i + 1}`);
const withPromtool = needs("promtool", "prometheus");

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly promise: string };
}

interface Exposed {
  readonly type: string;
  readonly labels: readonly string[];
}

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string }[];
}

interface Dashboard {
  readonly panels: readonly Panel[];
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
}

const page = readFileSync(join(ROOT, "docs/metrics.md"), "utf8");
const rules: readonly Rule[] = parseYaml(readFileSync(RULES, "utf8")).groups[0].rules;
const dashboard: Dashboard = JSON.parse(readFileSync(join(ROOT, "deploy/grafana/atoll.json"), "utf8"));
const dashboardExpressions = [
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...dashboard.annotations.list.map(({ expr }) => expr),
];

/** Every metric of a node that has counted something of each kind, with the labels that it then shows. */
async function exposedMetrics(): Promise<Map<string, Exposed>> {
  const region = new TestRegion(1);
  const metrics = createMetrics({
    source: metricsSource(region.nodes[0]!),
    clock: region.clock,
    node: { region: "us-east", name: "us-east-1", version: "1.2.3" },
    includeProcess: true,
  });
  metrics.http.observe("GET", "/x", 200, 0.001);
  metrics.http.refused("NOT_FOUND");
  metrics.registry.registration("v1", "created");
  metrics.registry.renewal("v1");
  metrics.registry.deregistration("v1");
  metrics.registry.lookup("v1", { complete: true, regions: [{ source: "live" }] });
  metrics.watch.event("created");
  metrics.watch.resync("slow");
  metrics.raft.proposed("done", 1);
  metrics.raft.written(1);
  metrics.raft.read("done");
  metrics.raft.snapshot("sent", true);
  const text = await metrics.render();
  const found = new Map<string, Exposed>();
  for (const [, name = "", type = ""] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    const sample = new RegExp(`^${name}(?:_count)?\\{([^}]*)\\}`, "m").exec(text)?.[1] ?? "";
    found.set(name, { type, labels: [...sample.matchAll(/(\w+)="/g)].map(([, label]) => label!) });
  }
  return found;
}

/** The rows of docs/metrics.md's tables of metrics. */
function documented(): Map<string, Exposed & { readonly promises: readonly string[] }> {
  const rows = page.matchAll(/^\| `(\w+)` \| (counter|gauge|histogram) \| ([^|]*)\| ([^|]+)\| ([^|]*)\|$/gm);
  return new Map(
    [...rows].map(([, name, type, labels, , promises]) => [
      name!,
      { type: type!, labels: labels!.match(/\w+/g) ?? [], promises: promises!.match(/P\d+/g) ?? [] },
    ]),
  );
}

/** Metrics that an expression names, without the suffixes of a histogram's parts. */
function metricsIn(expression: string): string[] {
  const names = expression.match(/\b(?:atoll|mcp_registry|process|nodejs)_\w+/g) ?? [];
  return names.map((name) => name.replace(/_(bucket|sum|count)$/, ""));
}

const isOfProcess = (name: string) => /^(process|nodejs)_/.test(name);

function promtool(...args: string[]): string {
  return execFileSync(findProgram("promtool")!, args, { encoding: "utf8", stdio: "pipe" });
}

describe("docs/metrics.md", () => {
  it("lists every metric with its type and labels, and none that is not there", async () => {
    const exposed = [...(await exposedMetrics())].filter(([name]) => !isOfProcess(name));
    const asText = ([name, { type, labels }]: [string, Exposed]) => `${name} ${type} ${[...labels].sort().join()}`;
    assert.deepEqual([...documented()].map(asText).sort(), exposed.map(asText).sort());
  });

  it("has a metric for each promise, P1 to P12, and an alert", () => {
    const watched = new Set([...documented().values()].flatMap(({ promises }) => promises));
    const alerted = new Set(rules.flatMap(({ annotations }) => annotations.promise.split(" ")));
    assert.deepEqual([PROMISES.filter((p) => !watched.has(p)), PROMISES.filter((p) => !alerted.has(p))], [[], []]);
  });

  it("says of every alert how severe it is, what is at risk, and what to do", () => {
    const rows = [...page.matchAll(/^\| `(Atoll\w+)` \| (\w+) \| ([P\d ]+) \| ([^|]{20,}) \|$/gm)];
    assert.deepEqual(
      rows.map(([, alert, severity, promise]) => [alert, severity, promise]),
      rules.map(({ alert, labels, annotations }) => [alert, labels.severity, annotations.promise]),
    );
  });
});

describe("deploy/prometheus", () => {
  it("asks for metrics that a node has", async () => {
    const exposed = await exposedMetrics();
    const unknown = rules.flatMap(({ alert, expr }) =>
      metricsIn(expr)
        .filter((name) => !exposed.has(name))
        .map((name) => `${alert}: ${name}`),
    );
    assert.deepEqual(unknown, []);
  });

  it("has a test for every alert", () => {
    const tested: { readonly name: string }[] = parseYaml(readFileSync(RULE_TESTS, "utf8")).tests;
    const names = tested.map(({ name }) => name);
    assert.deepEqual(
      names.slice(1),
      rules.map(({ alert }) => alert),
    );
  });

  it("has rules and a configuration that Prometheus takes", withPromtool, () => {
    promtool("check", "rules", RULES);
    promtool("check", "config", join(ROOT, "deploy/prometheus/prometheus.yml"));
  });

  it("fires when it should, and is silent while all is well", withPromtool, () => {
    promtool("test", "rules", RULE_TESTS);
  });
});

describe("deploy/grafana", () => {
  it("asks for metrics that a node has", async () => {
    const exposed = await exposedMetrics();
    assert.ok(dashboardExpressions.length > 40);
    assert.deepEqual(
      dashboardExpressions.flatMap(metricsIn).filter((name) => !exposed.has(name)),
      [],
    );
  });

  it("shows whatever an alert asks for, but for what a panel says in another way", () => {
    const shown = new Set(dashboardExpressions.flatMap(metricsIn));
    const alerted = new Set(rules.flatMap(({ expr }) => metricsIn(expr)));
    const left = [...alerted].filter((name) => !shown.has(name));
    assert.deepEqual(left, [
      "atoll_raft_has_leader",
      "atoll_raft_follower_silent_seconds",
      "atoll_disk_size_bytes",
      "atoll_federation_region_distrusted",
    ]);
  });

  it("has expressions that Prometheus can read", withPromtool, () => {
    const folder = mkdtempSync(join(tmpdir(), "atoll-dashboard-"));
    try {
      const file = join(folder, "expressions.yml");
      const records = dashboardExpressions.map((expr, i) => ({
        record: `panel:${i}`,
        expr: expr.replaceAll("$__rate_interval", "5m").replaceAll("$region", ".*"),
      }));
      writeFileSync(file, stringify({ groups: [{ name: "dashboard", rules: records }] }));
      promtool("check", "rules", file);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
