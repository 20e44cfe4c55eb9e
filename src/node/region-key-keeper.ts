/**
 * Sees to it that the region has a signing key: the first leader makes one and puts it, wrapped under the shared key, into
 * the replicated state; every member unwraps it from there. An operator may have it replaced, through any member: the new key
 * is vouched for by the old one, which then is nobody's any more.
 *
 * A node without a shared key has nobody to sign for, and makes none: wrapped under nothing, it would lie in the clear, and
 * could not be read once the region is given a shared key.
 */

import { ClusterError } from "../api/cluster-error.ts";
import { FederationError } from "../federation/errors.ts";
import { sayFarewell } from "../federation/farewell.ts";
import type { RegionKeyPair } from "../federation/interface.ts";
import { type KeyScope, succeedKey } from "../federation/key-succession.ts";
import { generateRegionKey, unwrapRegionKey, wrapRegionKey } from "../federation/region-key.ts";
import type { ConsensusGroup } from "../raft/index.ts";
import type { RegistryService } from "../registry/registry-service.ts";
import { originOf } from "../types/cluster-id.ts";
import type { Farewell, KeySuccession } from "../types/region-standing.ts";
import type { CancelTimer, Clock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";

const RETRY_MS = 1_000;

export interface RegionKeyKeeperParts {
  readonly registry: Pick<RegistryService, "regionKey" | "setRegionKey" | "replaceRegionKey" | "rewrapRegionKey">;
  readonly group: ConsensusGroup;
  /** The federation's shared key; empty when there is none. */
  readonly psk: Uint8Array;
  /** Shared keys that the region's key may still be wrapped under, while the shared one is replaced. */
  readonly formerPsks?: readonly Uint8Array[];
  /** What the key is for; the same on all members. */
  readonly scope: KeyScope;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class RegionKeyKeeper {
  readonly #parts: RegionKeyKeeperParts;
  #unwrapped: { readonly wrapped: Uint8Array; readonly pair: RegionKeyPair | undefined } | undefined;
  #isMaking = false;
  /** What was found to be wrapped under the first shared key. */
  #wrappedWell: Uint8Array | undefined;
  #cancelRetry: CancelTimer = () => {};
  #unsubscribe: () => void = () => {};

  constructor(parts: RegionKeyKeeperParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#unsubscribe = this.#parts.group.onStatusChange(() => this.#lookAfter());
    this.#lookAfter();
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

  /**
   * Replaces the key. Resolves once the new one is on disk on a majority of the region's voters; from then on it signs.
   *
   * @returns its public half
   * @throws ClusterError REGION_KEY_MISSING, REGION_KEY_CHANGED: nothing was done; RegistryError: after OUTCOME_UNKNOWN it may
   *   have been done, and doing it once more is harmless
   */
  async rotate(): Promise<Uint8Array> {
    const { registry, psk, scope, logger } = this.#parts;
    const previous = this.pair();
    const wrapped = registry.regionKey();
    if (previous === undefined || wrapped === undefined) throw keyRefusal("REGION_KEY_MISSING");
    const next = generateRegionKey();
    const succession = succeedKey(scope, previous, next.publicKey);
    const isReplaced = await registry.replaceRegionKey(wrapped, wrapRegionKey(next, psk, contextOf(scope)), succession);
    if (!isReplaced) throw keyRefusal("REGION_KEY_CHANGED");
    logger.info({ code: "REGION_KEY_REPLACED", publicKey: succession.next }, "the region signs with another key");
    return next.publicKey;
  }

  /** The region's farewell, signed. @throws ClusterError REGION_KEY_MISSING */
  farewell(successions: readonly KeySuccession[]): Farewell {
    const pair = this.pair();
    if (pair === undefined) throw keyRefusal("REGION_KEY_MISSING");
    return sayFarewell(this.#parts.scope, pair, successions);
  }

  #unwrap(wrapped: Uint8Array): RegionKeyPair | undefined {
    const { psk, scope, logger, formerPsks = [] } = this.#parts;
    const context = contextOf(scope);
    const former = formerPsks.find((each) => canUnwrap(wrapped, each, context));
    try {
      return unwrapRegionKey(wrapped, former ?? psk, context);
    } catch (error) {
      logger.error(
        { code: "REGION_KEY_UNREADABLE", reason: messageOf(error) },
        "this node can not sign for its region",
      );
      return undefined;
    }
  }

  /** The leader makes the key that is missing, and wraps anew what lies under a shared key that is on its way out. */
  #lookAfter(): void {
    const { registry, group, psk, scope, clock, logger } = this.#parts;
    if (psk.length === 0 || this.#isMaking || group.status().role !== "leader") return;
    const wrapped = registry.regionKey();
    const pair = this.pair();
    if (wrapped !== undefined && (pair === undefined || this.#wrappedWell === wrapped)) return;
    if (wrapped !== undefined && canUnwrap(wrapped, psk, contextOf(scope))) {
      this.#wrappedWell = wrapped;
      return;
    }
    const next = wrapRegionKey(pair ?? generateRegionKey(), psk, contextOf(scope));
    this.#isMaking = true;
    const written = wrapped === undefined ? registry.setRegionKey(next) : registry.rewrapRegionKey(wrapped, next);
    written
      .then(() => {
        if (wrapped === undefined) logger.info({ code: "REGION_KEY_MADE" }, "the region has a signing key");
        else logger.info({ code: "REGION_KEY_REWRAPPED" }, "the region's signing key lies under the first shared key");
      })
      .catch((error) => {
        logger.debug({ code: "REGION_KEY_NOT_MADE", reason: messageOf(error) }, "no signing key yet");
        this.#cancelRetry = clock.schedule(RETRY_MS, () => this.#lookAfter());
      })
      .finally(() => {
        this.#isMaking = false;
      });
  }
}

function canUnwrap(wrapped: Uint8Array, psk: Uint8Array, context: string): boolean {
  try {
    unwrapRegionKey(wrapped, psk, context);
    return true;
  } catch (error) {
    if (error instanceof FederationError) return false;
    throw error;
  }
}

function contextOf({ federation, region, cluster }: KeyScope): string {
  return `${federation}/${region}/${originOf(cluster)}`;
}

function keyRefusal(code: "REGION_KEY_MISSING" | "REGION_KEY_CHANGED"): ClusterError {
  return new ClusterError("the region's key was not used, nor replaced", { code });
}
