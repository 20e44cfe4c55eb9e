/** Secrets that may come as several, the old beside the new while they are replaced: text separated by commas. */

/** The secrets in the text of an option, in order; empty when it is not set. */
export function splitSecrets(text: string | undefined): string[] {
  return (text ?? "")
    .split(",")
    .map((secret) => secret.trim())
    .filter((secret) => secret !== "");
}
