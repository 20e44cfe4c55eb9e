import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createMetrics } from "../../../src/metrics/metrics.ts";
import { metricsSource } from "../../support/api-app.ts";
import { agentId, aRecord, TestRegion } from "../registry/fixtures.ts";

function createTestMetrics(includeProcess = false) {
  const region = new TestRegion(1);
  const node = region.nodes[0]!;
  const metrics = createMetrics({
    source: metricsSource(node),
    clock: region.clock,
    node: { region: "us-east", name: "us-east-1", version: "1.2.3" },
    includeProcess,
  });
  return { region, node, metrics, lines: async () => (await metrics.render()).split("\n") };
}

describe("metrics", () => {
  it("reads gauges when it is asked, not when something changes", async () => {
    const { node, lines } = createTestMetrics();
    assert.ok((await lines()).includes("mcp_registry_agents_total 0"));
    await node.service.register(agentId(1), aRecord());
    await node.service.register(agentId(2), aRecord());
    await node.service.deregister(agentId(2), "keep");
    const text = await lines();
    for (const line of [
      "mcp_registry_agents_total 2",
      'mcp_registry_agents_by_status{status="healthy"} 1',
      'mcp_registry_agents_by_status{status="unhealthy"} 1',
      "mcp_registry_capabilities_total 1",
      "atoll_raft_applied_index 3",
    ]) {
      assert.ok(text.includes(line), line);
    }
  });

  it("shows every area in seconds and bytes", async () => {
    const { lines, region } = createTestMetrics();
    await region.clock.advance(90_000);
    const text = await lines();
    for (const line of [
      'atoll_node_info{region="us-east",node="us-east-1",version="1.2.3"} 1',
      "mcp_registry_uptime_seconds 90",
      'atoll_raft_role{role="leader"} 1',
      'atoll_raft_role{role="follower"} 0',
      "atoll_raft_elections_total 1",
      "atoll_registry_leases_expired_total 3",
      'atoll_network_peers{where="abroad"} 3',
      'atoll_network_handshakes_refused_total{code="WRONG_KEY"} 4',
      'atoll_network_dropped_total{kind="raft-queue-full"} 5',
      'atoll_network_bad_frames_total{protocol="request"} 7',
      'atoll_federation_refused_total{reason="bad-signature"} 6',
      'atoll_federation_pulls_total{outcome="repaired"} 4',
      'atoll_federation_summary_age_seconds{region="us-west"} 1.5',
      'atoll_federation_round_trip_seconds{region="us-west"} 0.06',
      'atoll_federation_region_connected{region="eu-west"} 0',
      "atoll_node_ready 1",
      "atoll_disk_free_bytes 3000",
      'atoll_http_connections{port="main"} 3',
      'atoll_http_connections_max{port="main"} 100',
      'atoll_http_connections_dropped_total{port="main"} 2',
      'atoll_http_connections_shed_total{port="main"} 3',
      'atoll_certificate_not_after_timestamp_seconds{use="entity",entity="acme"} 1800000000',
      'atoll_raft_follower_lag_entries{member="us-east-2"} 12',
      'atoll_raft_follower_silent_seconds{member="us-east-2"} 0.25',
      "atoll_raft_leaderless_seconds_total 1.5",
      'atoll_federation_region_breaker_open{region="us-west"} 1',
    ]) {
      assert.ok(text.includes(line), line);
    }
  });

  it("leaves out what is not known rather than inventing a number", async () => {
    const { lines } = createTestMetrics();
    const text = await lines();
    assert.ok(!text.some((line) => line.startsWith('atoll_federation_summary_age_seconds{region="eu-west"}')));
    assert.ok(!text.some((line) => /(Inf|NaN)$/.test(line)));
  });

  it("counts a failed request as an error, a refused one not", async () => {
    const { metrics, lines } = createTestMetrics();
    metrics.http.observe("GET", "/x", 200, 0.001);
    metrics.http.observe("GET", "/x", 404, 0.001);
    metrics.http.observe("GET", "/x", 503, 0.001);
    const text = await lines();
    assert.ok(text.includes("mcp_registry_requests_total 3"));
    assert.ok(text.includes("mcp_registry_errors_total 1"));
  });

  it("takes what the group tells: how long writes and proposals took, and how they ended", async () => {
    const { metrics, lines } = createTestMetrics();
    metrics.raft.written(2);
    metrics.raft.proposed("done", 4);
    metrics.raft.proposed("NO_LEADER", 5_000);
    metrics.raft.read("done");
    metrics.raft.stalled(300);
    metrics.raft.snapshot("sent", false);
    const text = await lines();
    for (const line of [
      'atoll_raft_write_duration_seconds_bucket{le="0.0025"} 1',
      "atoll_raft_propose_duration_seconds_sum 0.004",
      'atoll_raft_proposals_total{outcome="done"} 1',
      'atoll_raft_proposals_total{outcome="NO_LEADER"} 1',
      'atoll_raft_reads_total{outcome="done"} 1',
      "atoll_raft_stalls_total 1",
      "atoll_raft_stalled_seconds_total 0.3",
      'atoll_raft_snapshots_total{outcome="not-sent"} 1',
    ]) {
      assert.ok(text.includes(line), line);
    }
  });

  it("has the lines that existing scripts look for, a help text for each, and nobody else's numbers", async () => {
    const { metrics, lines } = createTestMetrics();
    createTestMetrics().metrics.registry.registration("v1", "created");
    const text = await lines();
    assert.ok(text.some((line) => /^mcp_/.test(line)));
    assert.ok(text.some((line) => /discovery/.test(line)));
    assert.ok(text.includes("mcp_registry_registrations_processed_total 0"));
    const named = new Set(text.filter((line) => line.startsWith("# TYPE ")).map((line) => line.split(" ")[2]));
    for (const name of named)
      assert.ok(
        text.some((line) => line.startsWith(`# HELP ${name} `)),
        name,
      );
    assert.match(metrics.contentType, /^text\/plain/);
  });

  it("shows the process only where it is the node's own", async () => {
    assert.ok(!(await createTestMetrics(false).metrics.render()).includes("process_resident_memory_bytes"));
    assert.ok((await createTestMetrics(true).metrics.render()).includes("process_resident_memory_bytes"));
  });
});
