/** Which command the words on the command line mean, and how it ends. */

import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { ConfigError } from "../config/errors.ts";
import { formatSetting } from "../config/format-value.ts";
import type { LoadedConfig } from "../config/load.ts";
import { expectation, OPTIONS } from "../config/table.ts";
import { ROLES } from "../types/token.ts";
import { AtollError, messageOf } from "../util/errors.ts";
import { addBench } from "./commands/bench.ts";
import { URL_DEFAULT } from "./commands/client-options.ts";
import { parseRegions, REGIONS_DEFAULT } from "./dev/options.ts";
import { CommandError, EXIT, UsageError } from "./errors.ts";
import { loadNodeConfig } from "./node-config.ts";
import { type Output, processOutput } from "./output.ts";
import { VERSION } from "./version.ts";
import { wholeNumber } from "./whole-number.ts";

/**
 * Runs one command.
 *
 * @param argv - the words after the program's name
 * @returns the exit code: 0, 1 when it failed, 64 when the words are wrong, 78 when a node's configuration is
 */
export async function run(argv: readonly string[], output: Output = processOutput): Promise<number> {
  try {
    await buildProgram(output).parseAsync([...argv], { from: "user" });
    return EXIT.ok;
  } catch (error) {
    return report(error, output);
  }
}

/** Says what went wrong, unless commander did. */
function report(error: unknown, output: Output): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof UsageError) {
    output.note(error.message);
    return EXIT.usage;
  }
  if (error instanceof ConfigError) {
    output.note(`${error.message}\n"atoll config" shows every option; "atoll start --help" says what each is for.`);
    return EXIT.config;
  }
  // What we did not foresee is a bug: only its stack says where.
  const isForeseen = error instanceof AtollError || !(error instanceof Error);
  output.note(isForeseen ? messageOf(error) : (error.stack ?? error.message));
  return error instanceof CommandError ? error.exitCode : EXIT.failure;
}

/** Commands load what they need when they run: `atoll --help` needs no network and no disk. */
function buildProgram(output: Output): Command {
  const program = new Command("atoll")
    .description("A peer-to-peer registry for AI agents: Raft inside a region, signed summaries between regions.")
    .version(VERSION)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.print(text.trimEnd()),
      writeErr: (text) => output.note(text.trimEnd()),
    });

  nodeCommand(program, "start")
    .description("run one node until it is told to stop")
    .action(async (flags) => (await import("./commands/start.ts")).start(loadedConfig(flags)));

  nodeCommand(program, "config")
    .description("show every option, its value, and where that came from")
    .option("--json", "print JSON", false)
    .action(async (flags) => (await import("./commands/config.ts")).config(loadedConfig(flags), flags, output));

  addKeys(program, output);
  addRecover(program, output);
  addBackups(program, output);
  addDev(program, output);
  addBench(program, output);
  addClientCommands(program, output);
  addMembers(program, output);
  addPeers(program, output);
  addTokens(program, output);
  addAudit(program, output);
  return program;
}

/** A command that takes every option of a node as a flag, but for secrets. */
function nodeCommand(program: Command, name: string): Command {
  const command = program.command(name).option("--config <file>", "YAML or JSON file of options (ATOLL_CONFIG)");
  for (const { option, flag } of NODE_FLAGS) command.addOption(flag.helpGroup(`Options of ${option.group}:`));
  return command;
}

const NODE_FLAGS = OPTIONS.flatMap((option) => {
  if (option.flag === undefined) return [];
  const byDefault =
    option.default === undefined ? "" : `; default ${formatSetting({ option, value: option.default }) || "none"}`;
  const help = `${option.facts.description} (${expectation(option)}${byDefault}; ${option.env})`;
  const flag = new Option(option.flag, help);
  return [{ option, flag: option.facts.reader === "toggle" ? flag.preset("on") : flag }];
});

/** @throws ConfigError */
function loadedConfig(values: Record<string, string | undefined>): LoadedConfig {
  const flags = NODE_FLAGS.map(({ option, flag }) => [option.path, values[flag.attributeName()]]);
  return loadNodeConfig(values.config, Object.fromEntries(flags));
}

function addKeys(program: Command, output: Output): void {
  program
    .command("keys")
    .description("make the shared key, tokens and certificates of a federation, in a folder of their own")
    .option("--dir <dir>", "an empty folder, or a new one", "atoll-keys")
    .option("--hosts <list>", "names and addresses that clients reach nodes by", "localhost,127.0.0.1")
    .option("--clients <list>", "entities that get a certificate to prove themselves with", "")
    .option("--days <days>", "how long certificates of nodes and clients are valid", wholeNumber(1, 3_650), 365)
    .option("--json", "print JSON", false)
    .action(async (options) => (await import("./commands/keys.ts")).keys(options, output));
}

