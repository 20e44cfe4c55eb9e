/**
 * Who may change which agent: by namespace, and by the entity that an agent belongs to.
 *
 * Pure, and part of the replicated state machine: two who claim one agent at the same time are told apart by the log.
 */

import type { StoredAgent } from "../types/agent.ts";
import type { ChangeGuard } from "../types/token.ts";

/** What the log needs of a guard. */
export type ReplicatedGuard = Omit<ChangeGuard, "token">;

export type Forbidden =
  | { readonly refused: "namespace"; readonly namespace: string }
  | { readonly refused: "entity"; readonly entity: string };

/**
 * Why a change is not allowed, or null.
 *
 * @param namespace - the one that the agent is to be in; undefined when it stays where it is
 * @param held - the agent as it is; undefined when there is none
 */
export function findForbidden(
  guard: ReplicatedGuard | undefined,
  namespace: string | undefined,
  held: Pick<StoredAgent, "entity" | "record"> | undefined,
): Forbidden | null {
  const allowed = guard?.namespaces ?? null;
  if (allowed !== null) {
    for (const touched of [namespace, held?.record.namespace]) {
      if (touched !== undefined && !allowed.includes(touched)) return { refused: "namespace", namespace: touched };
    }
  }
  const owner = held?.entity;
  if (owner === undefined || guard?.overrides === true || guard?.entity === owner) return null;
  return { refused: "entity", entity: owner };
}
