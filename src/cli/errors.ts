/** How a command ends, for shells and scripts. */

import { AtollError } from "../util/errors.ts";

/** Numbers beyond 1 as in sysexits.h; 130 is what shells say of a command that Ctrl-C ended. */
export const EXIT = { ok: 0, failure: 1, usage: 64, config: 78, interrupted: 130 } as const;

/** The command line itself is wrong: what to write instead is in the message. */
export class UsageError extends AtollError<{ readonly code: "USAGE" }> {
  constructor(message: string) {
    super(message, { code: "USAGE" });
  }
}

/** A command could not do what it was asked for; the message says what to do about it. */
export class CommandError extends AtollError<{ readonly code: string }> {
  readonly exitCode: number;

  constructor(code: string, message: string, { exitCode = EXIT.failure, ...options }: CommandErrorOptions = {}) {
    super(message, { code }, options);
    this.exitCode = exitCode;
  }
}

interface CommandErrorOptions extends ErrorOptions {
  readonly exitCode?: number;
}
