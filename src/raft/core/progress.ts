/**
 * What a leader knows of one peer, and how eagerly it sends (R34).
 *
 *   probe      where the logs agree is not known: one append at a time, paced by answers and heartbeats
 *   replicate  they agree: appends are pipelined up to the window
 *   snapshot   the entries it needs are compacted: nothing but heartbeats until the snapshot is in
 */

export interface Window {
  /** Most appends under way to one peer. */
  readonly messagesMax: number;
  /** Most bytes under way to one peer. */
  readonly bytesMax: number;
}

export class Progress {
  #state: "probe" | "replicate" | "snapshot" = "probe";
  /** Last index the peer is proven to hold; grows only from acknowledgements of this term (R32). */
  match = 0;
  /** Next entry to send. */
  next: number;
  /** The highest commit index the peer was told. */
  commitSent = 0;
  #hasAnswered = false;
  /** When it last answered, or when this leader began to expect it, on the core's clock. */
  #heardAt: number;
  /** The stamp of its newest answer to a heartbeat, and when that was heard. */
  #heardStamp: { readonly stamp: number; readonly heardAt: number } | undefined;
  /** When the newest heartbeat left that it answered. */
  #confirmedAt = Number.NEGATIVE_INFINITY;
  /** How much of its silence since then is not its fault. */
  #forgivenMs = 0;
  /** Answers read rounds up to this one (R54). */
  readRound = 0;
  /** The round of catching up that is under way: the log's end when it began, when that was, and how long the last one took. */
  #round: { readonly lastIndex: number; readonly beganAt: number; readonly lastMs: number } | null = null;
  #isProbeSent = false;
  /** Last index and size of each append under way, oldest first. */
  #inflight: { readonly lastIndex: number; readonly bytes: number }[] = [];
  #inflightBytes = 0;
  readonly #window: Window;

  constructor(next: number, now: number, window: Window) {
    this.next = next;
    this.#heardAt = now;
    this.#window = window;
  }

  get heardAt(): number {
    return this.#heardAt;
  }

  get heardStamp(): { readonly stamp: number; readonly heardAt: number } | undefined {
    return this.#heardStamp;
  }

  get confirmedAt(): number {
    return this.#confirmedAt;
  }

  /** It answered a heartbeat that left at `sentAt`. */
  answered(heard: { readonly stamp: number; readonly heardAt: number }, sentAt: number): void {
    this.#heardStamp = heard;
    this.#confirmedAt = Math.max(this.#confirmedAt, sentAt);
  }

  /** Whether it answered this leader at all. */
  get hasAnswered(): boolean {
    return this.#hasAnswered;
  }

  /** It answered. */
  heard(now: number): void {
    this.#hasAnswered = true;
    this.#heardAt = now;
    this.#forgivenMs = 0;
  }

  /** This process itself was stalled for so long, and may not have heard what the peer said. */
  forgive(now: number, ms: number): void {
    this.#forgivenMs = Math.min(this.#forgivenMs + ms, now - this.#heardAt);
  }

  /** How long it has been silent without an excuse. */
  silentMs(now: number): number {
    return now - this.#heardAt - this.#forgivenMs;
  }

  get state(): "probe" | "replicate" | "snapshot" {
    return this.#state;
  }

  /** Whether an append may leave now. */
  get isPaused(): boolean {
    if (this.#state === "probe") return this.#isProbeSent;
    if (this.#state === "snapshot") return true;
    return this.#inflight.length >= this.#window.messagesMax || this.#inflightBytes >= this.#window.bytesMax;
  }

  /** Notes an append that just left. */
  sent(lastIndex: number, entryCount: number, bytes: number): void {
    if (this.#state === "probe") {
      this.#isProbeSent = true;
      return;
    }
    if (entryCount === 0) return;
    this.next = lastIndex + 1;
    this.#inflight.push({ lastIndex, bytes });
    this.#inflightBytes += bytes;
  }

  /** @returns whether the peer is now known to hold more than before */
  accepted(index: number): boolean {
    this.#release(index);
    const hasGrown = index > this.match;
    this.match = Math.max(this.match, index);
    this.next = Math.max(this.next, this.match + 1);
    if (this.#state === "probe") this.becomeReplicate();
    // Any snapshot that reaches the log again is enough (R46).
    else if (this.#state === "snapshot" && hasGrown) this.becomeProbe();
    return hasGrown;
  }

  /**
   * Goes back to where the logs may agree.
   *
   * @returns false for an answer to an append that no longer matters
   */
  rejected(refusedIndex: number, hint: number): boolean {
    if (this.#state === "replicate") {
      if (refusedIndex <= this.match) return false;
      this.becomeProbe();
      return true;
    }
    if (this.#state === "snapshot" || this.next - 1 !== refusedIndex) return false;
    this.next = Math.max(Math.min(refusedIndex, hint + 1), this.match + 1);
    this.#isProbeSent = false;
    return true;
  }

  /** Catching up goes in rounds (Ongaro 2014, §4.2.1): each ends when the peer holds what the log held when it began. */
  followRound(now: number, lastIndex: number): void {
    const round = this.#round;
    if (round !== null && this.match < round.lastIndex) return;
    this.#round = { lastIndex, beganAt: now, lastMs: round === null ? Number.POSITIVE_INFINITY : now - round.beganAt };
  }

  /** Whether rounds take less than `shortMs` now, so that what is appended meanwhile will not leave the peer behind. */
  keepsPace(now: number, shortMs: number): boolean {
    return this.#round !== null && this.#round.lastMs < shortMs && now - this.#round.beganAt < shortMs;
  }

  /** A heartbeat was answered, so the peer lives: one more append may go, whatever was lost before (R35). */
  reopen(): void {
    this.#isProbeSent = false;
    if (this.#state === "replicate" && this.isPaused) this.#release(this.#inflight[0]!.lastIndex);
  }

  /** @param likely - an entry that the peer may well hold beyond those it acknowledged */
  becomeProbe(likely = 0): void {
    this.#state = "probe";
    this.#isProbeSent = false;
    this.next = Math.max(this.match, likely) + 1;
    this.#forgetInflight();
  }

  /** What was under way may be lost, and so may a probe: it is sent when the peer answers a heartbeat again. */
  becomeSilent(): void {
    this.becomeProbe();
    this.#isProbeSent = true;
  }

  becomeReplicate(): void {
    this.#state = "replicate";
    this.#isProbeSent = false;
    this.next = this.match + 1;
    this.#forgetInflight();
  }

  becomeSnapshot(): void {
    this.#state = "snapshot";
    this.#forgetInflight();
  }

  #release(upTo: number): void {
    let count = 0;
    while (count < this.#inflight.length && this.#inflight[count]!.lastIndex <= upTo) {
      this.#inflightBytes -= this.#inflight[count]!.bytes;
      count++;
    }
    if (count > 0) this.#inflight.splice(0, count);
  }

  #forgetInflight(): void {
    this.#inflight = [];
    this.#inflightBytes = 0;
  }
}
