import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { RaftTransport, RaftTransportListener } from "../../../src/network/interface.ts";
import { EpochTransport } from "../../../src/node/epoch-transport.ts";
import { asClusterId, asNodeId, type ClusterId } from "../../../src/types/ids.ts";
import { NO_MEMBERS } from "../../../src/types/membership.ts";
import type { SnapshotHeader } from "../../../src/types/raft.ts";

const ORIGIN = asClusterId("origin");
const EPOCH = asClusterId("origin.1.ab");
const PEER = asNodeId("peer");
const headerOf = (cluster: ClusterId): SnapshotHeader => ({
  cluster,
  term: 1,
  lastIndex: 1,
  lastTerm: 1,
  membership: NO_MEMBERS,
});

async function* noChunks() {}

describe("the transport of an epoch", () => {
  it("F17: shows peers the epoch, and the group its origin", async () => {
    const shown: ClusterId[] = [];
    const given: ClusterId[] = [];
    let inner: RaftTransportListener | undefined;
    const wire: RaftTransport = {
      start(cluster, listener) {
        shown.push(cluster);
        inner = listener;
      },
      send() {},
      async sendSnapshot(_to, { cluster }) {
        shown.push(cluster);
      },
    };
    const transport = new EpochTransport(wire, EPOCH);
    transport.start(ORIGIN, {
      onMessage() {},
      async onSnapshot(_from, { cluster }) {
        given.push(cluster);
      },
      onPeerGone() {},
      onPeerUp() {},
    });
    await transport.sendSnapshot(PEER, headerOf(ORIGIN), noChunks());
    await inner!.onSnapshot(PEER, headerOf(EPOCH), noChunks());
    assert.deepEqual([shown, given], [[EPOCH, EPOCH], [ORIGIN]]);
  });
});
