/** Structured logs: each event carries a stable `code` (listed in docs/errors.md) beside its facts. */

import { pino } from "pino";

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface LogEvent {
  /** Stable, `UPPER_SNAKE`, listed in docs/errors.md. */
  readonly code: string;
  readonly [fact: string]: unknown;
}

export interface Logger {
  debug(event: LogEvent, message: string): void;
  info(event: LogEvent, message: string): void;
  warn(event: LogEvent, message: string): void;
  error(event: LogEvent, message: string): void;
  /** A logger that adds `facts` to every event. */
  child(facts: Record<string, unknown>): Logger;
}

/** JSON lines on standard output, one per event; secrets are removed by name wherever they appear. */
export function createLogger(level: LogLevel, facts: Record<string, unknown>): Logger {
  return pino({
    level,
    base: facts,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: ["encryptionKey", "authToken", "*.encryptionKey", "*.authToken"], censor: "[secret]" },
  });
}

/** For parts that nobody listens to, such as most unit tests. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
};
