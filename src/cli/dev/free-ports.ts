/** Whether the ports a federation wants are free, told before anything is started. */

import { createServer } from "node:net";
import { CommandError } from "../errors.ts";
import type { PlannedNode } from "./options.ts";

/** @throws CommandError PORT_IN_USE naming every port that is taken, and whose it should be */
export async function checkPortsAreFree(nodes: readonly PlannedNode[]): Promise<void> {
  const wanted = nodes.flatMap((node) => [
    { port: node.httpPort, use: `HTTP of ${node.name}` },
    { port: node.nodePort, use: `node links of ${node.name}` },
  ]);
  const checked = await Promise.all(wanted.map(async (want) => ({ ...want, isFree: await isFree(want.port) })));
  const taken = checked.filter((want) => !want.isFree).map(({ port, use }) => `${port} (${use})`);
  if (taken.length === 0) return;
  throw new CommandError(
    "PORT_IN_USE",
    `${taken.length === 1 ? "port" : "ports"} ${taken.join(", ")} in use: ` +
      "stop what listens there (another atoll dev?), or choose other ports with --http-base",
  );
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
