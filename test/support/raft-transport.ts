/**
 * The links between the members of one region, in memory and on virtual time: ordered as streams are, encoded as on the
 * wire, cut in either direction when a test says so.
 */

import type { RaftTransport, RaftTransportListener } from "../../src/network/interface.ts";
import { decodeRaftMessage, encodeRaftMessage } from "../../src/network/raft-codec.ts";
import type { NodeId } from "../../src/types/ids.ts";
import type { RaftMessage } from "../../src/types/raft.ts";
import { type Clock, sleep } from "../../src/util/clock.ts";

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
      sendSnapshot: async (to, header, chunks) => {
        const receiver = () => {
          const listener = this.#isOpen(self, to) ? this.#listeners.get(to) : undefined;
          if (listener === undefined) throw new Error(`the stream to ${to} broke`);
          return listener;
        };
        const clock = this.#clock;
        async function* streamed() {
          for await (const chunk of chunks) {
            await sleep(clock, CHUNK_MS);
            receiver();
            yield Uint8Array.from(chunk);
          }
        }
        await receiver().onSnapshot(self, header, streamed());
        receiver();
      },
    };
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