function addRecover(program: Command, output: Output): void {
  program
    .command("recover")
    .description("make a stopped node the only voter of its region, whose majority is lost for good")
    .addOption(new Option("--data-dir <dir>", "its data folder").env("ATOLL_DATA_DIR").makeOptionMandatory())
    .option("--yes", "do it, instead of showing what the node has", false)
    .option("--json", "print JSON", false)
    .action(async (options) => (await import("./commands/recover.ts")).recover(options, output));
}

function addBackups(program: Command, output: Output): void {
  addClientCommand(program, "backup <file>", "write everything that a node's region holds to a file")
    .option("--force", "replace a file that exists, once the new one is whole", false)
    .action(async (file, options) => (await import("./commands/backup.ts")).backup(file, options, output));

  program
    .command("verify <file>")
    .description("read a backup to its end, prove all of it, and show what it holds")
    .option("--json", "print JSON", false)
    .action(async (file, options) => (await import("./commands/verify.ts")).verify(file, options, output));

  addProof(nodeCommand(program, "restore"))
    .argument("<file>", "what atoll backup wrote")
    .description("found a new region with the records of a backup, in the empty data folder of a node that is stopped")
    .option("--as-new-region", "do it, instead of showing what would be done", false)
    .option("--rename", "the new region has another name than the one that was backed up", false)
    .option("--unsealed", "take a backup that was made without the federation's shared key", false)
    .option("--url <url>", "a node of the federation that is asked whether a region of that name lives")
    .option("--json", "print JSON", false)
    .action(async (file, flags) =>
      (await import("./commands/restore.ts")).restore(file, loadedConfig(flags), flags, output),
    );
}

function addDev(program: Command, output: Output): void {
  program
    .command("dev")
    .description("run a federation on this machine, one process per node")
    .option("--regions <list>", "regions and their nodes", REGIONS_DEFAULT)
    .option(
      "--http-base <port>",
      "HTTP port of the first node; region i, node j: base + 100 i + j",
      wholeNumber(1, 65_535),
      8000,
    )
    .option("--data <dir>", "folder for the nodes' data and logs", ".atoll-dev")
    .option("--fresh", "begin with an empty folder", false)
    .option("--wan-ms <ms>", "one-way delay between regions", wholeNumber(0, 10_000), 0)
    .option("--json", "say what happens as one JSON object per line", false)
    .action(async ({ regions, httpBase, data, fresh, wanMs, json }) => {
      const { dev } = await import("./commands/dev.ts");
      await dev(
        { regions: parseRegions(regions), httpBase, dataDir: data, isFresh: fresh, wanMs, isJson: json },
        output,
      );
    });
}

function addClientCommands(program: Command, output: Output): void {
  const clientCommand = (usage: string, description: string) => addClientCommand(program, usage, description);
  const health = () => new Option("--health <health>", "only these").choices(["healthy", "unhealthy"]);

  clientCommand("status", "show a node's region, and what it sees of the others").action(async (options) =>
    (await import("./commands/status.ts")).status(options, output),
  );
  clientCommand("nodes", "list the nodes of the federation").action(async (options) =>
    (await import("./commands/nodes.ts")).nodes(options, output),
  );
  addRegions(clientCommand("regions", "list the regions of the federation"), output);
  clientCommand("agents", "list the agents of a node's region")
    .option("--capability <name>", "only agents that offer it")
    .addOption(health())
    .option("--limit <count>", "most agents to show", wholeNumber(1, 100_000), 1_000)
    .action(async (options) => (await import("./commands/agents.ts")).agents(options, output));
  clientCommand("lookup <capability>", "find agents by capability, in every region")
    .option("--version <constraint>", "a version constraint such as ^1.2")
    .option("--tags <tags>", "t required, +t preferred, -t forbidden; separated by commas")
    .option("--region <region>", "only this region")
    .option("--zone <zone>", "where you are: of equally good agents, those of this zone come first")
    .option("--explain", "tell why the answer is what it is")
    .addOption(new Option("--scope <scope>", "how far to look").choices(["region", "federation"]))
    .addOption(new Option("--health <health>", "which agents").choices(["healthy", "any"]))
    .addOption(new Option("--consistency <mode>", "of this region's part").choices(["stale", "linearizable"]))
    .option("--limit <count>", "most agents to show", wholeNumber(1, 1_000), 100)
    .action(async (capability, options) => (await import("./commands/lookup.ts")).lookup(capability, options, output));
}

function addRegions(regions: Command, output: Output): void {
  regions.enablePositionalOptions();
  regions.action(async (options) => (await import("./commands/regions.ts")).regions(options, output));
  const load = () => import("./commands/region-changes.ts");

  addClientCommand(regions, "rotate-key", "replace the key that a node's region signs with").action(async (options) =>
    (await load()).rotateKey(options, output),
  );
  addClientCommand(regions, "retire [region]", "have a node's region forget another one")
    .option("--self", "have all other regions forget the node's own, for good", false)
    .option("--yes", "do it, where it can not be taken back", false)
    .action(async (region, options) => (await load()).retire(region, options, output));
  addClientCommand(regions, "admit <region>", "let a region that was retired here be met again").action(
    async (region, options) => (await load()).admit(region, options, output),
  );
}

