/** What can be typed into a running `atoll dev`: one command per line, for people and for tests. */

import { messageOf } from "../../util/errors.ts";
import { UsageError } from "../errors.ts";
import type { FederationStatus, LocalFederation } from "./federation.ts";

interface ConsoleCommand {
  readonly parameters: readonly string[];
  readonly description: string;
  readonly run: (federation: LocalFederation, first: string, second: string) => void | Promise<void>;
}

const COMMANDS: Readonly<Record<string, ConsoleCommand>> = {
  restart: {
    parameters: ["NODE"],
    description: "start it again",
    run: (federation, name) => federation.restart(name),
  },
  kill: {
    parameters: ["NODE"],
    description: "SIGKILL, as a power cut",
    run: (federation, name) => federation.kill(name),
  },
  stop: {
    parameters: ["NODE"],
    description: "SIGTERM, as an orderly shutdown",
    run: (federation, name) => federation.stopNode(name),
  },
  pause: {
    parameters: ["NODE"],
    description: "SIGSTOP: it keeps its sockets and answers nothing",
    run: (federation, name) => federation.pause(name),
  },
  resume: { parameters: ["NODE"], description: "SIGCONT", run: (federation, name) => federation.resume(name) },
  cut: {
    parameters: ["REGION", "REGION"],
    description: "let nothing pass between two regions",
    run: (federation, a, b) => federation.cut(a, b),
  },
  heal: {
    parameters: ["REGION", "REGION"],
    description: "let everything pass again",
    run: (federation, a, b) => federation.heal(a, b),
  },
};

export interface ConsoleReporter {
  status(status: FederationStatus): void;
  help(text: string): void;
  /** A line that could not be done. */
  failed(line: string, message: string): void;
}

/** Does what one line says. Never rejects: what goes wrong is reported. */
export async function runConsoleLine(
  line: string,
  federation: LocalFederation,
  reporter: ConsoleReporter,
): Promise<void> {
  const [name = "", ...words] = line.trim().split(/\s+/);
  if (name === "") return;
  if (name === "status") return reporter.status(federation.status());
  if (name === "help") return reporter.help(CONSOLE_HELP);
  try {
    const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
    if (command === undefined) throw new UsageError(`there is no command ${name}: type help`);
    if (words.length !== command.parameters.length) {
      throw new UsageError(`write ${[name, ...command.parameters].join(" ")}`);
    }
    await command.run(federation, words[0] ?? "", words[1] ?? "");
  } catch (error) {
    reporter.failed(line.trim(), messageOf(error));
  }
}

export const CONSOLE_HELP = [
  ...Object.entries(COMMANDS).map(([name, { parameters, description }]) => ({
    usage: [name, ...parameters].join(" "),
    description,
  })),
  { usage: "status", description: "what runs, what is cut" },
  { usage: "help", description: "this" },
]
  .map(({ usage, description }) => `  ${usage.padEnd(20)} ${description}`)
  .join("\n");
