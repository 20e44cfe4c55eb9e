/** One thing that is measured: what is wanted of its figures, and how they come about. */

import { messageOf } from "../../src/util/errors.ts";
import { PeerUnavailable } from "../peers/peer.ts";
import type { Measured, Target, TargetRow } from "../targets.ts";
import type { Session } from "./session.ts";

export interface NotMeasured {
  readonly notMeasured: string;
}

export interface Scenario<Name extends string = string> {
  /** What `--only` takes. */
  readonly name: string;
  /** What it takes, in words. */
  readonly what: string;
  /** By a name that the figures of `run` have, too. */
  readonly targets: Readonly<Record<Name, Target>>;
  run(session: Session): Promise<Readonly<Record<NoInfer<Name>, Measured | NotMeasured>>>;
}

/** Keeps the names of figures together with those of targets. */
export function scenario<Name extends string>(described: Scenario<Name>): Scenario {
  return described;
}

export interface ScenarioOutcome {
  readonly rows: readonly TargetRow[];
  /** What nobody expected; undefined when everything went as it should, or could not be had here. */
  readonly error: unknown;
}

/** Runs it; never rejects. What can not be had on this machine, or was not asked for, is not measured, and no error. */
export async function runScenario({ name, targets, run }: Scenario, session: Session): Promise<ScenarioOutcome> {
  const { peers } = session.options;
  const rows = (outcome: (figure: string) => Measured | NotMeasured) => rowsOf({ name, targets }, peers, outcome);
  try {
    const figures = await run(session);
    return { rows: rows((figure) => figures[figure] ?? { notMeasured: "nothing was told of it" }), error: undefined };
  } catch (error) {
    const isForeseen = error instanceof PeerUnavailable || session.context.signal.aborted;
    return {
      rows: rows(() => ({ notMeasured: isForeseen ? messageOf(error) : `failed: ${messageOf(error)}` })),
      error: isForeseen ? undefined : error,
    };
  }
}

/** One that could not even begin. */
export function failedScenario(scenario: Scenario, peers: readonly string[], error: unknown): ScenarioOutcome {
  return { rows: rowsOf(scenario, peers, () => ({ notMeasured: `failed: ${messageOf(error)}` })), error };
}

function rowsOf(
  { name, targets }: Pick<Scenario, "name" | "targets">,
  peers: readonly string[],
  outcome: (figure: string) => Measured | NotMeasured,
): TargetRow[] {
  const command = [`atoll bench all --only ${name}`, ...(peers.length === 0 ? [] : [`--peer ${peers.join(",")}`])];
  return Object.entries(targets).map(([figure, target]) => ({
    ...target,
    command: command.join(" "),
    measured: outcome(figure),
  }));
}
