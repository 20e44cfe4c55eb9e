/** What a member sends and takes of the state as a whole. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { RaftTransport } from "../../../src/network/interface.ts";
import { noRaftMetrics } from "../../../src/raft/metrics.ts";
import { SnapshotExchange } from "../../../src/raft/snapshot-exchange.ts";
import { RaftStore } from "../../../src/storage/raft-store.ts";
import { asClusterId, type NodeId } from "../../../src/types/ids.ts";
import { NO_MEMBERS } from "../../../src/types/membership.ts";
import type { SnapshotHeader } from "../../../src/types/raft.ts";
import { silentLogger } from "../../../src/util/logger.ts";
import { MemoryStore } from "../../support/memory-store.ts";
import { Bench, entriesOf, n1, n2, n3, n4, votersUpTo } from "../../support/raft-core.ts";
import { members } from "../../support/raft-sim-plan.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const CLUSTER = asClusterId("c1");
const RETRY_MS = 600;
const THREE = votersUpTo(3);

/** One member's exchange, with a state at index 5 of term 2 on its disk, and what it sends to whom. */
async function exchange({ breaks = () => false }: { breaks?: () => boolean } = {}) {
  const clock = new VirtualClock();
  const storage = new RaftStore(new MemoryStore(), silentLogger);
  await storage.found(CLUSTER, THREE);
  await storage.write({
    hardState: { term: 2, votedFor: null, commit: 5 },
    entries: entriesOf([2, 2, 2, 2, 2]),
    state: { writes: [{ key: "a", value: 1 }], appliedIndex: 5, membership: THREE },
  });
  const sent: { to: NodeId; header: SnapshotHeader; chunks: Uint8Array[] }[] = [];
  const transport: Pick<RaftTransport, "sendSnapshot"> = {
    sendSnapshot: async (to, header, chunks) => {
      if (breaks()) throw new Error("the stream broke");
      const kept: Uint8Array[] = [];
      for await (const chunk of chunks) kept.push(chunk);
      sent.push({ to, header, chunks: kept });
    },
  };
  const parts = { cluster: CLUSTER, storage, clock, logger: silentLogger, metrics: noRaftMetrics, retryMs: RETRY_MS };
  return { clock, storage, sent, exchange: new SnapshotExchange({ ...parts, transport: transport as RaftTransport }) };
}

describe("raft/snapshot-exchange: the sender", () => {
  it("streams the state with the configuration of its index, and says when it is there", async () => {
    const { clock, exchange: sender, sent } = await exchange();
    const done: unknown[] = [];
    sender.send(n2, 7, (...outcome) => done.push(outcome));
    await clock.advance(0);
    assert.deepEqual(done, [[5, true]]);
    assert.deepEqual(
      sent.map(({ to, header }) => [to, header]),
      [[n2, { cluster: CLUSTER, term: 7, lastIndex: 5, lastTerm: 2, membership: THREE }]],
    );
  });

  it("sends one at a time to a peer", async () => {
    const { clock, exchange: sender, sent } = await exchange();
    for (const peer of [n2, n2, n3]) sender.send(peer, 7, () => {});
    await clock.advance(0);
    assert.deepEqual(
      sent.map(({ to }) => to),
      [n2, n3],
    );
  });

  it("reports a broken transfer once, a while later, so that it is not repeated in a rush (R46)", async () => {
    const { clock, exchange: sender } = await exchange({ breaks: () => true });
    const done: unknown[] = [];
    sender.send(n2, 7, (...outcome) => done.push(outcome));
    await clock.advance(RETRY_MS - 1);
    assert.deepEqual(done, []);
    await clock.advance(1);
    assert.deepEqual(done, [[0, false]]);
  });

  it("sends no snapshot that leaves its receiver out: it would forget that it is a member (R45)", async () => {
    const { clock, exchange: sender, sent } = await exchange();
    const done: unknown[] = [];
    sender.send(n4, 7, (...outcome) => done.push(outcome));
    await clock.advance(RETRY_MS);
    assert.deepEqual([sent, done], [[], [[0, false]]]);
  });

  it("reports nothing any more once it is stopped", async () => {
    const { clock, exchange: sender } = await exchange({ breaks: () => true });
    const done: unknown[] = [];
    sender.send(n2, 7, (...outcome) => done.push(outcome));
    await clock.advance(1);
    sender.stop();
    await clock.advance(RETRY_MS);
    assert.deepEqual(done, []);
  });
});

