/**
 * What the log did to the registry, told by the first replica that applies each command: a registration takes effect once,
 * none that was acknowledged is missing, none that was refused is there (P1, R40, R41).
 *
 * Every attempt to register carries a value of its own, as the record's version.
 */

import { type Command, decodeCommand } from "../../src/registry/commands.ts";
import type { AgentRecord } from "../../src/types/agent.ts";
import type { AgentId } from "../../src/types/ids.ts";
import { check } from "./raft-invariants.ts";

export class CommandLedger {
  /** Log index at which each value took effect. */
  readonly #indexOf = new Map<string, number>();
  readonly #registered = new Map<number, AgentId>();
  readonly #refused = new Set<string>();
  #lastIndex = 0;
  #nextValue = 1;

  /** A value that nobody used. */
  newValue(): string {
    return String(this.#nextValue++);
  }

  /** @returns the command when no replica applied it before */
  applying(bytes: Uint8Array, index: number): Command | null {
    if (index <= this.#lastIndex) return null;
    this.#lastIndex = index;
    const command = decodeCommand(bytes);
    if (command?.kind !== "register") return command;
    const value = command.record.version;
    const earlier = this.#indexOf.get(value);
    check(earlier === undefined, `exactly once: ${value} was applied at ${earlier} and again at ${index}`);
    check(!this.#refused.has(value), `${value} was refused, and applied at ${index}`);
    this.#indexOf.set(value, index);
    this.#registered.set(index, command.id);
    return command;
  }

  /** Who was registered by the command at this index, if it was a registration. */
  registeredAt(index: number): AgentId | undefined {
    return this.#registered.get(index);
  }

  acknowledged(value: string, revision: number): void {
    const index = this.#indexOf.get(value);
    check(index === revision, `${value} was acknowledged at ${revision}, and applied at ${index}`);
  }

  refused(value: string): void {
    const index = this.#indexOf.get(value);
    check(index === undefined, `${value} was refused after it had been applied at ${index}`);
    this.#refused.add(value);
  }
}

/** A small record that is unlike any other. An agent that moves begins another lease. */
export function recordOf(value: string, leaseMs: number, { paddingBytes = 0, place = 1 } = {}): AgentRecord {
  return {
    name: "simulated",
    namespace: "default",
    type: "mcp_agent",
    runtime: "python",
    version: value,
    endpoint: `http://10.0.0.${place}:8080`,
    labels: {},
    metadata: paddingBytes === 0 ? {} : { padding: "x".repeat(paddingBytes) },
    capabilities: [{ name: "weather", functionName: "weather", version: "1.0.0", tags: [], dependencies: [] }],
    leaseMs,
  };
}
