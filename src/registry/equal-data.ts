/** Equality of plain data. Pure. */

/**
 * Whether two values made of plain objects, arrays and primitives say the same. The order of an object's keys does not
 * matter, and a key whose value is undefined counts as absent. Allocates nothing per value beyond the lists of keys.
 */
export function equalData(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && equalLists(a, b);
  return !Array.isArray(b) && equalMaps(a as Record<string, unknown>, b as Record<string, unknown>);
}

function equalLists(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (!equalData(a[i], b[i])) return false;
  }
  return true;
}

function equalMaps(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): boolean {
  let present = 0;
  for (const key in a) {
    if (a[key] === undefined) continue;
    present++;
    if (!Object.hasOwn(b, key) || !equalData(a[key], b[key])) return false;
  }
  for (const key in b) {
    if (b[key] !== undefined) present--;
  }
  return present === 0;
}
