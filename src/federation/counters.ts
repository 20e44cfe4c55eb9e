/** What the federation counts, in plain numbers since the process started; the metrics read them at each scrape. */

import type { RegionId } from "../types/ids.ts";
import { increment } from "../util/counts.ts";
import type { FederationMetrics, PullOutcome, Refusal } from "./interface.ts";

export class FederationCounters implements FederationMetrics {
  summariesPublishedTotal = 0;
  bytesPublishedTotal = 0;
  gossipAcceptedTotal = 0;
  /** What was said in a region's name and not believed, gossip and answers, by reason. */
  readonly refusedTotal = new Map<Refusal, number>();
  gapsTotal = 0;
  pullRoundsTotal = 0;
  pullBucketsTotal = 0;
  readonly pullsTotal = new Map<PullOutcome, number>();

  published(bytes: number): void {
    this.summariesPublishedTotal++;
    this.bytesPublishedTotal += bytes;
  }

  accepted(): void {
    this.gossipAcceptedTotal++;
  }

  refused(reason: Refusal): void {
    increment(this.refusedTotal, reason);
  }

  gap(_region: RegionId): void {
    this.gapsTotal++;
  }

  pulled(_region: RegionId, outcome: PullOutcome): void {
    increment(this.pullsTotal, outcome);
  }

  fetched(buckets: number): void {
    this.pullRoundsTotal++;
    this.pullBucketsTotal += buckets;
  }
}
