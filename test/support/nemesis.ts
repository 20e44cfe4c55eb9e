/**
 * What goes wrong with a federation of real processes: nodes are killed and started again, frozen and thawed, one, several
 * or all of a region at a time and their leader above all; regions are cut from each other and joined again.
 *
 * The seed fixes what is tried, in which order, and for how long; what it meets is up to the processes. All that was
 * broken is mended when a promise of these resolves.
 */

import { setTimeout as delay } from "node:timers/promises";
import { type Random, randomInteger } from "../../src/util/random.ts";
import type { FederationNode, FederationProcess } from "./federation-process.ts";
import type { HistoryRecorder } from "./history.ts";

/** Shares of 1: nodes killed rather than frozen, and faults that wait until all nodes of the region are ready. */
const KILL_SHARE = 0.5;
const READY_FIRST_SHARE = 0.7;
const CALM_MS_MAX = 2_000;
const DOWN_MS_MAX = 3_000;
/** Mostly short; at times longer than a write waits. */
const FROZEN_MS_MAX = 8_000;
const CUT_MS_MAX = 6_000;
const STARTED_TIMEOUT_MS = 60_000;
const ASK_TIMEOUT_MS = 1_000;
const POLL_MS = 100;

/** One of these is chosen; of three nodes, two are a majority. */
const TARGETS = ["leader", "leader", "leader", "one", "one", "two", "all"] as const;
type Target = (typeof TARGETS)[number];

export interface NemesisParts {
  readonly federation: FederationProcess;
  readonly recorder: HistoryRecorder;
  readonly random: Random;
  /** Aborted when there was enough: what is broken is mended at once. */
  readonly signal: AbortSignal;
}

/** Breaks and mends the nodes of a region until the signal. */
export async function harassRegion(region: string, parts: NemesisParts): Promise<void> {
  const { federation, random, signal } = parts;
  while (!signal.aborted) {
    // The other faults meet nodes that are on their way back.
    if (random.next() < READY_FIRST_SHARE) await untilReady(federation.nodesOf(region), signal);
    await pass(randomInteger(random, 100, CALM_MS_MAX), signal);
    const target = TARGETS[randomInteger(random, 0, TARGETS.length - 1)]!;
    const isKill = random.next() < KILL_SHARE;
    const running = federation.nodesOf(region).filter(({ pid }) => pid !== null);
    const victims = await choose(running, target, random);
    if (signal.aborted) return;
    if (isKill) await killAndRestart(victims, parts);
    else await freezeAndThaw(victims, parts);
  }
}

/** Cuts two regions from each other and joins them again until the signal. */
export async function harassLink(a: string, b: string, parts: NemesisParts): Promise<void> {
  const { federation, recorder, random, signal } = parts;
  while (!signal.aborted) {
    await pass(randomInteger(random, 100, 2 * CALM_MS_MAX), signal);
    if (signal.aborted) return;
    recorder.fault("cut", `${a} ${b}`);
    await federation.cut(a, b);
    await pass(randomInteger(random, 200, CUT_MS_MAX), signal);
    await federation.heal(a, b);
    recorder.fault("heal", `${a} ${b}`);
  }
}

/** A node is handed back when it was started, not when it is ready. */
async function killAndRestart(victims: readonly FederationNode[], parts: NemesisParts): Promise<void> {
  const { federation, recorder, random, signal } = parts;
  await Promise.all(
    victims.map(async ({ name }) => {
      recorder.fault("kill", name);
      await federation.killByPid(name);
    }),
  );
  await pass(randomInteger(random, 0, DOWN_MS_MAX), signal);
  await Promise.all(
    victims.map(async ({ name }) => {
      const started = federation.waitFor(
        (event) => event.event === "node-started" && event.name === name,
        `${name} to start`,
        STARTED_TIMEOUT_MS,
      );
      federation.send(`restart ${name}`);
      await started;
      recorder.fault("restart", name);
    }),
  );
}

async function freezeAndThaw(victims: readonly FederationNode[], parts: NemesisParts): Promise<void> {
  const { federation, recorder, random, signal } = parts;
  for (const { name } of victims) {
    recorder.fault("freeze", name);
    await federation.pause(name);
  }
  await pass(200 + random.next() ** 2 * FROZEN_MS_MAX, signal);
  for (const { name } of victims) {
    await federation.resume(name);
    recorder.fault("thaw", name);
  }
}

async function choose(nodes: readonly FederationNode[], target: Target, random: Random): Promise<FederationNode[]> {
  const shuffled = nodes
    .map((node) => ({ node, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ node }) => node);
  if (target === "all") return shuffled;
  if (target === "two") return shuffled.slice(0, 2);
  const leader = target === "leader" ? await leaderOf(shuffled) : null;
  return leader === null ? shuffled.slice(0, 1) : shuffled.filter(({ name }) => name === leader);
}

async function untilReady(nodes: readonly FederationNode[], signal: AbortSignal): Promise<void> {
  const isReady = async ({ http }: FederationNode) => {
    try {
      return (await fetch(`${http}/ready`, { signal: AbortSignal.timeout(ASK_TIMEOUT_MS) })).ok;
    } catch {
      // Nobody is there to answer yet.
      return false;
    }
  };
  while (!signal.aborted && (await Promise.all(nodes.map(isReady))).includes(false)) await pass(POLL_MS, signal);
}

/** As the first node says that answers; while the region has no leader, nobody. */
async function leaderOf(nodes: readonly FederationNode[]): Promise<string | null> {
  for (const { http } of nodes) {
    try {
      const response = await fetch(`${http}/v1/cluster`, { signal: AbortSignal.timeout(ASK_TIMEOUT_MS) });
      const { leader } = (await response.json()) as { leader: string | null };
      if (leader !== null) return leader;
    } catch {
      // A node that is still starting can not be asked; the next one may know.
    }
  }
  return null;
}

/** Resolves after `ms`, or as soon as the signal is aborted. */
async function pass(ms: number, signal: AbortSignal): Promise<void> {
  // Rejected only by the signal, which is the other way for this to end.
  await delay(ms, undefined, { signal }).catch(() => {});
}
