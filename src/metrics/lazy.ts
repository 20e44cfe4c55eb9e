/** Metrics that hold no value of their own: they read it when Prometheus asks. */

import { Counter, Gauge, type Registry } from "prom-client";

export interface LazyMetric<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames?: readonly Label[];
}

/** One value of a metric, with its labels. */
export type Reading<Label extends string> = readonly [labels: Partial<Record<Label, string>>, value: number];

/** A gauge whose values are read at each scrape. Values that are not finite are left out: Prometheus then shows a gap. */
export function lazyGauge<Label extends string>(
  register: Registry,
  { name, help, labelNames = [] }: LazyMetric<Label>,
  read: () => Iterable<Reading<Label>> | Promise<Iterable<Reading<Label>>>,
): void {
  new Gauge<Label>({
    name,
    help,
    labelNames: [...labelNames],
    registers: [register],
    async collect() {
      const readings = await read();
      this.reset();
      for (const [labels, value] of readings) {
        if (Number.isFinite(value)) this.set(labels, value);
      }
    },
  });
}

/** A counter that somebody else counts. */
export function lazyCounter<Label extends string>(
  register: Registry,
  { name, help, labelNames = [] }: LazyMetric<Label>,
  read: () => Iterable<Reading<Label>>,
): void {
  new Counter<Label>({
    name,
    help,
    labelNames: [...labelNames],
    registers: [register],
    collect() {
      this.reset();
      for (const [labels, value] of read()) this.inc(labels, value);
    },
  });
}

/** A single value without labels. */
export function just(value: number): [Reading<never>] {
  return [[{}, value]];
}

/** One reading for each entry of a map, labelled with its key. */
export function* byKey<Label extends string>(
  label: Label,
  values: ReadonlyMap<string, number>,
): Iterable<Reading<Label>> {
  for (const [key, value] of values) yield [{ [label]: key } as Partial<Record<Label, string>>, value];
}
