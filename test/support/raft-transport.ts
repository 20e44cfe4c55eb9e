/**
 * The links between the members of one region, in memory and on virtual time: ordered as streams are, encoded as on the
 * wire, cut in either direction when a test says so.
 */

import type { RaftTransport, RaftTransportListener } from "../../src/network/interface.ts";
import { decodeRaftMessage, encodeRaftMessage } from "../../src/network/raft-codec.ts";
import type { NodeId } from "../../src/types/ids.ts";
import type { RaftMessage, SnapshotHeader } from "../../src/types/raft.ts";
import { type Clock, repeat, sleep } from "../../src/util/clock.ts";

const CHUNK_MS = 5;

export class RaftNetwork {
  readonly #clock: Clock;
  readonly #listeners = new Map<NodeId, RaftTransportListener>();
  readonly #cuts = new Set<string>();
  delayMs = 1;
  /** Messages for which it holds are lost. */
  loses: (message: RaftMessage) => boolean = () => false;
  /** Everything that was sent, for assertions on who said what. */
  readonly sent: RaftMessage[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** One member's transport. */
  transportOf(self: NodeId): RaftTransport {
    return {
      start: (_cluster, listener) => {
        this.#listeners.set(self, listener);
      },
      send: (message) => this.#send(message),
      sendSnapshot: (to, header, chunks) => this.#stream(self, to, header, chunks),
    };
  }

  /** As a stream does, it breaks when the link is cut or the process at either end is gone. */
  async #stream(from: NodeId, to: NodeId, header: SnapshotHeader, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const ends = [this.#listeners.get(from), this.#listeners.get(to)];
    const check = () => {
      const isWhole = ends[0] === this.#listeners.get(from) && ends[1] === this.#listeners.get(to);
      if (!isWhole || !this.#isOpen(from, to)) throw new Error(`the stream to ${to} broke`);
    };
    const clock = this.#clock;
    async function* streamed() {
      for await (const chunk of chunks) {
        await sleep(clock, CHUNK_MS);
        check();
        yield Uint8Array.from(chunk);
      }
    }
    check();
    const receiver = ends[1];
    if (receiver === undefined) throw new Error(`no stream to ${to}`);
    const { promise: broken, reject } = Promise.withResolvers<never>();
    const cancel = repeat(clock, CHUNK_MS, () => {
      try {
        check();
      } catch (error) {
        reject(error);
      }
    });
    try {
      await Promise.race([receiver.onSnapshot(from, header, streamed()), broken]);
    } finally {
      cancel();
    }
  }

  /** The process is gone: its kernel tells the others, unless it is said to be silent. */
  remove(id: NodeId, { isSilent = false } = {}): void {
    this.#listeners.delete(id);
    if (isSilent) return;
    for (const [other, listener] of this.#listeners) {
      if (this.#isOpen(id, other)) this.#clock.schedule(this.delayMs, () => listener.onPeerGone(id));
    }
  }

  /** Nothing crosses from one to the other any more. */
  cut(from: NodeId, to: NodeId): void {
    this.#cuts.add(`${from}>${to}`);
  }

  /** Cuts a member off from all others. */
  isolate(id: NodeId): void {
    for (const other of this.#listeners.keys()) {
      if (other === id) continue;
      this.cut(id, other);
      this.cut(other, id);
    }
  }

  heal(): void {
    this.#cuts.clear();
  }

  #isOpen(from: NodeId, to: NodeId): boolean {
    return !this.#cuts.has(`${from}>${to}`);
  }

  #send(message: RaftMessage): void {
    this.sent.push(message);
    const { from, to } = message;
    if (!this.#listeners.has(from) || !this.#isOpen(from, to) || this.loses(message)) return;
    const bytes = encodeRaftMessage(message);
    this.#clock.schedule(this.delayMs, () => {
      if (this.#isOpen(from, to)) this.#listeners.get(to)?.onMessage(from, decodeRaftMessage(bytes, from, to));
    });
  }
}
