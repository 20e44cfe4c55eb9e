/** Why a configuration is refused: every problem at once, each naming its option, value, source and bounds. */

import { AtollError } from "../util/errors.ts";

export interface ConfigProblem {
  /** `raft.heartbeatMs`, or the name that is no option. */
  readonly option: string;
  readonly message: string;
}

export type ConfigErrorDetail = { readonly code: "CONFIG_INVALID"; readonly problems: readonly ConfigProblem[] };

export class ConfigError extends AtollError<ConfigErrorDetail> {
  constructor(problems: readonly ConfigProblem[], options?: ErrorOptions) {
    const lines = problems.map(({ message }) => message);
    const message = lines.length === 1 ? lines.join() : `\n${lines.map((line) => `  - ${line}`).join("\n")}`;
    super(message, { code: "CONFIG_INVALID", problems }, options);
  }
}
