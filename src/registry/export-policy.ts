/**
 * Which namespaces of a region other regions may see.
 *
 * A policy is a list: `*` or a namespace admits, `!` before either excludes, and an exclusion wins. A list that only excludes
 * admits everything else. Pure.
 */

export type ExportPolicy = readonly string[];

export const EXPORT_ALL: ExportPolicy = ["*"];

/** Longer ones are no policy: a command that carries one is not understood. */
export const EXPORT_ITEMS_MAX = 256;

/** Whether a namespace may be seen abroad; null when all of them may, which costs nobody a question. */
export type ExportTest = ((namespace: string) => boolean) | null;

export function compileExport(policy: ExportPolicy): ExportTest {
  const excluded = new Set(policy.filter(isExclusion).map((item) => item.slice(1)));
  const admitted = new Set(policy.filter((item) => !isExclusion(item)));
  const admitsAll = admitted.size === 0 || admitted.has("*");
  if (excluded.has("*")) return () => false;
  if (admitsAll && excluded.size === 0) return null;
  return (namespace) => !excluded.has(namespace) && (admitsAll || admitted.has(namespace));
}

/** The same policy as everybody would write it: sorted, nothing twice. */
export function canonicalExport(policy: ExportPolicy): ExportPolicy {
  return [...new Set(policy)].sort();
}

export function equalExport(a: ExportPolicy, b: ExportPolicy): boolean {
  return canonicalExport(a).join() === canonicalExport(b).join();
}

function isExclusion(item: string): boolean {
  return item.startsWith("!");
}
