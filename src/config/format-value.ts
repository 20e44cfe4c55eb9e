/** Values of options as text, in the form they could be written in the environment. Secrets are never shown. */

import type { Address } from "./option.ts";
import type { Option } from "./table.ts";

/** `host:port`, with brackets around an IPv6 address. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

export function formatSetting({ option, value }: { readonly option: Option; readonly value: unknown }): string {
  if (value === undefined) return "not set";
  if (option.facts.isSecret) return "[secret]";
  switch (option.facts.reader) {
    case "addresses":
      return (value as Address[]).map(formatAddress).join(",") || "none";
    case "members":
      return (value as (Address & { name: string })[])
        .map((member) => `${member.name}@${formatAddress(member)}`)
        .join(",");
    case "toggle":
      return value === true ? "on" : "off";
    case "peers":
      return (value as string[]).join(",") || "none";
    case "list":
      return (value as string[]).join(",");
    case "pairs":
      return Object.entries(value as Record<string, string>)
        .map((pair) => pair.join("="))
        .join(",");
    default:
      return String(value);
  }
}
