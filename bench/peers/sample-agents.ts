/**
 * The agents that every registry is told of: agent `i` has the same id, capability and size everywhere.
 *
 * Ten agents share a capability, so a lookup finds ten however many there are.
 */

import { randomFillSync } from "node:crypto";

export const AGENTS_PER_CAPABILITY = 10;
/** What one agent takes in a store that keeps bytes; in those that take JSON, its body as it is sent. */
export const RECORD_BYTES = 600;

/** Wide enough for a million agents, so that all are of one size. */
const DIGITS = 6;

export function agentId(i: number): string {
  return `agent-${numbered(i)}`;
}

export function capabilityOf(i: number): string {
  return `skill-${numbered(Math.floor(i / AGENTS_PER_CAPABILITY))}`;
}

/** Text that makes up for what a body lacks to `RECORD_BYTES`; not to be compressed, and the same for all agents. */
export function paddingFor(body: object): string {
  const missing = RECORD_BYTES - Buffer.byteLength(JSON.stringify(body));
  return PADDING.slice(0, Math.max(0, missing));
}

const PADDING = randomFillSync(Buffer.alloc(RECORD_BYTES)).toString("base64url").slice(0, RECORD_BYTES);

function numbered(i: number): string {
  return `${i}`.padStart(DIGITS, "0");
}
