import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { Progress } from "../../../../src/raft/core/progress.ts";

let peer: Progress;
beforeEach(() => {
  peer = new Progress(1, 0, { messagesMax: 1, bytesMax: 1 });
  peer.heard(1_000);
});

describe("raft/core/progress: silence", () => {
  it("is not charged for a stall of this process (R59)", () => {
    peer.forgive(1_500, 300);
    assert.equal(peer.silentMs(1_500), 200);
    assert.equal(peer.silentMs(1_600), 300);
  });

  it("has nothing to forgive in a peer that was heard a moment ago", () => {
    peer.forgive(1_000, 300);
    assert.equal(peer.silentMs(1_400), 400);
  });

  it("begins anew with each answer, whatever was forgiven before", () => {
    peer.forgive(1_500, 300);
    peer.heard(2_000);
    assert.equal(peer.silentMs(2_100), 100);
  });

  it("leaves the time of the last answer what it was: freshness is measured from it (P9)", () => {
    peer.forgive(1_500, 300);
    assert.equal(peer.heardAt, 1_000);
  });
});
