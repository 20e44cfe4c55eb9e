/**
 * Gossips this region's changes, for speed: on the leader, signed once per message with the region's key.
 *
 * Changes are gathered for a few milliseconds and sent with the header they lead to, so a receiver that merged them can
 * tell at once whether it holds everything. The leader tells every node it is linked with, and nobody repeats it. A header
 * alone goes out at an interval, as the sign of life that keeps the summary fresh abroad (`summary-pulse.ts`). Nothing depends
 * on a message arriving: what is lost is pulled (`summary-pull.ts`).
 */

import type { PeerDirectory, SummaryChannel } from "../network/interface.ts";
import type { SummaryEntry, SummaryHeader } from "../types/summary.ts";
import { type Clock, repeat } from "../util/clock.ts";
import type { FederationConfig, FederationMetrics, LocalRegion } from "./interface.ts";
import type { LocalSummary } from "./local-summary.ts";
import type { RegionSigner } from "./region-key.ts";
import type { RegionTrust } from "./region-trust.ts";
import type { SummaryPulse } from "./summary-pulse.ts";
import { encode, encodeEnvelope, GOSSIP_BYTES_MAX, GOSSIP_CONTEXT, type GossipBody } from "./wire.ts";

/** Room for the signature, and what stands around header and entries. */
const FRAME_BYTES = 512;

export interface SummaryPublisherOptions {
  readonly local: LocalRegion;
  readonly summary: LocalSummary;
  readonly signer: RegionSigner;
  readonly directory: PeerDirectory;
  readonly trust: RegionTrust;
  readonly channel: SummaryChannel;
  readonly pulse: SummaryPulse;
  readonly clock: Clock;
  readonly config: Pick<FederationConfig, "coalesceMs" | "headerIntervalMs">;
  readonly metrics: FederationMetrics;
}

export class SummaryPublisher {
  readonly #options: SummaryPublisherOptions;
  readonly #changed = new Set<string>();
  #cancelFlush: (() => void) | undefined;
  #term = 0;
  #sequence = 0;

  constructor(options: SummaryPublisherOptions) {
    this.#options = options;
  }

  /** Publishes until the returned function is called. */
  start(): () => void {
    const { summary, clock, config } = this.#options;
    const stopFollowing = summary.onChange((names) => this.#onChange(names));
    const stopHeaders = repeat(clock, config.headerIntervalMs, () => this.#flush());
    return () => {
      stopFollowing();
      stopHeaders();
      this.#cancelFlush?.();
      this.#changed.clear();
    };
  }

  #onChange(names: ReadonlySet<string>): void {
    const { local, clock, config } = this.#options;
    if (!local.isLeader()) return;
    for (const name of names) this.#changed.add(name);
    this.#cancelFlush ??= clock.schedule(config.coalesceMs, () => this.#flush());
  }

  /** Sends what changed since the last time, or the header alone. */
  #flush(): void {
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    const names = [...this.#changed];
    this.#changed.clear();
    const { local, summary, directory, trust } = this.#options;
    // A follower's silence loses nothing: the new leader's header shows what was not said. Nor does that of a region which
    // nobody abroad is linked with, since a link begins with a pull; this region's own nodes have the log. Those of a region
    // that is gone for good are told nothing anyway (`summary-pulse.ts`).
    const isHeard = () => trust.standing(directory.peers()).some(({ region }) => region !== local.region);
    if (!local.isLeader() || !isHeard()) return;
    const header = summary.header();
    for (const entries of split(
      header,
      names.map((name) => summary.current(name)),
    ))
      this.#publish(header, entries);
  }

  #publish(header: SummaryHeader, entries: readonly SummaryEntry[]): void {
    const { summary, signer, channel, pulse, metrics } = this.#options;
    if (header.term !== this.#term) {
      this.#term = header.term;
      this.#sequence = 0;
    }
    this.#sequence++;
    const statement: GossipBody = { header, sequence: this.#sequence, stalenessMs: summary.stalenessMs(), entries };
    const body = encode(statement);
    const signature = signer.sign(GOSSIP_CONTEXT, body);
    if (signature === undefined) return;
    const message = encodeEnvelope({ region: header.region, body, signature });
    if (entries.length > 0) channel.publish(message);
    else pulse.send(message);
    metrics.published(message.length);
  }
}

/** Entries in parts that each fit a message beside the header; one empty part when there are none. */
function split(header: SummaryHeader, entries: readonly SummaryEntry[]): SummaryEntry[][] {
  const room = GOSSIP_BYTES_MAX - FRAME_BYTES - encode(header).length;
  let part: SummaryEntry[] = [];
  let partBytes = 0;
  const parts = [part];
  for (const entry of entries) {
    const entryBytes = encode(entry).length + 1;
    if (partBytes + entryBytes > room && part.length > 0) {
      part = [];
      partBytes = 0;
      parts.push(part);
    }
    part.push(entry);
    partBytes += entryBytes;
  }
  return parts;
}
