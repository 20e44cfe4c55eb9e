/**
 * `atoll bench failover`: breaks a cluster under load, as often as asked, and reports what that did.
 *
 * Whatever ends it, no process of it is left: on Ctrl-C the fault under way is mended, the nodes are stopped, and what was
 * measured so far is written and says that it is partial.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseRegions } from "../../src/cli/dev/options.ts";
import { CommandError, EXIT, UsageError } from "../../src/cli/errors.ts";
import { type Output, type Progress, showProgress } from "../../src/cli/output.ts";
import { systemClock } from "../../src/util/clock.ts";
import { messageOf } from "../../src/util/errors.ts";
import { listenForSignals } from "../interruption.ts";
import { atollPeer } from "../peers/atoll.ts";
import { targetPeer } from "../peers/atoll-target.ts";
import { CLUSTERED_PEERS } from "../peers/catalogue.ts";
import { type Peer, PeerUnavailable } from "../peers/peer.ts";
import { origin } from "../report.ts";
import { checkWritable, formatJson, reportFiles, writeReport } from "../report-files.ts";
import { formatFailover, formatRatios } from "./format.ts";
import { failoverHtml } from "./html.ts";
import { type FailoverReport, readReport, SCHEMA, type SystemReport, systemReport } from "./report.ts";
import { type RunOptions, type RunProgress, runFailover } from "./run.ts";

export interface FailoverCommand extends Omit<RunOptions, "nodes"> {
  /** Nodes of one region that run already; none of them is broken. Empty: a federation is started. */
  readonly target: readonly string[];
  /** What to prove oneself to them with; in no report. */
  readonly token: string | undefined;
  /** As of `atoll dev`; clients use the first. */
  readonly regions: string;
  /** Names of `CLUSTERED_PEERS`, measured after Atoll. */
  readonly peers: readonly string[];
  readonly lateMs: number;
  /** The JSON file. */
  readonly out: string | undefined;
  /** The JSON file of an earlier run. */
  readonly compare: string | undefined;
  readonly isJson: boolean;
}

/** Nodes of a peer: as many as the region of Atoll that it is compared with has by default. */
const PEER_NODES = 3;
const BAR_WIDTH = 24;

/**
 * @throws CommandError
 *   INTERRUPTED         exit code 130; the partial report is written
 *   TARGET_DOWN         nothing was measured, and the report says so; likewise NODE_NOT_STARTED and what else a start throws
 *   RUN_INCOMPLETE      a cluster did not come back; the partial report is written
 *   WRITES_LOST         an acknowledged registration is missing; the report is written
 *   REPORT_NOT_WRITTEN  told before the run where that is known by then, else after the table was printed
 * @throws UsageError for regions that can not be, and a file to compare with that is no report
 */
export async function failover(command: FailoverCommand, output: Output): Promise<void> {
  parseRegions(command.regions);
  const compared = command.compare === undefined ? undefined : comparedTo(command.compare);
  const began = origin();
  const files = reportFiles("failover", command.out, began.startedAt);
  checkWritable(files);
  const interruption = listenForSignals();
  try {
    const { systems, notMeasured, failure } = await measureAll(command, output, interruption.signal);
    const { signal } = interruption;
    const report: FailoverReport = {
      schema: SCHEMA,
      bench: "failover",
      ...began,
      command: `atoll ${process.argv.slice(2).join(" ")}`,
      isPartial: signal.aborted || failure !== undefined || systems.some(({ endedEarly }) => endedEarly !== null),
      options: reportedOptions(command),
      systems,
      notMeasured,
    };
    output.print(command.isJson ? formatJson(report) : formatFailover(report));
    if (compared !== undefined && !command.isJson) {
      for (const old of compared.report.systems) {
        const same = systems.find(({ peer }) => peer === old.peer);
        if (same !== undefined) output.print(formatRatios(same, old, `${compared.name}: ${old.peer}`));
      }
    }
    writeReport(files, report, () => failoverHtml(report, compared));
    output.note(`Kept in ${files.json} and ${files.html}`);
    if (failure !== undefined) throw failure;
    judge(report, signal);
  } finally {
    interruption.end();
  }
}

