/** What the stories that are told in a world of whole nodes have in common: a region at rest, and questions to it. */

import assert from "node:assert/strict";
import type { RegistryService } from "../../src/registry/registry-service.ts";
import type { NodeId } from "../../src/types/ids.ts";
import type { LinkEnds } from "./node-sim-network.ts";
import { type NodeSimulationPlan, quietPlan } from "./node-sim-plan.ts";
import type { NodeProcess } from "./node-sim-process.ts";
import { NodeWorld } from "./node-sim-world.ts";

export const PATIENCE_MS = 10_000;

/** A region at rest, which everybody of it follows. */
export async function aRegion(nodes: number, changes: Partial<NodeSimulationPlan> = {}): Promise<NodeWorld> {
  const world = new NodeWorld(quietPlan(nodes, changes));
  await world.found();
  await untilLed(world);
  return world;
}

export async function untilLed(world: NodeWorld): Promise<NodeProcess> {
  const isLed = () =>
    world.leader !== undefined && world.running.every(({ core }) => core?.leader === world.leader?.id);
  assert.ok(await world.time.until(isLed, PATIENCE_MS), world.standing.join("\n"));
  return world.leader!;
}

export async function ask<T>(
  world: NodeWorld,
  id: NodeId,
  question: (registry: RegistryService) => Promise<T>,
): Promise<T> {
  const { process } = world.everybody.find((machine) => machine.id === id)!;
  return world.time.settled(
    process!.call(({ registry }) => question(registry)),
    PATIENCE_MS,
  );
}

export const between = (a: NodeId, b: NodeId): LinkEnds[] => [
  [a, b],
  [b, a],
];

export const around = (world: NodeWorld, id: NodeId): LinkEnds[] =>
  world.machines.flatMap((other) => (other.id === id ? [] : between(id, other.id)));

export const electionsOf = (world: NodeWorld): number => world.counters.get("leader elected") ?? 0;
