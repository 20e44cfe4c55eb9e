/**
 * Sees to it that all nodes of the region tell other regions the same: the leader has its own `federation.export` written to
 * the log, and every node goes by what the log says.
 *
 * Any node answers pulls, and their digests must agree, so a policy of each node's own would look like damage from abroad. Nodes
 * that are configured otherwise than the region say so, in the log and in `/v1/cluster`: should one of them lead one day, its
 * policy becomes the region's.
 */

import type { ConsensusGroup } from "../raft/index.ts";
import { canonicalExport, type ExportPolicy, equalExport } from "../registry/export-policy.ts";
import type { RegistryService } from "../registry/registry-service.ts";
import type { CancelTimer, Clock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";

const RETRY_MS = 1_000;

export interface ExportKeeperParts {
  readonly registry: Pick<RegistryService, "exportPolicy" | "setExportPolicy" | "onChange">;
  readonly group: Pick<ConsensusGroup, "status" | "onStatusChange">;
  readonly configured: ExportPolicy;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class ExportKeeper {
  readonly #parts: ExportKeeperParts;
  /** The region's policy as it was when it was compared with the configured one last: commands are applied all the time. */
  #judged: { readonly policy: ExportPolicy | undefined; readonly isAsConfigured: boolean } | undefined;
  #warnedOf: ExportPolicy | undefined;
  #isSetting = false;
  #cancelRetry: CancelTimer = () => {};
  #stops: readonly (() => void)[] = [];

  constructor(parts: ExportKeeperParts) {
    this.#parts = parts;
  }

  start(): void {
    const { group, registry } = this.#parts;
    this.#stops = [group.onStatusChange(() => this.#look()), registry.onChange(() => this.#warn())];
    this.#look();
  }

  stop(): void {
    for (const stop of this.#stops) stop();
    this.#cancelRetry();
  }

  #look(): void {
    this.#warn();
    const { registry, group, configured, clock, logger } = this.#parts;
    if (this.#isSetting || this.#isAsConfigured() || group.status().role !== "leader") return;
    this.#isSetting = true;
    const policy = canonicalExport(configured);
    registry
      .setExportPolicy(policy)
      .then(() => logger.info({ code: "EXPORT_SET", policy }, "other regions see these namespaces"))
      .catch((error) => {
        logger.debug({ code: "EXPORT_NOT_SET", reason: messageOf(error) }, "what other regions see is not set yet");
        this.#cancelRetry = clock.schedule(RETRY_MS, () => this.#look());
      })
      .finally(() => {
        this.#isSetting = false;
      });
  }

  #isAsConfigured(): boolean {
    const { registry, configured } = this.#parts;
    const policy = registry.exportPolicy();
    if (this.#judged === undefined || this.#judged.policy !== policy) {
      this.#judged = { policy, isAsConfigured: policy !== undefined && equalExport(policy, configured) };
    }
    return this.#judged.isAsConfigured;
  }

  /** Once for each policy of the region that is not this node's. */
  #warn(): void {
    const { registry, group, configured, logger } = this.#parts;
    const policy = registry.exportPolicy();
    if (policy === undefined || policy === this.#warnedOf || this.#isAsConfigured()) return;
    // A leader is about to set its own.
    if (group.status().role === "leader") return;
    this.#warnedOf = policy;
    logger.warn(
      { code: "EXPORT_DIFFERS", policy, configured },
      "federation.export of this node is not the region's: set the same on all its nodes",
    );
  }
}
