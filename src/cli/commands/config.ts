/** `atoll config`: what a node started with the same file, environment and flags would use, and why. */

import { describeConfig } from "../../config/describe.ts";
import type { LoadedConfig } from "../../config/load.ts";
import { formatTable, type Output, printJson, style } from "../output.ts";

export function config(loaded: LoadedConfig, { json }: { readonly json: boolean }, output: Output): void {
  const options = describeConfig(loaded);
  const ignored = loaded.ignored.map(({ name, reason }) => ({ name, reason }));
  if (json) return printJson(output, { options, ignored });
  const rows = options.map(({ option, value, origin }) => [
    option,
    value ?? style.dim("not set"),
    origin === "default" ? style.dim(origin) : style.cyan(origin),
  ]);
  output.print(formatTable(["OPTION", "VALUE", "FROM"], rows));
  for (const { name, reason } of ignored) output.note(`${name} is set and changes nothing: ${reason}`);
}
