/** A member that was away for longer than the log reaches back. */

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { FederationProcess } from "../support/federation-process.ts";
import { RegistrationLoad } from "../support/load.ts";

/** Compaction keeps `TAIL` entries of every `KEPT`, so that a few hundred writes are more than a member may miss. */
const KEPT = 200;
const TAIL = 50;

let federation: FederationProcess;
before(async () => {
  federation = await FederationProcess.start({
    regions: "solo:3",
    httpBase: 21_800,
    env: { ATOLL_RAFT_LOG_ENTRIES_MAX: `${KEPT}`, ATOLL_RAFT_LOG_TAIL_ENTRIES: `${TAIL}` },
  });
});
after(() => federation?.destroy());

interface Cluster {
  readonly appliedIndex: number;
  readonly logStartIndex: number;
}

async function clusterAt(http: string): Promise<Cluster> {
  return (await (await fetch(`${http}/v1/cluster`)).json()) as Cluster;
}

describe("a member that was away for longer than the log reaches back", () => {
  it("catches up by snapshot while writes go on, and can then lead", async (t) => {
    const leader = federation.leaders.get("solo")!;
    const away = federation.nodesOf("solo").find(({ name }) => name !== leader)!;
    const present = federation.nodesOf("solo").filter(({ name }) => name !== away.name);
    const missedFrom = (await clusterAt(away.http)).appliedIndex;
    await federation.killByPid(away.name);

    const load = new RegistrationLoad({ nodes: present.map(({ http }) => http), clients: 10, name: "missed" });
    t.after(() => load.stop());
    await load.acknowledgements(4 * KEPT);
    await federation.until(
      async () => (await clusterAt(federation.node(leader).http)).logStartIndex > missedFrom,
      "the leader to compact what the member misses",
    );
    await federation.restart(away.name);
    await load.acknowledgements(KEPT);
    await load.stop();
    assert.deepEqual([load.failedWrites, load.failedLookups], [[], []]);
    await federation.until(async () => {
      const answers = await Promise.all(load.acknowledged.map((id) => fetch(`${away.http}/v1/agents/${id}`)));
      await Promise.all(answers.map((answer) => answer.body?.cancel()));
      return answers.every(({ status }) => status === 200);
    }, `${away.name} to hold all ${load.acknowledged.length} agents`);
    assert.match(await federation.log(away.name), /SNAPSHOT_INSTALLED/);

    // Two members are left, so whichever leads needs what the other took from the snapshot.
    await federation.killByPid(leader);
    const after = new RegistrationLoad({ nodes: [away.http], clients: 2, name: "after" });
    t.after(() => after.stop());
    await after.acknowledgements(20);
    await after.stop();
    const answer = await fetch(`${away.http}/v1/lookup?capability=missed&limit=1&consistency=linearizable`);
    assert.equal(answer.status, 200, await answer.text());
  });
});
