/**
 * This node's place in its region: how it gets one, what it waits for until then, and how it gives it up for good.
 *
 * The steps themselves, and what is on disk after each, are `raft/bootstrap.ts`; here they are taken in order, beside
 * everything else that a node does, and end the node where they must.
 */

import {
  answerNewcomers,
  askUntilMember,
  type EntryParts,
  enterRegion,
  type Founding,
  noteRemoval,
} from "../raft/bootstrap.ts";
import { BootstrapError } from "../raft/bootstrap-error.ts";
import type { Membership } from "../types/membership.ts";

export interface RegionPlaceParts extends Omit<EntryParts, "onWaiting"> {
  /** Aborted when the node stops. */
  readonly stopping: AbortSignal;
  /** The node can not go on. */
  readonly onFatal: (error: unknown) => void;
  /** The node left its region, and its disk says so. */
  readonly onRemoved: () => void;
}

export class RegionPlace {
  readonly #parts: RegionPlaceParts;
  #waitsFor: string | null = "this node looks for the members of its region";
  #isLeaving = false;

  constructor(parts: RegionPlaceParts) {
    this.#parts = parts;
  }

  /** What keeps this node out of its region, in words for operators; null once it belongs to it. */
  get waitsFor(): string | null {
    return this.#waitsFor;
  }

  /**
   * Takes the place that this node's disk says it has, or waits without end for one.
   *
   * @param takePart - joins the group in that place
   * @returns when it takes part, when the node stops, or after it failed and `onFatal` was told
   */
  enter(takePart: (founding: Founding) => Promise<void>): Promise<void> {
    return this.#guarded(async () => takePart(await enterRegion(this.#entryParts(), this.#parts.stopping)));
  }

  /** For a node that belongs to its region since it was started before: answers those that look for it. */
  answerNewcomers(): void {
    answerNewcomers(this.#parts);
  }

  /** The group is up. Goes on asking until `membership` has this node, which a promise that was lost may leave out. */
  confirm(membership: () => Membership): void {
    this.#waitsFor = null;
    void this.#guarded(async () => {
      await askUntilMember(this.#entryParts(), membership, this.#parts.stopping);
      this.#waitsFor = null;
    });
  }

  /** The region has no place for this identity any more. Noted on disk before anybody is told. */
  leave(): void {
    void this.#guarded(() => this.#leave());
  }

  async #leave(): Promise<void> {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    this.#waitsFor = "this node was removed from its region";
    await noteRemoval(this.#parts);
    const { self, logger, onRemoved } = this.#parts;
    logger.warn(
      { code: "MEMBER_REMOVED", ...self },
      "this node was removed from its region and stops; to join again as a new member, move its data folder away first",
    );
    onRemoved();
  }

  #entryParts(): EntryParts {
    const onWaiting = (reason: string) => {
      if (!this.#isLeaving) this.#waitsFor = reason;
    };
    return { ...this.#parts, onWaiting };
  }

  /** Runs beside everything else, so a failure ends the node instead of passing unseen. */
  async #guarded(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (this.#parts.stopping.aborted) return;
      const isRemoval = error instanceof BootstrapError && error.detail.code === "MEMBER_REMOVED";
      if (isRemoval) await this.#guarded(() => this.#leave());
      else this.#parts.onFatal(error);
    }
  }
}
