/** `atoll regions rotate-key`, `retire` and `admit`: changes of how a region stands to the others. */

import type { ApiClient } from "../api-client.ts";
import { CommandError, UsageError } from "../errors.ts";
import { type Output, printJson } from "../output.ts";
import { CHANGE_TIMEOUT_MS, type ClientOptions, connect } from "./client-options.ts";

export interface RetireOptions extends ClientOptions {
  readonly self: boolean;
  readonly yes: boolean;
}

export async function rotateKey(options: ClientOptions, output: Output): Promise<void> {
  const { json } = options;
  const rotated = await clientOf(options).rotateRegionKey();
  if (json) return printJson(output, rotated);
  output.print(`${rotated.region} signs with a new key: ${rotated.publicKey}`);
  output.print("Other regions follow by themselves, also those that pinned the old key by configuration.");
}

/** @throws UsageError; CommandError NOT_CONFIRMED: `--self` without `--yes` */
export async function retire(region: string | undefined, options: RetireOptions, output: Output): Promise<void> {
  if ((region !== undefined) === options.self) throw new UsageError("Name a region, or say --self for the node's own.");
  const { json } = options;
  if (region !== undefined) {
    const retired = await clientOf(options).retireRegion(region);
    if (json) return printJson(output, retired);
    output.print(
      `${retired.region} (cluster ${retired.cluster || "unknown"}) is forgotten here. Other regions go on with it.`,
    );
    output.print(`"atoll regions admit ${retired.region}" takes that back.`);
    return;
  }
  if (!options.yes) throw new CommandError("NOT_CONFIRMED", NOT_CONFIRMED);
  const retired = await clientOf(options).retireOwnRegion();
  if (json) return printJson(output, retired);
  output.print(
    `${retired.region} (cluster ${retired.cluster}) says farewell. Stop its nodes once other regions no longer list it.`,
  );
}

export async function admit(region: string, options: ClientOptions, output: Output): Promise<void> {
  const { json } = options;
  const admitted = await clientOf(options).admitRegion(region);
  if (json) return printJson(output, admitted);
  output.print(
    `${admitted.region} is met again like a region that was never heard of: its key is pinned at first contact.`,
  );
}

function clientOf(options: ClientOptions): ApiClient {
  return connect(options, { timeoutMs: CHANGE_TIMEOUT_MS });
}

const NOT_CONFIRMED = `nothing was changed. With --yes all other regions forget this node's region for good: its agents are no longer
found there, and it can not be taken back. The name can be used again by a region that is founded anew.`;
