/** `atoll nodes`: every node of the federation, as one node sees it. */

import { formatLink, formatTable, type Output, printJson } from "../output.ts";
import { type ClientOptions, connect } from "./client-options.ts";

export async function nodes(options: ClientOptions, output: Output): Promise<void> {
  const { json } = options;
  const found = await connect(options).nodes();
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
