/**
 * Where names lead: what DNS, and what else the system asks, says of them now.
 *
 * Nothing is kept: whoever asks again is told what is true then (F15). Answers are bounded here, since a zone may say as much
 * as it wants.
 */

import { lookup, Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import type { PeerName } from "../types/peer-name.ts";

/** Where a socket can be opened: a numeric IP address and a port. */
export interface SocketAddress {
  readonly ip: string;
  readonly port: number;
}

/** One target of an SRV record (RFC 2782). */
export interface ServiceTarget {
  readonly host: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

export interface Names {
  /** All addresses of a host; rejects when it has none, or when nobody can say. */
  addresses(host: string): Promise<readonly string[]>;
  /** The targets of an SRV record; rejects when there is none, or when nobody can say. */
  services(name: string): Promise<readonly ServiceTarget[]>;
}

/** Of one host. */
export const ADDRESSES_PER_HOST_MAX = 16;
const TARGETS_PER_SERVICE_MAX = 16;
const ADDRESSES_PER_PEER_MAX = 32;

/**
 * Every address that a peer's name leads to. All of them are for dialling, since each may be another node: priorities and
 * weights do not choose among them, but decide who is left out where a record has more than 16 targets.
 *
 * @param onUnresolved - told of each name that led nowhere; a plain host without an SRV record is none
 */
export async function resolvePeer(
  name: PeerName,
  names: Names,
  onUnresolved: (name: string, error: unknown) => void,
): Promise<readonly SocketAddress[]> {
  const hostAt = async (host: string, port: number): Promise<readonly SocketAddress[]> => {
    try {
      return (await names.addresses(host)).slice(0, ADDRESSES_PER_HOST_MAX).map((ip) => ({ ip, port }));
    } catch (error) {
      onUnresolved(host, error);
      return [];
    }
  };
  const everyTarget = async (targets: readonly ServiceTarget[]) => {
    const found = await Promise.all(preferred(targets).map(({ host, port }) => hostAt(host, port)));
    return found.flat().slice(0, ADDRESSES_PER_PEER_MAX);
  };

  if (name.type === "host") return hostAt(name.host, name.port);
  let targets: readonly ServiceTarget[];
  try {
    targets = await names.services(name.service);
  } catch (error) {
    if (name.type === "either") return hostAt(name.host, name.port);
    onUnresolved(name.service, error);
    return [];
  }
  return everyTarget(targets);
}

/** The lowest priority first, among equals the heaviest. A target "." says that the service is decidedly not there. */
function preferred(targets: readonly ServiceTarget[]): readonly ServiceTarget[] {
  return targets
    .filter(({ host, port }) => host !== "" && host !== "." && port > 0)
    .sort((a, b) => a.priority - b.priority || b.weight - a.weight)
    .slice(0, TARGETS_PER_SERVICE_MAX);
}

/** A name server that is silent costs this long, twice; the redialler asks again by itself. */
const QUERY_TIMEOUT_MS = 1_000;
const QUERY_TRIES = 2;

/**
 * Names as the world has them.
 *
 * @param servers - DNS servers to ask, `ip:port`. Empty means the system's: addresses then come from whatever the system
 *   asks (its hosts file, search domains), SRV records from DNS, by their full names.
 */
export function worldNames(servers: readonly string[]): Names {
  const resolver = new Resolver({ timeout: QUERY_TIMEOUT_MS, tries: QUERY_TRIES });
  if (servers.length > 0) resolver.setServers(servers);
  return {
    async addresses(host) {
      if (isIP(host) !== 0) return [host];
      if (servers.length > 0) return bothFamilies(resolver, host);
      return (await lookup(host, { all: true })).map(({ address }) => address);
    },
    async services(name) {
      const records = await resolver.resolveSrv(name);
      return records.map(({ name: host, port, priority, weight }) => ({ host, port, priority, weight }));
    },
  };
}

async function bothFamilies(resolver: Resolver, host: string): Promise<readonly string[]> {
  const [four, six] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  const found = [four, six].flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
  if (found.length === 0 && four.status === "rejected") throw four.reason;
  return found;
}
