/**
 * `atoll start`: one node, until it is told to stop.
 *
 * SIGTERM, SIGINT, the loss of the process that started it over a channel (`atoll dev`), or its removal from the region stop
 * it in order: leadership is handed over, requests are finished, the store is closed. A second signal ends it at once.
 */

import closeWithGrace from "close-with-grace";
import type { LoadedConfig } from "../../config/load.ts";
import { RegistryNode } from "../../node/registry-node.ts";
import { messageOf } from "../../util/errors.ts";
import { createLogger, type Logger } from "../../util/logger.ts";
import { explainStartupFailure } from "../startup-failure.ts";
import { VERSION } from "../version.ts";

/** Shorter than what supervisors wait between SIGTERM and SIGKILL (10 s in Docker, 30 s in Kubernetes). */
const STOP_DEADLINE_MS = 8_000;

/**
 * Runs until the process is told to end, or its region has no place for it any more: exit 0 after an orderly stop, 1
 * otherwise.
 *
 * @throws what kept the node from starting, in words that say what to do
 */
export async function start({ config, ignored }: LoadedConfig): Promise<never> {
  const logger = createLogger(config.node.logLevel, { node: config.node.name, region: config.node.region });
  for (const { name, reason, isWarning } of ignored) {
    logger[isWarning ? "warn" : "info"]({ code: "CONFIG_IGNORED", name, reason }, `${name} changes nothing: ${reason}`);
  }
  let fatal: Error | undefined;
  const starting = RegistryNode.start({
    config,
    version: VERSION,
    logger,
    onFatal: (error) => {
      logger.error({ code: "NODE_FAILED", err: error }, `the node can not go on: ${messageOf(error)}`);
      fatal ??= new Error("the node failed", { cause: error });
      grace.close();
    },
    onRemoved: () => grace.close(),
  });
  let node: RegistryNode | undefined;
  const report = reporter(logger, () => (node === undefined ? "its start" : node.stopWaitsFor));
  const grace = closeWithGrace({ delay: STOP_DEADLINE_MS, logger: report }, async ({ err, signal }) => {
    if (err !== undefined) logger.error({ code: "NODE_FAILED", err }, `a bug: ${err.message}`);
    logger.info({ code: "NODE_STOPPING", ...(signal !== undefined && { signal }) }, "node stopping");
    await (await starting).stop();
    logger.info({ code: "NODE_STOPPED" }, "node stopped");
    if (fatal !== undefined) throw fatal;
  });
  try {
    node = await starting;
  } catch (error) {
    grace.uninstall();
    throw explainStartupFailure(error, config);
  }
  if (process.connected) process.once("disconnect", () => grace.close());
  return new Promise<never>(() => {});
}

/** What close-with-grace has to say: a deadline that passed, a second signal, a stop that failed. */
function reporter(logger: Logger, stopWaitsFor: () => string | null) {
  return {
    error(said: unknown) {
      const waitsFor = stopWaitsFor();
      const facts = { code: "STOP_FAILED", ...(waitsFor !== null && { waitsFor }) };
      logger.error(facts, `not stopped in order: ${messageOf(said)}`);
    },
  };
}
