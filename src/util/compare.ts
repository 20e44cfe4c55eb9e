/** Orders text by its UTF-16 units: the same on every machine, unlike what a locale would say. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
