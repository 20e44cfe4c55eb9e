/**
 * How end-to-end tests wait: for something that can be observed, not for ever, and with what was last printed in the message
 * when it does not come.
 */

import assert from "node:assert/strict";

const POLL_MS = 50;

export interface Wait {
  /** Ends the sentence "waited for ...". */
  readonly what: string;
  readonly timeoutMs: number;
  /** The last output of whoever is waited for. */
  readonly show: () => string;
  /** What is waited for can not come any more. */
  readonly isHopeless?: () => boolean;
}

/** Asks again and again, until the answer is yes. An attempt that fails counts as a no. */
export async function until(
  isMet: () => boolean | Promise<boolean>,
  { what, timeoutMs, show, isHopeless = () => false }: Wait,
): Promise<void> {
  const beganAt = performance.now();
  for (;;) {
    const waitedMs = Math.round(performance.now() - beganAt);
    const isLast = waitedMs >= timeoutMs || isHopeless();
    let because = "";
    try {
      if (await isMet()) return;
    } catch (error) {
      because = `, last: ${error instanceof Error ? error.message : error}`;
    }
    if (isLast) assert.fail(`waited ${waitedMs} ms for ${what}${because}\n${show()}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** What `wait` resolves with, if it does in time. */
export function within<Value>(
  wait: Promise<Value>,
  { what, timeoutMs, show }: Omit<Wait, "isHopeless">,
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new assert.AssertionError({ message: `waited ${timeoutMs} ms for ${what}\n${show()}` }));
    }, timeoutMs);
  });
  return Promise.race([wait, late]).finally(() => clearTimeout(timer));
}