describe("raft/snapshot-exchange: the receiver", () => {
  /** A member far behind, led by n2 in term 3, and what n2 would send it. */
  async function receiver() {
    const { clock, exchange: sender, sent } = await exchange();
    sender.send(n1, 3, () => {});
    await clock.advance(0);
    const [{ header, chunks }] = sent as [(typeof sent)[number]];
    const storage = new RaftStore(new MemoryStore(), silentLogger);
    await storage.found(CLUSTER, THREE);
    const bench = new Bench({ membership: THREE });
    bench.heartbeat(n2, {}, 3);
    const transport = { sendSnapshot: () => assert.fail("it only receives") };
    const parts = { cluster: CLUSTER, storage, clock, logger: silentLogger, metrics: noRaftMetrics, retryMs: RETRY_MS };
    const own = new SnapshotExchange({ ...parts, transport: transport as unknown as RaftTransport });
    let installed = 0;
    const receive = async (
      change: Partial<SnapshotHeader> = {},
      from = n2,
      stream: AsyncIterable<Uint8Array> = streamOf(chunks),
    ) => {
      await own.receive(from, { ...header, ...change }, stream, bench.state, async (commit) => {
        if ((await commit({ term: 3, votedFor: null })) !== null) installed++;
      });
      return installed;
    };
    return { bench, storage, chunks, receive };
  }

  async function* streamOf(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
    yield* chunks;
  }

  it("puts what it received in the place of its state", async () => {
    const { storage, receive } = await receiver();
    assert.equal(await receive(), 1);
    assert.equal(storage.durableAppliedIndex, 5);
  });

  it("F17: refuses the snapshot of another region", async () => {
    const { storage, receive } = await receiver();
    await assert.rejects(receive({ cluster: asClusterId("c2") }), /another region's/);
    assert.equal(storage.durableAppliedIndex, 0);
  });

  it("refuses one of a member that does not lead, and one of another term (R43)", async () => {
    const { storage, receive } = await receiver();
    await assert.rejects(receive({}, n3), /n3 does not lead/);
    await assert.rejects(receive({ term: 2 }), /of term 2, ours is 3/);
    assert.equal(storage.durableAppliedIndex, 0);
  });

  it("takes one from its leader although it knows no members yet", async () => {
    const { bench, receive } = await receiver();
    bench.state.membership = { ...NO_MEMBERS, voters: members(2, 3) };
    assert.equal(await receive(), 1);
  });

  it("takes one at a time (R43)", async () => {
    const { chunks, receive } = await receiver();
    const { promise: rest, resolve } = Promise.withResolvers<void>();
    async function* slowly() {
      yield chunks[0]!;
      await rest;
      yield* chunks.slice(1);
    }
    const first = receive({}, n2, slowly());
    await assert.rejects(receive(), /another snapshot is being received/);
    resolve();
    assert.equal(await first, 1);
  });

  it("needs none that its log contains, and says that it has it", async () => {
    const { bench, storage, receive } = await receiver();
    bench.append(n2, { prev: [0, 0], terms: [2, 2, 2, 2, 2, 2] });
    assert.equal(await receive(), 0);
    assert.deepEqual([bench.state.log.commit, storage.durableAppliedIndex], [5, 0]);
  });

  it("drops one that the log has overtaken while it came (R44)", async () => {
    const { bench, chunks, storage, receive } = await receiver();
    async function* overtaken() {
      yield* chunks;
      bench.append(n2, { prev: [0, 0], terms: [2, 2, 2, 2, 2, 2], commit: 6 });
    }
    assert.equal(await receive({}, n2, overtaken()), 0);
    assert.equal(storage.durableAppliedIndex, 0);
    assert.equal(bench.state.log.lastIndex, 6);
  });

  it("leaves everything as it was when a transfer ends in the middle, and takes the next (R6)", async () => {
    const { chunks, storage, receive } = await receiver();
    await assert.rejects(receive({}, n2, streamOf(chunks.slice(0, -1))), /ends before its last chunk/);
    assert.equal(storage.durableAppliedIndex, 0);
    assert.equal(await receive(), 1);
  });
});
