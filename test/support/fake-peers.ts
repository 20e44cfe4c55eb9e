/** A region's peers as the HTTP faces ask for them: answers what it is told to, and keeps what it was asked. */

import { PeerError, type PeerErrorDetail } from "../../src/api/peer-error.ts";
import type { PeerAdmin, PeerStatus } from "../../src/api/ports.ts";

export class FakePeerAdmin implements PeerAdmin {
  status: readonly PeerStatus[] = [];
  /** Why every change is refused from now on. */
  refusal: PeerErrorDetail | undefined;
  readonly asked: (readonly string[])[] = [];

  peers(): readonly PeerStatus[] {
    return this.status;
  }

  async addPeer(name: string): Promise<void> {
    this.#change("add", name);
  }

  async removePeer(name: string): Promise<void> {
    this.#change("remove", name);
  }

  #change(...asked: readonly string[]): void {
    this.asked.push(asked);
    if (this.refusal !== undefined) throw new PeerError("the peers stay as they are", this.refusal);
  }
}
