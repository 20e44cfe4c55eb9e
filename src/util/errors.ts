/**
 * The root of our errors, and the line between an error and a bug.
 *
 * An error carries a stable code, the facts, and is answered to somebody. A bug is an `invariant` that does not hold:
 * the node stops, because a state nobody thought of must not be built upon.
 */

/** Base of every error we throw on purpose: `detail.code` is part of the API and stays, the message may improve. */
export abstract class AtollError<Detail extends { readonly code: string }> extends Error {
  readonly detail: Detail;

  constructor(message: string, detail: Detail, options?: ErrorOptions) {
    super(`${detail.code}: ${message}`, options);
    this.name = new.target.name;
    this.detail = detail;
  }
}

/** A programmer's mistake. Never caught to be survived: the node that throws one stops. */
export class InvariantViolation extends Error {
  override readonly name = "InvariantViolation";
}

/**
 * Stops on a condition that our own code guarantees.
 *
 * @throws InvariantViolation when `condition` is false
 */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantViolation(message);
}

/** The text of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
