/** A configuration in words: what `atoll config` prints and what messages quote. Secrets are never shown. */

import { formatSetting } from "./format-value.ts";
import type { LoadedConfig } from "./load.ts";

export interface DescribedOption {
  readonly option: string;
  /** As it could be written in the environment; null when it is not set. */
  readonly value: string | null;
  readonly origin: string;
  readonly environment: readonly string[];
  readonly description: string;
}

export function describeConfig({ settings }: LoadedConfig): DescribedOption[] {
  return settings.map((setting) => ({
    option: setting.option.path,
    value: setting.value === undefined ? null : formatSetting(setting),
    origin: setting.origin,
    environment: [setting.option.env, ...setting.option.facts.aliases.map(({ name }) => name)],
    description: setting.option.facts.description,
  }));
}
