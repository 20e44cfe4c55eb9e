/**
 * `atoll dev`: a federation on this machine, one process per node, until it is told to stop.
 *
 * The nodes are what `atoll start` runs, on real sockets and disks. Should this process die without a word, they notice by
 * the channel they were started with, and stop.
 */

import { createInterface } from "node:readline";
import closeWithGrace from "close-with-grace";
import { systemClock } from "../../util/clock.ts";
import { messageOf } from "../../util/errors.ts";
import { runConsoleLine } from "../dev/console.ts";
import { openDataFolder } from "../dev/data-folder.ts";
import { type FederationEvent, LocalFederation } from "../dev/federation.ts";
import { checkPortsAreFree } from "../dev/free-ports.ts";
import { type DevOptions, planNodes } from "../dev/options.ts";
import { waitUntilReady } from "../dev/readiness.ts";
import { type DevReporter, humanReporter, jsonReporter } from "../dev/reporter.ts";
import { startCommand } from "../dev/start-command.ts";
import { CommandError } from "../errors.ts";
import type { Output } from "../output.ts";

const READY_TIMEOUT_MS = 120_000;
/** Between SIGTERM and SIGKILL of a node. */
const NODE_STOP_DEADLINE_MS = 10_000;
const STOP_DEADLINE_MS = NODE_STOP_DEADLINE_MS + 5_000;
/** Handled here: the first restarts nodes, the others come twice. */
const OWN_SIGNALS: closeWithGrace.AllEvents[] = ["SIGHUP", "SIGINT", "SIGTERM"];
/** Ctrl-C reaches us from the terminal and, under `npm start`, from npm as well. */
const SIGNAL_ECHO_MS = 1_000;

/**
 * Runs until the process is ended by SIGINT or SIGTERM: exit 0 once every node is gone.
 *
 * @throws CommandError PORT_IN_USE, DATA_FOLDER_UNUSABLE, NODE_NOT_STARTED, NOT_READY; nothing is left running then
 */
export async function dev(options: DevOptions, output: Output): Promise<never> {
  const nodes = planNodes(options);
  await checkPortsAreFree(nodes);
  const { encryptionKey } = openDataFolder(options);
  const reporter = options.isJson ? jsonReporter(output) : humanReporter(output, options);
  const starting = new AbortController();
  const federation = new LocalFederation({
    nodes,
    encryptionKey,
    wanMs: options.wanMs,
    command: startCommand(),
    stopDeadlineMs: NODE_STOP_DEADLINE_MS,
    clock: systemClock,
    onEvent: (event) => {
      reporter.event(event);
      if (event.event === "node-exited") starting.abort(event);
    },
  });
  let isStopping = false;
  const grace = closeWithGrace(
    { delay: STOP_DEADLINE_MS, skip: OWN_SIGNALS, logger: { error: (said) => output.note(messageOf(said)) } },
    async ({ err }) => {
      isStopping = true;
      if (err !== undefined) output.note(err.stack ?? err.message);
      reporter.stopping();
      await federation.stop();
    },
  );
  stopOnSignals(grace.close, () => void federation.killAll());
  process.on("SIGHUP", () => federation.startStopped());
  try {
    await federation.start();
    const { signal } = starting;
    const ready = await waitUntilReady(nodes, { timeoutMs: READY_TIMEOUT_MS, signal, onProgress: reporter.progress });
    reporter.ready(ready, federation.status());
  } catch (error) {
    // A signal during the start: the exit is on its way, and the nodes it stopped are no failure.
    if (isStopping) return forever();
    grace.uninstall();
    reporter.startFailed();
    await federation.stop();
    throw await explain(error, federation);
  }
  takeCommands(federation, reporter, grace.close);
  return forever();
}

/** The first signal stops the nodes in order; one that is no echo of it, at once. */
function stopOnSignals(stop: () => void, stopAtOnce: () => void): void {
  let firstMs: number | undefined;
  const onSignal = () => {
    const nowMs = performance.now();
    if (firstMs === undefined) {
      firstMs = nowMs;
      stop();
    } else if (nowMs - firstMs > SIGNAL_ECHO_MS) {
      stopAtOnce();
    }
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
}

/** A node that exited before the federation was ready: its log says why. */
async function explain(error: unknown, federation: LocalFederation): Promise<unknown> {
  const { event, name } = error as Partial<FederationEvent & { event: "node-exited" }>;
  if (event !== "node-exited" || name === undefined) return error;
  const tail = await federation.logTail(name);
  return new CommandError("NODE_NOT_STARTED", `${name} did not start. The end of its log:\n${tail}`);
}

/** One line, one command, one after the other. A terminal that closes takes the federation with it; a pipe does not. */
function takeCommands(federation: LocalFederation, reporter: DevReporter, stop: () => void): void {
  const lines = createInterface({ input: process.stdin, terminal: false });
  let last: Promise<void> = Promise.resolve();
  lines.on("line", (line) => {
    last = last.then(() => runConsoleLine(line, federation, reporter));
  });
  lines.on("close", () => {
    if (process.stdin.isTTY) stop();
  });
}

function forever(): Promise<never> {
  return new Promise(() => {});
}
