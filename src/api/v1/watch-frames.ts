/**
 * What `GET /v1/watch` writes: server-sent events (WHATWG HTML, "Server-sent events").
 *
 * An event id names a place in a region's history, `<cluster>:<revision>[:<position>]`, and means the same on each of its
 * nodes. The cluster is in it because a region that was founded anew, or recovered by force, gives its revisions to other
 * changes: such an id is recognised, and answered with `resync`.
 */

import {
  type AgentChange,
  type AgentChangeKind,
  type CapabilityAbroad,
  type FeedPosition,
  type Frame,
  type FrameRenderer,
  WHOLE_REVISION,
} from "../../registry/change-feed.ts";
import type { Capability, StoredAgent } from "../../types/agent.ts";
import type { RegionId } from "../../types/ids.ts";

/** Why something was lost, or can not be told any more. */
export type ResyncReason =
  /** What followed the id is no longer held here. */
  | "expired"
  /** The id is of another region, or of this one before it was founded anew or recovered by force. */
  | "foreign"
  /** The id is of a revision that the region has not reached. */
  | "unknown"
  /** The watcher read too slowly. */
  | "slow"
  /** This node's state was replaced, by a snapshot, or changed faster than can be told. */
  | "replaced";

export const EVENT_ID_LENGTH_MAX = 256;

export function formatEventId(cluster: string, { revision, position }: FeedPosition): string {
  return position === WHOLE_REVISION ? `${cluster}:${revision}` : `${cluster}:${revision}:${position}`;
}

/** @returns null for what no node ever wrote */
export function parseEventId(text: string): { readonly cluster: string; readonly place: FeedPosition } | null {
  const match = /^([A-Za-z0-9.]+):(\d{1,15})(?::(\d{1,9}))?$/.exec(text);
  if (match === null) return null;
  const position = match[3] === undefined ? WHOLE_REVISION : Number(match[3]);
  return { cluster: match[1]!, place: { revision: Number(match[2]), position } };
}

/** @param cluster - asked for each change: it is not known before the region is founded */
export function frameRenderer(region: RegionId, cluster: () => string): FrameRenderer {
  return {
    change: (change) => framed(`id: ${formatEventId(cluster(), change)}\n`, agentEvent(region, change)),
    capability: (capability) => framed("", capabilityEvent(capability)),
  };
}

function framed(id: string, event: string): Frame {
  return { bytes: Buffer.from(id + event), idBytes: Buffer.byteLength(id) };
}

/** An agent as the state shows it, told in the words of a change that would have brought it there. */
export function listedAgentEvent(region: RegionId, agent: StoredAgent): string {
  return agentEvent(region, { kind: listedKind(agent), agent, revision: agent.revision });
}

export function listedKind({ health }: Pick<StoredAgent, "health">): AgentChangeKind {
  return health === "healthy" ? "registered" : "unhealthy";
}

function agentEvent(
  region: RegionId,
  { kind, agent, revision }: Pick<AgentChange, "kind" | "revision"> & { readonly agent: StoredAgent },
): string {
  return eventText(kind, { revision, agent: showWatched(region, agent) });
}

/** As `/v1/agents` shows it, but for what each node knows for itself only. */
function showWatched(region: RegionId, { id, record, ...state }: StoredAgent) {
  const { name, namespace, type, runtime, version, endpoint, description, zone, labels, metadata, leaseMs } = record;
  const { health, unhealthyReason, incarnation, revision, registeredAtMs, changedAtMs } = state;
  const capabilities = record.capabilities.map(showCapability);
  return {
    ...{ id, region, name, namespace, type, runtime, version, endpoint, description, zone, labels, metadata },
    ...{ capabilities, leaseMs, health, unhealthyReason, incarnation, revision, registeredAtMs, changedAtMs },
  };
}

function showCapability({ name, functionName, version, tags, description, ...rest }: Capability) {
  const { inputSchema, outputSchema, kwargs } = rest;
  const dependencies = rest.dependencies.map(({ capability, tags, version, required }) => {
    return { capability, tags, version, required };
  });
  return { name, functionName, version, tags, description, dependencies, inputSchema, outputSchema, kwargs };
}

export function capabilityEvent({ region, name, healthy, total, revision }: CapabilityAbroad): string {
  return eventText("capability", { region, name, healthy, total, revision });
}

/** @param id - where the reader goes on; empty when it has to begin anew should the connection break */
export function resyncEvent(id: string, from: number, reason: ResyncReason): string {
  return eventText("resync", { from, reason }, id);
}

export function readyEvent(id: string, region: RegionId, revision: number): string {
  return eventText("ready", { region, revision }, id);
}

/** @param retryMs - when to come again, to another node if there is one */
export function goodbyeEvent(retryMs: number): string {
  return `${retryAdvice(retryMs)}${eventText("goodbye", { reason: "stopping" })}`;
}

export function retryAdvice(retryMs: number): string {
  return `retry: ${Math.round(retryMs)}\n\n`;
}

/** An id without an event: the reader's place moves on, and nothing happens. */
export function heartbeat(id: string): string {
  return `: heartbeat\nid: ${id}\n\n`;
}

/** One event as it travels. @param id - where the reader is after it; absent when that does not change */
export function eventText(name: string, data: object, id?: string): string {
  const place = id === undefined ? "" : `id: ${id}\n`;
  return `${place}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
}
