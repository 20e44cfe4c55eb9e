/**
 * Sees to it that the region has a signing key: the first leader makes one and puts it, wrapped under the shared key, into
 * the replicated state; every member unwraps it from there.
 *
 * A node without a shared key has nobody to sign for, and makes none: wrapped under nothing, it would lie in the clear, and
 * could not be read once the region is given a shared key.
 */

import type { RegionKeyPair } from "../federation/interface.ts";
import { generateRegionKey, unwrapRegionKey, wrapRegionKey } from "../federation/region-key.ts";
import type { ConsensusGroup } from "../raft/index.ts";
import type { RegistryService } from "../registry/registry-service.ts";
import type { CancelTimer, Clock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";

const RETRY_MS = 1_000;

export interface RegionKeyKeeperParts {
  readonly registry: RegistryService;
  readonly group: ConsensusGroup;
  /** The federation's shared key; empty when there is none. */
  readonly psk: Uint8Array;
  /** What the key is for; the same on all members. */
  readonly context: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class RegionKeyKeeper {
  readonly #parts: RegionKeyKeeperParts;
  #unwrapped: { readonly wrapped: Uint8Array; readonly pair: RegionKeyPair | undefined } | undefined;
  #isMaking = false;
  #cancelRetry: CancelTimer = () => {};
  #unsubscribe: () => void = () => {};

  constructor(parts: RegionKeyKeeperParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#unsubscribe = this.#parts.group.onStatusChange(() => this.#makeIfMissing());
    this.#makeIfMissing();
  }

  stop(): void {
    this.#unsubscribe();
    this.#cancelRetry();
  }

  /** The key as the applied state has it; undefined until there is one that this node can read. */
  pair(): RegionKeyPair | undefined {
    const wrapped = this.#parts.registry.regionKey();
    if (wrapped === undefined) return undefined;
    if (this.#unwrapped?.wrapped !== wrapped) this.#unwrapped = { wrapped, pair: this.#unwrap(wrapped) };
    return this.#unwrapped.pair;
  }

  #unwrap(wrapped: Uint8Array): RegionKeyPair | undefined {
    const { psk, context, logger } = this.#parts;
    try {
      return unwrapRegionKey(wrapped, psk, context);
    } catch (error) {
      logger.error(
        { code: "REGION_KEY_UNREADABLE", reason: messageOf(error) },
        "this node can not sign for its region",
      );
      return undefined;
    }
  }

  #makeIfMissing(): void {
    const { registry, group, psk, context, clock, logger } = this.#parts;
    if (psk.length === 0 || this.#isMaking) return;
    if (registry.regionKey() !== undefined || group.status().role !== "leader") return;
    this.#isMaking = true;
    registry
      .setRegionKey(wrapRegionKey(generateRegionKey(), psk, context))
      .then(() => logger.info({ code: "REGION_KEY_MADE" }, "the region has a signing key"))
      .catch((error) => {
        logger.debug({ code: "REGION_KEY_NOT_MADE", reason: messageOf(error) }, "no signing key yet");
        this.#cancelRetry = clock.schedule(RETRY_MS, () => this.#makeIfMissing());
      })
      .finally(() => {
        this.#isMaking = false;
      });
  }
}
