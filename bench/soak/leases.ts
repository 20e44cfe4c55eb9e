/**
 * Agents that renew their leases, some of which fall silent on purpose; and whether their leases ended when they should.
 *
 * A lease runs from the moment at which the node heard of the agent: after the renewal was sent, and before it was
 * acknowledged. So it must not end before the last acknowledged renewal was sent plus the lease. How late it may end, a
 * fault decides: a node that comes to lead without having heard of the agent grants it one whole lease. So that is counted
 * from the last acknowledgement, or from when the region was last whole, whatever was later.
 */

export interface RenewingAgent {
  readonly id: string;
  readonly incarnation: number;
  /** When the last renewal that was acknowledged was sent, and when it was acknowledged. */
  sentMs: number;
  acknowledgedMs: number;
  underWay: number;
  /** Renewals begun since the last one that was acknowledged. */
  tries: number;
  /** When it was first seen that its lease ended. */
  endedMs: number | undefined;
}

export interface LeaseVerdicts {
  /** It renewed in time, and was told or shown to be gone all the same. */
  readonly wrong: string[];
  /** It tried to renew and nobody took it for a whole lease; then it was gone. */
  readonly starved: string[];
  /** It hardly tried: whoever plays the agents was held up itself. */
  readonly untried: string[];
  /** It was silent, and gone before its time. */
  readonly early: string[];
  /** It was silent, and there for longer than promised. */
  readonly late: string[];
  /** Of silent agents that ended as they should: how long after the lease was over. */
  readonly delaysMs: number[];
}

/** Looking for ended leases, the grace of a new leader, and telling it. */
const PROMPT_MS = 5_000;
/** In a lease, of an agent that does what it can to keep it. */
const TRIES_MIN = 2;

export class Fleet {
  readonly leaseMs: number;
  readonly verdicts: LeaseVerdicts = { wrong: [], starved: [], untried: [], early: [], late: [], delaysMs: [] };
  /** They renew. */
  readonly renewing: RenewingAgent[] = [];
  readonly silent = new Map<string, RenewingAgent>();
  readonly #byId = new Map<string, RenewingAgent>();
  #made = 0;
  #at = 0;

  constructor(leaseMs: number) {
    this.leaseMs = leaseMs;
  }

  nextId(region: string): string {
    return `fleet-${region}-${this.#made++}`;
  }

  joined(id: string, incarnation: number, times: { readonly sentMs: number; readonly acknowledgedMs: number }): void {
    const agent = { id, incarnation, ...times, underWay: 0, tries: 0, endedMs: undefined };
    this.renewing.push(agent);
    this.#byId.set(id, agent);
  }

  /** In turns. */
  next(): RenewingAgent | undefined {
    if (this.renewing.length === 0) return undefined;
    this.#at = (this.#at + 1) % this.renewing.length;
    return this.renewing[this.#at];
  }

  renewed(agent: RenewingAgent, sentMs: number, acknowledgedMs: number): void {
    agent.sentMs = Math.max(agent.sentMs, sentMs);
    agent.acknowledgedMs = Math.max(agent.acknowledgedMs, acknowledgedMs);
    agent.tries = 0;
  }

  /** The next one that waits for no answer falls silent. */
  silenceOne(): RenewingAgent | undefined {
    const at = this.renewing.findIndex(({ underWay }) => underWay === 0);
    const agent = this.renewing[at];
    if (agent === undefined) return undefined;
    this.renewing.splice(at, 1);
    this.silent.set(agent.id, agent);
    return agent;
  }

  /** Somebody says that this agent's lease is over. @param askedMs - when that was asked for; of an event, when it came */
  seenEnded(id: string, askedMs: number, how: string): void {
    const agent = this.#byId.get(id);
    if (agent === undefined || agent.endedMs !== undefined) return;
    agent.endedMs = askedMs;
    const sinceMs = Math.round(askedMs - agent.sentMs);
    const said = `${id}: ${how}, ${sinceMs} ms after a renewal was sent that was acknowledged; its lease is ${this.leaseMs} ms`;
    if (!this.silent.has(id)) {
      const { wrong, starved, untried } = this.verdicts;
      if (sinceMs < this.leaseMs) wrong.push(said);
      else (agent.tries >= TRIES_MIN ? starved : untried).push(`${said}; ${agent.tries} renewals were begun since`);
      this.renewing.splice(this.renewing.indexOf(agent), 1);
      return;
    }
    if (sinceMs < this.leaseMs) this.verdicts.early.push(said);
    else this.verdicts.delaysMs.push(askedMs - agent.sentMs - this.leaseMs);
  }

  /** Agents that should have been seen to end by now. @param wholeMs - when the region was last whole */
  overdue(nowMs: number, wholeMs: number): RenewingAgent[] {
    const isOverdue = ({ acknowledgedMs, endedMs }: RenewingAgent) =>
      endedMs === undefined && nowMs > Math.max(acknowledgedMs, wholeMs) + this.leaseMs + PROMPT_MS;
    return [...this.silent.values()].filter(isOverdue);
  }

  seenLate(agent: RenewingAgent, nowMs: number): void {
    agent.endedMs = nowMs;
    this.verdicts.late.push(`${agent.id}: there ${Math.round(nowMs - agent.acknowledgedMs)} ms after its last renewal`);
  }

  /** Silent agents that ended and are to be taken away. */
  takeEnded(): RenewingAgent[] {
    const ended = [...this.silent.values()].filter(({ endedMs }) => endedMs !== undefined);
    for (const { id } of ended) {
      this.silent.delete(id);
      this.#byId.delete(id);
    }
    return ended;
  }
}
