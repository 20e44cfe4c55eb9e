/** Where an agent listens. */

/** `host:port` of an `http://` or `https://` endpoint as it was registered; undefined for any other. */
export function hostAndPortOf(endpoint: string): string | undefined {
  const [, scheme, host, port] = /^(https?):\/\/(\[[^\]/?#]*\]|[^:/?#]*)(?::(\d+))?(?:[/?#]|$)/.exec(endpoint) ?? [];
  if (scheme === undefined || host === undefined || host === "") return undefined;
  if (port === undefined) return `${host}:${scheme === "https" ? "443" : "80"}`;
  // A part of the endpoint, not put together from parts: kept for each agent, it takes no memory but where it lies.
  const start = scheme.length + "://".length;
  return endpoint.slice(start, start + host.length + ":".length + port.length);
}
