/** `atoll nodes`: every node of the federation, as one node sees it. */

import { ApiClient } from "../api-client.ts";
import { formatLink, formatTable, type Output, printJson } from "../output.ts";
import type { ClientOptions } from "./client-options.ts";

export async function nodes({ url, json }: ClientOptions, output: Output): Promise<void> {
  const found = await new ApiClient(url).nodes();
  if (json) return printJson(output, found);
  const rows = found.map((node) => [
    node.name,
    node.region,
    node.role,
    formatLink(node.link),
    node.http || "-",
    node.roundTripMs === undefined ? "-" : `${node.roundTripMs.toFixed(1)} ms`,
    node.nodeId,
  ]);
  output.print(formatTable(["NODE", "REGION", "ROLE", "LINK", "HTTP", "RTT", "IDENTITY"], rows));
}
