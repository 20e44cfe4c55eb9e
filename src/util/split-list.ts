/** The items of text that separates them by commas, in order: without space around them, and without empty ones. */
export function splitList(text: string): string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}
