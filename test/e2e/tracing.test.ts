/** One trace through real processes: the node that was asked, the leader of its region, and a node of another region. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type CollectedSpan, FakeCollector } from "../support/fake-collector.ts";
import { TRACE_ID, traceparent } from "../support/fake-tracing.ts";
import { FederationProcess } from "../support/federation-process.ts";
import { registration } from "../support/load.ts";
import { within } from "../support/waiting.ts";

const HTTP_BASE = 22_300;
const TIMEOUT_MS = 30_000;

let collector: FakeCollector;
let federation: FederationProcess;
before(async () => {
  collector = await FakeCollector.start();
  federation = await FederationProcess.start({
    regions: "us-east:2,us-west:1",
    httpBase: HTTP_BASE,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url },
  });
});
after(async () => {
  await federation?.destroy();
  await collector?.close();
});

const nodeOf = ({ resource }: CollectedSpan) => String(resource["service.instance.id"]);

async function register(url: string, id: string, headers: Record<string, string> = {}): Promise<void> {
  const body = { endpoint: `http://${id}:9000`, capabilities: ["greet"], leaseMs: 3_600_000 };
  const response = await registration(`${url}/v1/agents/${id}`, body, headers);
  assert.ok(response.ok, await response.text());
}

describe("a trace", () => {
  it("goes on from HTTP to the leader and to the other region, and tells nothing of agents or tokens", async () => {
    const leader = federation.leaders.get("us-east")!;
    const follower = federation.nodesOf("us-east").find(({ name }) => name !== leader)!;
    await register(federation.node("us-west-1").http, "secret-west");
    const lookup = `${follower.http}/v1/lookup?capability=greet`;
    await federation.until(async () => {
      const { agents } = (await (await fetch(lookup)).json()) as { agents: unknown[] };
      return agents.length === 1;
    }, "the agent of the other region is found");
    // What answers it now is kept: only a change of the other region has it asked again.
    await register(federation.node("us-west-1").http, "secret-west-2");
    await federation.until(async () => {
      const headers = { traceparent: traceparent(1), authorization: "Bearer secret-token" };
      const { agents } = (await (await fetch(lookup, { headers })).json()) as { agents: unknown[] };
      return agents.length === 2;
    }, "its second agent is found");
    await register(follower.http, "secret-east", { traceparent: traceparent(2) });

    const place = (span: CollectedSpan) => `${nodeOf(span)} ${span.name} ${span.kind}`;
    const wanted = [
      `${follower.name} GET /v1/lookup 2`,
      `${follower.name} lookup 3`,
      "us-west-1 lookup 2",
      `${follower.name} PUT /v1/agents/:id 2`,
      `${follower.name} raft propose 1`,
      `${leader} raft commit 1`,
    ];
    const spans = await within(
      collector.untilTrace(TRACE_ID, (found) => wanted.every((span) => found.map(place).includes(span))),
      { what: "the whole trace", timeoutMs: TIMEOUT_MS, show: () => collector.spans.map(place).join("\n") },
    );
    assert.deepEqual(new Set(spans.map(nodeOf)), new Set([follower.name, leader, "us-west-1"]));

    const parentOf = (span: CollectedSpan) => spans.find(({ spanId }) => spanId === span.parentSpanId);
    const ways = ["us-west-1 lookup 2", `${leader} raft commit 1`].map((last) => {
      const way: string[] = [];
      for (let span = spans.find((one) => place(one) === last); span !== undefined; span = parentOf(span)) {
        way.unshift(place(span));
      }
      return way;
    });
    assert.deepEqual(ways, [wanted.slice(0, 3), wanted.slice(3)]);
    assert.doesNotMatch(JSON.stringify(collector.spans), /secret/);
    assert.ok(
      collector.spans.every(({ name }) => !/health|ready|metrics|ping|renewed|summary/.test(name)),
      "what nobody asked for is not traced",
    );
  });
});
