/** Why a node did not start, in words that say what to do. */

import type { Config } from "../config/schema.ts";
import { AtollError } from "../util/errors.ts";
import { CommandError, EXIT } from "./errors.ts";

/** What Node says about an address that can not be listened on, and our own network in its `detail`. */
interface SocketFacts {
  readonly code?: string;
  readonly address?: string;
  readonly port?: number;
  readonly reason?: string;
  readonly what?: string;
  readonly format?: number;
  readonly formatMax?: number;
}

/** The error to show to the person who started the node. What says already what to do, or is a bug, stays as it is. */
export function explainStartupFailure(error: unknown, config: Config): unknown {
  const facts = (error instanceof AtollError ? error.detail : error) as SocketFacts;
  const flag = portFlag(facts.port, config);
  const refuse = (code: string, message: string) => new CommandError(code, message, { cause: error });
  switch (facts.code) {
    case "LISTEN_FAILED":
      return refuse(
        "LISTEN_FAILED",
        `can not listen for other nodes on ${facts.address} (${facts.reason}): ` +
          "choose another address with --network-host and --network-port",
      );
    case "EADDRINUSE":
      return refuse(
        "PORT_IN_USE",
        `port ${facts.port} on ${facts.address} is in use: stop what listens there, or choose another with ${flag}`,
      );
    case "EACCES":
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return refuse(
        "LISTEN_FAILED",
        `can not listen for agents on ${config.http.host} (${facts.code}): choose another address with --host and ${flag}`,
      );
    case "CORRUPT":
      return refuse(
        "CORRUPT",
        `the data in ${config.node.dataDir} is damaged (${facts.what}), and no other member of the region is configured ` +
          "to take it from: restore it from a backup, or move it away to begin with an empty region",
      );
    case "STORE_FORMAT": {
      const message =
        `the data in ${config.node.dataDir} was written by a newer version of Atoll (format ${facts.format}, this one ` +
        `reads up to ${facts.formatMax}), and is left as it is: start the newer version`;
      return new CommandError("STORE_FORMAT", message, { cause: error, exitCode: EXIT.config });
    }
    case "MEMBER_REMOVED": {
      const { dataDir } = config.node;
      const message =
        "this node was removed from its region, and its identity never returns: " +
        `move its data folder ${dataDir} away, and it joins as a new member`;
      // Started again as it is, it would end the same way: supervisors that know of 78 do not try.
      return new CommandError("MEMBER_REMOVED", message, { cause: error, exitCode: EXIT.config });
    }
    default:
      return error;
  }
}

/** The flag that sets an HTTP port which could not be had. */
function portFlag(port: number | undefined, { http }: Config): string {
  if (port === http.port) return "--port (REGISTRY_PORT)";
  if (port === http.metricsPort) return "--http-metrics-port (METRICS_PORT)";
  if (port === http.adminPort) return "--http-admin-port (MCP_MESH_ADMIN_PORT)";
  return "--port (REGISTRY_PORT)";
}
