/** The configuration of a node from this process: a file, the environment, the command line. */

import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { ConfigError } from "../config/errors.ts";
import { type LoadedConfig, loadConfig } from "../config/load.ts";
import { messageOf } from "../util/errors.ts";

/**
 * @param file - path of a YAML or JSON file; absent means `ATOLL_CONFIG`, or none
 * @param flags - by path of the option, as text
 * @throws ConfigError with every problem
 */
export function loadNodeConfig(
  file: string | undefined,
  flags: Readonly<Record<string, string | undefined>>,
): LoadedConfig {
  const { env } = process;
  const path = file ?? (env.ATOLL_CONFIG || undefined);
  return loadConfig({ env, flags, hostname: hostname(), ...(path !== undefined && { file: readConfigFile(path) }) });
}

function readConfigFile(path: string): { path: string; text: string } {
  try {
    return { path, text: readFileSync(path, "utf8") };
  } catch (error) {
    const message = `--config: ${path} can not be read: ${messageOf(error)}`;
    throw new ConfigError([{ option: "--config", message }], { cause: error });
  }
}
