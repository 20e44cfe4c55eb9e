/** Answers other regions' pulls. Every node of a region does, not only the leader, each under the region's key. */

import type { PeerInfo } from "../network/interface.ts";
import type { SummaryEntry } from "../types/summary.ts";
import { encodeDigests } from "./capability-summary.ts";
import { FederationError } from "./errors.ts";
import type { LocalRegion } from "./interface.ts";
import type { LocalSummary } from "./local-summary.ts";
import type { PeerBudgets } from "./peer-budgets.ts";
import type { RegionSigner } from "./region-key.ts";
import type { Retirements } from "./retirements.ts";
import { encode, PULL_ANSWER_BYTES, PULL_CONTEXT, type PullAnswer, type PullBody, readPullRequest } from "./wire.ts";

export interface SummaryAnswersOptions {
  readonly local: LocalRegion;
  readonly summary: LocalSummary;
  readonly signer: RegionSigner;
  readonly retirements: Retirements;
  readonly budgets: PeerBudgets;
}

export class SummaryAnswers {
  readonly #options: SummaryAnswersOptions;

  constructor(options: SummaryAnswersOptions) {
    this.#options = options;
  }

  /**
   * The signed header, the bucket digests under it unless the asker's are the same, and as many of the buckets asked for as fit an answer, at least one.
   *
   * @throws FederationError NOT_READY, RATE_LIMITED, MALFORMED
   */
  answer(from: PeerInfo, payload: unknown): PullAnswer {
    const { local, summary, signer, budgets, retirements } = this.#options;
    const { region } = local;
    budgets.spend(from.nodeId);
    const request = readPullRequest(payload);
    const statement: PullBody = {
      header: summary.header(),
      nonce: request.nonce,
      stalenessMs: summary.stalenessMs(),
      nodes: summary.nodes(),
    };
    const body = encode(statement);
    const publicKey = signer.publicKey();
    const signature = signer.sign(PULL_CONTEXT, body);
    if (publicKey === undefined || signature === undefined) {
      throw new FederationError(`${region} has no signing key yet`, { code: "NOT_READY", region });
    }
    const buckets = this.#page(request.buckets);
    const isEqual = request.rootDigest === statement.header.rootDigest;
    const digests = isEqual ? {} : { digests: encodeDigests(summary.bucketDigests()) };
    const farewells = retirements.toTell();
    return { publicKey, successions: local.keySuccessions(), farewells, body, signature, ...digests, buckets };
  }

  #page(numbers: readonly number[]): PullAnswer["buckets"] {
    const page: { bucket: number; entries: SummaryEntry[] }[] = [];
    let bytes = 0;
    for (const bucket of new Set(numbers)) {
      const entries = this.#options.summary.bucket(bucket);
      bytes += encode(entries).length;
      if (bytes > PULL_ANSWER_BYTES && page.length > 0) break;
      page.push({ bucket, entries });
    }
    return page;
  }
}
