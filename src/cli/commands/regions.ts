/** `atoll regions`: every region of the federation, as one node sees it. */

import { ApiClient } from "../api-client.ts";
import { type Output, printJson } from "../output.ts";
import type { ClientOptions } from "./client-options.ts";
import { formatRegions } from "./status.ts";

export async function regions({ url, json }: ClientOptions, output: Output): Promise<void> {
  const found = await new ApiClient(url).regions();
  if (json) return printJson(output, found);
  output.print(formatRegions(found));
}