function addMembers(program: Command, output: Output): void {
  const members = program.command("members").description("show and change who belongs to a node's region");
  const load = () => import("./commands/members.ts");

  addClientCommand(members, "ls", "list the members, and the nodes that ask to join").action(async (options) =>
    (await load()).listMembers(options, output),
  );
  addClientCommand(members, "add <name>", "take in a node that asks to join, and wait until it votes")
    .option("--learner", "without a vote: it receives every write, until it is promoted", false)
    .option("--no-wait", "do not wait until it votes")
    .option("--timeout <seconds>", "how long to wait", wholeNumber(1, 86_400), 600)
    .action(async (name, options) => (await load()).addMember(name, options, output));
  addClientCommand(members, "remove <member>", "remove a member for good, by name or identity").action(
    async (member, options) => (await load()).removeMember(member, options, output),
  );
  addClientCommand(members, "promote <member>", "give a learner that has caught up a vote").action(
    async (member, options) => (await load()).promoteMember(member, options, output),
  );
  addClientCommand(
    members,
    "transfer [member]",
    "hand leadership to a voter, or to the one that is furthest along",
  ).action(async (member, options) => (await load()).transferLeadership(member, options, output));
}

function addPeers(program: Command, output: Output): void {
  const peers = program.command("peers").description("show and change where a node's region looks for other regions");
  const load = () => import("./commands/peers.ts");

  addClientCommand(peers, "ls", "list the peers, and the nodes that were found there").action(async (options) =>
    (await load()).listPeers(options, output),
  );
  addClientCommand(peers, "add <peer>", "dial a peer, host[:port] or srv:_service._proto.name, from every node")
    .option("--timeout <seconds>", "how long to wait until a node is found there", wholeNumber(0, 86_400), 15)
    .action(async (peer, options) => (await load()).addPeer(peer, options, output));
  addClientCommand(peers, "remove <peer>", "dial a peer by this name no more; links that exist stay").action(
    async (peer, options) => (await load()).removePeer(peer, options, output),
  );
}

function addTokens(program: Command, output: Output): void {
  const tokens = program
    .command("tokens")
    .description("make, list and revoke what proves who may ask a region for what");
  const load = () => import("./commands/tokens.ts");

  addClientCommand(tokens, "list", "list the tokens, without what proves them")
    .alias("ls")
    .action(async (options) => (await load()).listTokens(options, output));
  addClientCommand(tokens, "create", "make a token, which is shown once")
    .addOption(new Option("--role <role>", "what it may do").choices(ROLES).makeOptionMandatory())
    .option("--namespaces <list>", "whose agents it may change, separated by commas; all when absent")
    .option("--description <text>", "for people")
    .option("--expires <duration>", "how long it is valid, such as 12h or 90d; for ever when absent", lifetime)
    .option("--output <file>", "write it to a new file that its owner alone reads, in place of showing it")
    .action(async (options) => (await load()).createToken(options, output));
  addClientCommand(tokens, "revoke <id>", "serve a token no more, on any node").action(async (id, options) =>
    (await load()).revokeToken(id, options, output),
  );
}

function addAudit(program: Command, output: Output): void {
  addClientCommand(program, "audit", "show who changed what through a node, newest first")
    .option("--refusals", "who was refused, in place of it", false)
    .option("--limit <count>", "most entries to show", wholeNumber(1, 1_000), 50)
    .option("--before <number>", "only entries before this one", wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .action(async (options) => (await import("./commands/audit.ts")).audit(options, output));
}

/** Milliseconds. */
function lifetime(text: string): number {
  const [, amount, unit = ""] = /^(\d{1,6})(s|m|h|d)$/.exec(text) ?? [];
  const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit];
  if (amount === undefined || unitMs === undefined) throw new InvalidArgumentError("It should be like 12h or 90d.");
  return Number(amount) * unitMs;
}

/** A command that asks a running node. */
function addClientCommand(parent: Command, usage: string, description: string): Command {
  const command = parent
    .command(usage)
    .description(description)
    .addOption(new Option("--url <url>", "the node to ask").env("ATOLL_URL").default(URL_DEFAULT));
  return addProof(command).option("--json", "print JSON", false);
}

/** What a command proves itself with to a node. */
function addProof(command: Command): Command {
  return command
    .addOption(new Option("--token <token>", "what to prove yourself with, where nodes ask for it").env("ATOLL_TOKEN"))
    .addOption(new Option("--token-file <file>", "a file that holds it").env("ATOLL_TOKEN_FILE"))
    .addOption(new Option("--ca <file>", "with https: whom to trust, in place of the system's").env("ATOLL_CA"))
    .addOption(new Option("--cert <file>", "with https: a certificate to prove yourself with").env("ATOLL_CERT"))
    .addOption(new Option("--key <file>", "with https: its key").env("ATOLL_KEY"));
}
