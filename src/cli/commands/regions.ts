/** `atoll regions`: every region of the federation, as one node sees it. */

import { type Output, printJson } from "../output.ts";
import { type ClientOptions, connect } from "./client-options.ts";
import { formatRegions } from "./status.ts";

export async function regions(options: ClientOptions, output: Output): Promise<void> {
  const { json } = options;
  const found = await connect(options).regions();
  if (json) return printJson(output, found);
  output.print(formatRegions(found));
}
