/**
 * Watches a node's cluster and agents, and writes down what happened (`activity-log.ts`).
 *
 * A change of leader is looked at as soon as the group reports it, everything else each second. Agents are many: what
 * happened to them within a second is told in one entry for each kind, with the first few named.
 */

import type { ActivityEvent, AgentsChange, ClusterView } from "../api/ports.ts";
import type { KeptAgent } from "../registry/agent-index.ts";
import type { StateObserver } from "../registry/registry-state-machine.ts";
import { type CancelTimer, type Clock, repeat } from "../util/clock.ts";
import type { ActivityLog } from "./activity-log.ts";
import { type ClusterPicture, changesBetween, pictureOf } from "./cluster-picture.ts";

const LOOK_MS = 1_000;
const AGENTS_NAMED = 8;

export interface ActivityObserverParts {
  readonly view: ClusterView;
  readonly log: ActivityLog;
  readonly clock: Clock;
}

export class ActivityObserver {
  readonly #parts: ActivityObserverParts;
  readonly #tally = new AgentTally();
  #picture: ClusterPicture;
  /** What was told of its readiness last; it begins as one that can serve everything. */
  #readiness = JSON.stringify({ ready: true, reasons: [] });
  #isLookDue = false;
  #cancel: CancelTimer = () => {};

  constructor(parts: ActivityObserverParts) {
    this.#parts = parts;
    this.#picture = pictureOf(parts.view);
  }

  start(): void {
    const { view, log, clock } = this.#parts;
    const { region, name } = view.node();
    log.add([{ kind: "started", region, node: name }]);
    this.#cancel = repeat(clock, LOOK_MS, () => {
      this.#look();
      this.#lookAtReadiness();
      log.add(this.#tally.take());
    });
  }

  stop(): void {
    this.#cancel();
  }

  /** Follows the group: not in the midst of what it is doing. */
  follow(): void {
    if (this.#isLookDue) return;
    this.#isLookDue = true;
    this.#parts.clock.afterIo(() => {
      this.#isLookDue = false;
      this.#look();
    });
  }

  /** What commands do to agents. */
  get registry(): StateObserver {
    return this.#tally;
  }

  #look(): void {
    const { view, log } = this.#parts;
    const before = this.#picture;
    this.#picture = pictureOf(view);
    log.add(changesBetween(before, this.#picture));
  }

  #lookAtReadiness(): void {
    const { view, log } = this.#parts;
    const { ready, reasons, degraded } = view.readiness();
    const told = { ready, reasons: [...reasons, ...degraded.map(({ message }) => message)] };
    const said = JSON.stringify(told);
    if (said === this.#readiness) return;
    this.#readiness = said;
    log.add([{ kind: "readiness", ...told }]);
  }
}

/** Counts what happens to agents until it is told. */
class AgentTally implements StateObserver {
  readonly #changes = new Map<AgentsChange, { count: number; readonly ids: string[] }>();

  agentChanged(before: KeptAgent | undefined, after: KeptAgent | undefined): void {
    const change = changeOf(before, after);
    const agent = after ?? before;
    if (change === null || agent === undefined) return;
    const told = this.#changes.get(change) ?? { count: 0, ids: [] };
    told.count++;
    if (told.ids.length < AGENTS_NAMED) told.ids.push(agent.id);
    this.#changes.set(change, told);
  }

  take(): ActivityEvent[] {
    const events = [...this.#changes].map(
      ([change, { count, ids }]): ActivityEvent => ({ kind: "agents", change, count, ids }),
    );
    this.#changes.clear();
    return events;
  }
}

/** Null for a record that was only replaced. */
function changeOf(before: KeptAgent | undefined, after: KeptAgent | undefined): AgentsChange | null {
  if (before === undefined) return "registered";
  if (after === undefined) return "removed";
  if (before.health === after.health) return null;
  return after.health === "healthy" ? "recovered" : "unhealthy";
}
