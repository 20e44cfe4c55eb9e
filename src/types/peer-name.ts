/**
 * How operators name a peer: where to look for nodes, not which of them to find.
 *
 *   host:port, [v6]:port     every address of the host, at this port
 *   address                  an IP address alone, IPv6 in brackets: port 4001
 *   host                     the service `_atoll._tcp.<host>` if DNS has it (SRV), else every address of the host, port 4001
 *   srv:_service._proto.name every target of this SRV record, at the port it names
 */

export type PeerName =
  | { readonly type: "host"; readonly host: string; readonly port: number }
  /** `service` is the name of an SRV record. */
  | { readonly type: "service"; readonly service: string }
  | { readonly type: "either"; readonly service: string; readonly host: string; readonly port: number };

/** Where nodes listen for nodes, and what an address without a port means. */
export const NODE_PORT_DEFAULT = 4001;

export const PEER_NAME_LENGTH_MAX = 262;
const PORT = "([1-9]\\d{0,3}|[1-5]\\d{4}|6[0-4]\\d{3}|65[0-4]\\d{2}|655[0-2]\\d|6553[0-5])";
const HOST = "[A-Za-z0-9._-]{1,253}";
/** What `parsePeerName` reads. */
export const PEER_NAME_PATTERN = `^(srv:_${HOST}|(\\[[0-9A-Fa-f:.]{2,45}\\]|${HOST})(:${PORT})?)$`;

/** In words, as the end of a sentence. */
export const PEER_NAME_EXPECTED = "should be host[:port], an IPv6 address in brackets, or srv:_service._proto.name";

const SERVICE_PREFIX = "_atoll._tcp.";
const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/;
const PATTERN = new RegExp(PEER_NAME_PATTERN);

/** @returns null when the text names no peer */
export function parsePeerName(text: string): PeerName | null {
  if (!PATTERN.test(text)) return null;
  // A host named `srv` has a port of digits: the underscore tells them apart.
  if (text.startsWith("srv:_")) return { type: "service", service: text.slice("srv:".length) };
  const { host, port } = parseHostAndPort(text)!;
  const isNumeric = text.startsWith("[") || IPV4.test(host);
  if (isNumeric || hasPort(text)) return { type: "host", host, port };
  return { type: "either", service: `${SERVICE_PREFIX}${host}`, host, port };
}

/** Reads `host`, `host:port` or `[v6]:port`; null when it is none of them. The port is 4001 when absent. */
export function parseHostAndPort(text: string): { readonly host: string; readonly port: number } | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]{1,253}))(?::(\d{1,5}))?$/.exec(text);
  if (match === null) return null;
  const port = match[3] === undefined ? NODE_PORT_DEFAULT : Number(match[3]);
  if (port < 1 || port > 65_535) return null;
  return { host: (match[1] ?? match[2])!, port };
}

function hasPort(text: string): boolean {
  return /:\d+$/.test(text);
}
