/** Why a node has no place in the region that it is configured for. */

import type { NodeId } from "../types/ids.ts";
import { AtollError } from "../util/errors.ts";

export type BootstrapErrorDetail =
  | {
      readonly code: "DATA_FOLDER_OTHER_NODE";
      readonly option: "node.federation" | "node.region" | "node.name";
      readonly configured: string;
      readonly onDisk: string;
    }
  /** A newer version wrote it. */
  | { readonly code: "DATA_FOLDER_UNREADABLE" }
  | { readonly code: "MEMBER_REMOVED"; readonly id: NodeId };

export class BootstrapError extends AtollError<BootstrapErrorDetail> {}

export function otherNode(
  option: "node.federation" | "node.region" | "node.name",
  configured: string,
  onDisk: string,
): BootstrapError {
  const message =
    `the data folder belongs to ${option} "${onDisk}", but "${configured}" is configured: ` +
    "use another data folder, or the former setting";
  return new BootstrapError(message, { code: "DATA_FOLDER_OTHER_NODE", option, configured, onDisk });
}

export function unreadable(): BootstrapError {
  const message =
    "what the data folder says of its region can not be read by this version: start the version that wrote it";
  return new BootstrapError(message, { code: "DATA_FOLDER_UNREADABLE" });
}

export function memberRemoved(id: NodeId): BootstrapError {
  return new BootstrapError("this node was removed from its region for good", { code: "MEMBER_REMOVED", id });
}