function comparedTo(path: string) {
  const report = readReport(path);
  return { name: `old (${report.commit})`, report };
}

function judge({ isPartial, systems }: FailoverReport, signal: AbortSignal): void {
  if (signal.aborted) {
    throw new CommandError("INTERRUPTED", `${messageOf(signal.reason)}: the report is partial`, {
      exitCode: EXIT.interrupted,
    });
  }
  const lost = systems.filter((system) => (system.lost ?? 0) > 0).map((system) => `${system.peer}: ${system.lost}`);
  if (lost.length > 0)
    throw new CommandError("WRITES_LOST", `acknowledged registrations are missing: ${lost.join("; ")}`);
  const early = systems.flatMap(({ peer, endedEarly }) => (endedEarly === null ? [] : [`${peer}: ${endedEarly}`]));
  if (isPartial) throw new CommandError("RUN_INCOMPLETE", `the report is partial: ${early.join("; ")}`);
}

function reportedOptions(command: FailoverCommand): FailoverReport["options"] {
  const { rounds, rates, spacing, seed, clients, holdMs, settleMs, tryTimeoutMs, timeoutMs, lateMs } = command;
  return { rounds, rates, spacing, seed, clients, holdMs, settleMs, tryTimeoutMs, timeoutMs, lateMs };
}

interface Measured extends Pick<FailoverReport, "systems" | "notMeasured"> {
  /** Why Atoll was not measured, and nobody after it. */
  readonly failure?: unknown;
}

/** Atoll first; a peer that can not be measured does not fail the run. */
async function measureAll(command: FailoverCommand, output: Output, signal: AbortSignal): Promise<Measured> {
  const { target, token, regions, peers } = command;
  const own = target.length > 0 ? targetPeer(target, token) : atollPeer({ regions });
  const systems: SystemReport[] = [];
  const notMeasured: { peer: string; why: string }[] = [];
  for (const peer of [own, ...peers.flatMap((name) => CLUSTERED_PEERS[name]?.() ?? [])]) {
    try {
      signal.throwIfAborted();
      systems.push(await measure(peer, command, output, signal));
    } catch (error) {
      if (error instanceof UsageError) throw error;
      notMeasured.push({ peer: peer.name, why: messageOf(error) });
      if (peer === own && !signal.aborted) {
        const failure = error instanceof PeerUnavailable ? new CommandError("TARGET_DOWN", error.message) : error;
        return { systems, notMeasured, failure };
      }
    }
  }
  return { systems, notMeasured };
}

async function measure(
  peer: Peer,
  command: FailoverCommand,
  output: Output,
  signal: AbortSignal,
): Promise<SystemReport> {
  const dataDir = await mkdtemp(join(tmpdir(), "atoll-bench-"));
  const progress = progressOn(output, peer.name);
  try {
    const context = { clock: systemClock, dataDir, signal, onProgress: progress.tell };
    return systemReport(peer.name, await runFailover(peer, { ...command, nodes: PEER_NODES }, context), command.lateMs);
  } finally {
    progress.end();
    await rm(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

/** A bar where somebody watches, else a line for each thing done. */
function progressOn(output: Output, peer: string): { tell(progress: RunProgress): void; end(): void } {
  const shown: Progress = showProgress(output, `${peer}: starting`);
  return {
    tell({ doing, done, all }) {
      if (output.progress === undefined)
        output.note(`${peer}: ${doing}${all === 0 ? "" : ` (${done} of ${all} done)`}`);
      else shown.update(`${peer} ${bar(done, all)} ${doing}`);
    },
    end: () => shown.end(),
  };
}

function bar(done: number, all: number): string {
  const filled = all === 0 ? 0 : Math.round((BAR_WIDTH * done) / all);
  return `${"█".repeat(filled)}${"░".repeat(BAR_WIDTH - filled)} ${done}/${all}`;
}
