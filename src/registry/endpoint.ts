/** Where an agent listens. */

/** `host:port` of an `http://` or `https://` endpoint as it was registered; undefined for any other. */
export function hostAndPortOf(endpoint: string): string | undefined {
  const [, scheme, host, port] = /^(https?):\/\/(\[[^\]/?#]*\]|[^:/?#]*)(?::(\d+))?(?:[/?#]|$)/.exec(endpoint) ?? [];
  if (scheme === undefined || host === undefined || host === "") return undefined;
  return `${host}:${port ?? (scheme === "https" ? "443" : "80")}`;
}
