/** Asks for a change of a region's members, again where that is safe and helps. */

import { setTimeout as sleep } from "node:timers/promises";
import { type ApiClient, type MembersView, Refusal } from "../api-client.ts";
import type { Output } from "../output.ts";
import { CHANGE_TIMEOUT_MS, type ClientOptions, connect } from "./client-options.ts";

const TRIES_MAX = 3;
const RETRY_AFTER_MS = 1_000;
/** Nothing was changed, for a reason that passes by itself: an election, or another change. */
const PASSING = ["NO_LEADER", "CHANGE_PENDING"];

/** @throws CommandError as the node refused it, or UNREACHABLE */
export async function askForChange(
  options: ClientOptions,
  output: Output,
  ask: (client: ApiClient) => Promise<MembersView>,
): Promise<MembersView> {
  const client = connect(options, { timeoutMs: CHANGE_TIMEOUT_MS });
  for (let tries = 1; ; tries++) {
    try {
      return await ask(client);
    } catch (error) {
      if (!isPassing(error) || tries === TRIES_MAX) throw error;
      if (tries === 1) output.note(`${error.message}. Trying again.`);
      await sleep(error.retryAfterMs ?? RETRY_AFTER_MS);
    }
  }
}

function isPassing(error: unknown): error is Refusal {
  return error instanceof Refusal && PASSING.includes(error.detail.code);
}
