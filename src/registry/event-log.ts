/**
 * The newest events of the region, in the replicated state: the same on every replica, in the order of the log.
 *
 * Pure. Bounded by the command that adds to it; what is over the bound goes, oldest first.
 */

import type { RegistryEvent } from "../types/event.ts";
import type { AgentId } from "../types/ids.ts";
import type { EventFilter } from "./interface.ts";

export class EventLog {
  /** In order of sequence. */
  readonly #events = new Map<number, RegistryEvent>();
  readonly #sequencesOf = new Map<AgentId, Set<number>>();

  get size(): number {
    return this.#events.size;
  }

  /** @param event - newer than all that were added before */
  add(event: RegistryEvent): void {
    this.#events.set(event.sequence, event);
    const sequences = this.#sequencesOf.get(event.agentId) ?? new Set();
    this.#sequencesOf.set(event.agentId, sequences.add(event.sequence));
  }

  /** Forgets the oldest events over `max`. @returns their sequence numbers */
  trim(max: number): number[] {
    const trimmed: number[] = [];
    for (const event of this.#events.values()) {
      if (this.#events.size <= max) break;
      this.#remove(event);
      trimmed.push(event.sequence);
    }
    return trimmed;
  }

  /** Forgets the events of an agent. @returns their sequence numbers */
  forget(agentId: AgentId): number[] {
    const sequences = [...(this.#sequencesOf.get(agentId) ?? [])];
    for (const sequence of sequences) this.#remove(this.#events.get(sequence)!);
    return sequences;
  }

  /** Newest first, at most `limit`. */
  find({ type, agentId, functionName }: EventFilter, limit: number): readonly RegistryEvent[] {
    const candidates = agentId === undefined ? this.#events.keys() : (this.#sequencesOf.get(agentId as AgentId) ?? []);
    const found: RegistryEvent[] = [];
    for (const sequence of [...candidates].reverse()) {
      if (found.length === limit) break;
      const event = this.#events.get(sequence)!;
      if (type !== undefined && event.type !== type) continue;
      if (functionName !== undefined && event.functionName !== functionName) continue;
      found.push(event);
    }
    return found;
  }

  #remove({ sequence, agentId }: RegistryEvent): void {
    this.#events.delete(sequence);
    const sequences = this.#sequencesOf.get(agentId)!;
    sequences.delete(sequence);
    if (sequences.size === 0) this.#sequencesOf.delete(agentId);
  }
}
