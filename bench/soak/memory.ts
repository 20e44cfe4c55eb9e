/**
 * What each process held over the run, and whether that is flat.
 *
 * A process grows while it is young: its code is compiled, its caches fill, and its allocator finds how much it needs at once. So
 * each life of each node is judged by itself, from `YOUNG_MS` on and within the last two thirds of the run, and only if that lasts
 * long enough. The slope is Theil's and Sen's: the median of the slopes between all pairs of samples, which a burst does not move.
 */

import { median } from "../pairs.ts";

/** @param atMs - since the run began */
export interface MemorySample {
  readonly node: string;
  readonly pid: number;
  readonly atMs: number;
  readonly rssBytes: number;
  /** What the last full collection of garbage left of its heap; null when the node did not say. */
  readonly heapBytes: number | null;
}

export interface LifeReport {
  readonly node: string;
  readonly pid: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly isJudged: boolean;
  /** Of the plateau; null when it has too few samples to say. */
  readonly rss: Trend | null;
  readonly heap: Trend | null;
}

export interface Trend {
  readonly medianBytes: number;
  readonly bytesPerHour: number;
  /** What the slope makes of the plateau, of its median: 0.1 is a tenth. */
  readonly growth: number;
}

export const YOUNG_MS = 600_000;
const JUDGED_MS_MIN = 240_000;
const SAMPLES_MIN = 8;
const HOUR_MS = 3_600_000;
/** Pairs grow with the square of them. */
const POINTS_MAX = 400;

export function livesOf(samples: readonly MemorySample[], runMs: number): LifeReport[] {
  const lives = Map.groupBy(samples, ({ node, pid }) => `${node} ${pid}`);
  return [...lives.values()].map((life) => lifeReport(life, runMs));
}

function lifeReport(samples: readonly MemorySample[], runMs: number): LifeReport {
  const [first, last] = [samples[0]!, samples.at(-1)!];
  const fromMs = Math.max(runMs / 3, first.atMs + YOUNG_MS);
  const plateau = samples.filter(({ atMs }) => atMs >= fromMs);
  return {
    node: first.node,
    pid: first.pid,
    fromMs: first.atMs,
    toMs: last.atMs,
    isJudged: last.atMs - fromMs >= JUDGED_MS_MIN,
    rss: trendOf(plateau.map(({ atMs, rssBytes }) => [atMs, rssBytes])),
    heap: trendOf(plateau.flatMap(({ atMs, heapBytes }) => (heapBytes === null ? [] : [[atMs, heapBytes] as const]))),
  };
}

export function trendOf(points: readonly (readonly [atMs: number, bytes: number])[]): Trend | null {
  if (points.length < SAMPLES_MIN) return null;
  const each = Math.ceil(points.length / POINTS_MAX);
  const kept = points.filter((_, i) => i % each === 0);
  const slopes = kept.flatMap(([atMs, bytes], i) => kept.slice(i + 1).map(([b, y]) => (y - bytes) / (b - atMs)));
  const slope = median(slopes);
  const medianBytes = median(points.map(([, bytes]) => bytes));
  const spanMs = points.at(-1)![0] - points[0]![0];
  return { medianBytes, bytesPerHour: slope * HOUR_MS, growth: (slope * spanMs) / medianBytes };
}
