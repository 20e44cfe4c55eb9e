import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { noise } from "@libp2p/noise";
import { wholePackets } from "../../../src/network/whole-packets.ts";
import { carry, encryptedPair } from "../../support/encrypted-pair.ts";

const PLAIN = noise();
const MESSAGES = [1, 50, 600, 65_000].map((length, i) => new Uint8Array(length).fill(i + 1));

async function piecesOf(test: TestContext, encrypters: typeof PLAIN): Promise<number> {
  const { near, far, pieces } = await encryptedPair(test, encrypters);
  const before = pieces();
  await carry(near, far, MESSAGES);
  return pieces() - before;
}

describe("wholePackets", () => {
  it("gives the transport each packet in one piece, where plain noise gives two or three", async (test) => {
    assert.ok((await piecesOf(test, PLAIN)) >= 2 * MESSAGES.length, "or there is nothing to join");
    assert.equal(await piecesOf(test, wholePackets(PLAIN)), MESSAGES.length);
  });

  it("carries what plain noise carries", async (test) => {
    const { near, far } = await encryptedPair(test, wholePackets(PLAIN));
    const messages = [...MESSAGES, new Uint8Array(300_000).fill(9)];
    assert.deepEqual(await carry(near, far, messages), Buffer.concat(messages));
  });
});
