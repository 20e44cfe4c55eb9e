/**
 * Announces this node on the local network, and hears others, by multicast DNS.
 *
 * Only `@libp2p/mdns` is here, and what it must not do is kept from it: libp2p would write every announced stranger into its
 * peer store, so the service does not show itself as a peer discovery, and `heard` gets what it found.
 */

import { createHash } from "node:crypto";
import type { PeerInfo as AnnouncedPeer, ComponentLogger, Startable } from "@libp2p/interface";
import { mdns } from "@libp2p/mdns";
import type { Multiaddr } from "@multiformats/multiaddr";
import { asNodeId, type FederationId, type NodeId } from "../types/ids.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import { type DiscoveryComponents, overlay } from "./libp2p-host.ts";
import type { LogLimiter } from "./log-limiter.ts";

export interface MdnsOptions {
  readonly federation: FederationId;
  readonly logger: Logger;
  readonly logLimiter: LogLimiter;
  /** A node said that it can be dialled at these addresses, `host:port`. */
  heard(nodeId: NodeId, addresses: readonly string[]): void;
}

const QUERY_MS = 10_000;
const TAG_DIGITS = 9;

/**
 * The name under which nodes of one federation look for each other. It tells the federation apart from others without saying
 * its name, and nothing of its key. At most 15 characters after the underscore (RFC 6335, section 5.1).
 */
export function serviceTag(federation: FederationId): string {
  const digest = createHash("sha256").update(`atoll mdns 1 ${federation}`).digest("hex");
  return `_atoll-${digest.slice(0, TAG_DIGITS)}._udp.local`;
}

/** A service of libp2p, which starts and stops it. */
export function mdnsService(components: DiscoveryComponents, options: MdnsOptions): Startable {
  const logger = complaining(components.logger, options);
  const discovery = mdns({ serviceTag: serviceTag(options.federation), interval: QUERY_MS })(
    overlay(components, { logger }),
  );
  discovery.addEventListener("peer", ({ detail }: CustomEvent<AnnouncedPeer>) => {
    options.heard(asNodeId(detail.id.toString()), detail.multiaddrs.flatMap(hostAndPort));
  });
  const { start, stop } = discovery as unknown as Required<Startable>;
  return { start: start.bind(discovery), stop: stop.bind(discovery) };
}

function hostAndPort(address: Multiaddr): string[] {
  const [ip, tcp, ...more] = address.getComponents();
  if (ip?.value === undefined || tcp?.name !== "tcp" || more.length > 0) return [];
  if (ip.name === "ip4") return [`${ip.value}:${tcp.value}`];
  return ip.name === "ip6" ? [`[${ip.value}]:${tcp.value}`] : [];
}

/** What the library only writes to its own log is said in ours, now and then: a port that is taken, packets that are none. */
function complaining(base: ComponentLogger, { logger, logLimiter }: MdnsOptions): ComponentLogger {
  return {
    forComponent(name) {
      const log = base.forComponent(name);
      return overlay(log, {
        error(_format: unknown, error: unknown) {
          if (!logLimiter.mayLog("mdns")) return;
          logger.warn({ code: "MDNS_FAILED", reason: messageOf(error) }, "the local network was not understood");
        },
      });
    },
  };
}
