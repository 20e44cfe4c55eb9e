/**
 * Finds the value of every option: `defaults < file < environment < flags`, checked once, frozen.
 *
 * A problem names the option, its value, where it came from and what is accepted; all problems are told at once. Names that
 * are nobody's option are refused rather than ignored: a misspelt option would otherwise silently be its default.
 */

import Value from "typebox/value";
import { parse } from "yaml";
import { messageOf } from "../util/errors.ts";
import { didYouMean } from "./did-you-mean.ts";
import { ConfigError, type ConfigProblem } from "./errors.ts";
import { formatAddress, formatSetting } from "./format-value.ts";
import { findIgnored, type IgnoredSetting, isFromKubernetes } from "./ignored.ts";
import type { Address } from "./option.ts";
import { readValue } from "./read-value.ts";
import { checkRules } from "./rules.ts";
import { type Config, RAFT_PRESETS } from "./schema.ts";
import { expectation, OPTION_BY_PATH, OPTIONS, type Option } from "./table.ts";

export interface ConfigSources {
  /** Text of a YAML or JSON file, and its path for messages. */
  readonly file?: { readonly path: string; readonly text: string };
  readonly env: Readonly<Record<string, string | undefined>>;
  /** By path of the option: `{ "http.port": "8001" }`. */
  readonly flags: Readonly<Record<string, string | undefined>>;
  /** What this machine is called; told to others where an option says "all addresses". */
  readonly hostname: string;
}

/** Where a value came from, in words: `default`, `environment REGION`, `flag --port`, `file atoll.yaml`. */
export type Origin = string;

export interface Setting {
  readonly option: Option;
  readonly value: unknown;
  readonly origin: Origin;
}

export interface LoadedConfig {
  readonly config: Config;
  /** Every option, in the order of the schema, with where its value came from. */
  readonly settings: readonly Setting[];
  /** Names in the environment that are accepted and change nothing. */
  readonly ignored: readonly IgnoredSetting[];
}

/** Something said about an option, not read yet. */
interface Statement {
  readonly raw: unknown;
  readonly origin: Origin;
  readonly factor: number;
}

/** `ATOLL_*` names that are not options of a node: the file of options, and what the client commands ask a node with. */
const OTHER_NAMES = [
  "ATOLL_CONFIG",
  ...["ATOLL_URL", "ATOLL_TOKEN", "ATOLL_TOKEN_FILE", "ATOLL_CA", "ATOLL_CERT", "ATOLL_KEY"],
];
const FILE_CHARACTERS_MAX = 1024 * 1024;
const SHOWN_CHARACTERS_MAX = 200;

/** @throws ConfigError CONFIG_INVALID with every problem found */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const problems: ConfigProblem[] = [];
  const fromFile = statementsOfFile(sources.file, problems);
  problems.push(...unknownNames(sources.env));

  const explicit = new Map<Option, Statement>();
  for (const option of OPTIONS) {
    const statement = fromFlag(option, sources) ?? fromEnvironment(option, sources) ?? fromFile.get(option.path);
    if (statement !== undefined) explicit.set(option, statement);
  }

  const settings = new Map<string, Setting>();
  for (const option of OPTIONS) {
    const setting = settle(option, explicit.get(option), settings);
    if ("message" in setting) problems.push(setting);
    else settings.set(option.path, setting);
  }
  if (problems.length > 0) throw new ConfigError(problems);

  deriveDefaults(settings, sources.hostname);
  const config = assemble(settings);
  const broken = checkRules(config).map(({ options, reason }) => ({
    option: options[0] ?? "",
    message: `${options.map((path) => withValue(path, settings)).join(" and ")}: ${reason}`,
  }));
  if (broken.length > 0) throw new ConfigError(broken);
  return {
    config,
    settings: OPTIONS.flatMap(({ path }) => settings.get(path) ?? []),
    ignored: findIgnored(sources.env),
  };
}

/** The options said in a file, by path. Values that are no option are problems. */
function statementsOfFile(file: ConfigSources["file"], problems: ConfigProblem[]): Map<string, Statement> {
  const statements = new Map<string, Statement>();
  if (file === undefined) return statements;
  const refuse = (option: string, what: string) =>
    problems.push({ option, message: `${option}: ${what} (file ${file.path})` });
  if (file.text.length > FILE_CHARACTERS_MAX) {
    refuse("--config", `the file has more than ${FILE_CHARACTERS_MAX} characters`);
    return statements;
  }
  let content: unknown;
  try {
    content = parse(file.text) ?? {};
  } catch (error) {
    refuse("--config", `the file is neither YAML nor JSON: ${messageOf(error)}`);
    return statements;
  }
  if (!isMapping(content)) {
    refuse("--config", "the file should hold groups of options, such as node: { region: us-east }");
    return statements;
  }
  const groups = new Set(OPTIONS.map(({ group }) => group));
  for (const [group, options] of Object.entries(content)) {
    if (!groups.has(group)) {
      refuse(group, `there is no such group of options${didYouMean(group, groups)}`);
    } else if (!isMapping(options)) {
      refuse(group, "it should hold options by name");
    } else {
      for (const [key, raw] of Object.entries(options)) {
        const path = `${group}.${key}`;
        if (!OPTION_BY_PATH.has(path))
          refuse(path, `there is no such option${didYouMean(path, OPTION_BY_PATH.keys())}`);
        else if (raw !== null) statements.set(path, { raw, origin: `file ${file.path}`, factor: 1 });
      }
    }
  }
  return statements;
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unknownNames(env: ConfigSources["env"]): ConfigProblem[] {
  const known = new Set([...OPTIONS.map((option) => option.env), ...OTHER_NAMES]);
  return Object.entries(env).flatMap(([name, value = ""]) =>
    !name.startsWith("ATOLL_") || known.has(name) || isFromKubernetes(name, value)
      ? []
      : [{ option: name, message: `${name}: there is no such option${didYouMean(name, known)} (environment ${name})` }],
  );
}

function fromFlag(option: Option, { flags }: ConfigSources): Statement | undefined {
  const raw = flags[option.path];
  return raw === undefined ? undefined : { raw, origin: `flag ${longFlag(option)}`, factor: 1 };
}

/** The first name of the option that is set; an empty value counts as not set, as compose files write it. */
function fromEnvironment(option: Option, { env }: ConfigSources): Statement | undefined {
  for (const { name, factor = 1 } of [{ name: option.env }, ...option.facts.aliases]) {
    const raw = env[name];
    if (raw !== undefined && raw !== "" && !isFromKubernetes(name, raw)) {
      return { raw, origin: `environment ${name}`, factor };
    }
  }
  return undefined;
}

/** `--port` of `-p, --port <port>`. */
function longFlag({ flag = "" }: Option): string {
  return /--[a-z-]+/.exec(flag)?.[0] ?? flag;
}

/** The value of an option: as said, or by default. Options are settled in order, so a preset knows its group's choice. */
function settle(
  option: Option,
  statement: Statement | undefined,
  settled: ReadonlyMap<string, Setting>,
): Setting | ConfigProblem {
  if (statement === undefined) return byDefault(option, settled);
  const value = readValue(statement.raw, option.facts, statement.factor);
  if (Value.Check(option.schema, value)) return { option, value, origin: statement.origin };
  const shown = option.facts.isSecret ? "the value" : abridged(JSON.stringify(statement.raw) ?? String(statement.raw));
  const hint = statement.factor === 1_000 ? "; a bare number there counts seconds" : "";
  return {
    option: option.path,
    message: `${option.path}: ${shown} is not ${expectation(option)} (${statement.origin}${hint})`,
  };
}

function abridged(shown: string): string {
  return shown.length <= SHOWN_CHARACTERS_MAX ? shown : `${shown.slice(0, SHOWN_CHARACTERS_MAX)}...`;
}

function byDefault(option: Option, settled: ReadonlyMap<string, Setting>): Setting {
  const preset = settled.get("raft.preset")?.value as Config["raft"]["preset"] | undefined;
  const preferred = preset === undefined ? undefined : RAFT_PRESETS[preset][option.path];
  return preferred === undefined
    ? { option, value: option.default, origin: "default" }
    : { option, value: preferred, origin: `preset ${preset}` };
}

/** Fills in what follows from other options. A port that is any free one is only known once the node listens. */
function deriveDefaults(settings: Map<string, Setting>, hostname: string): void {
  const valueAt = <Value>(path: string) => settings.get(path)?.value as Value;
  const derive = (path: string, value: unknown, from: string) => {
    const setting = settings.get(path);
    if (setting !== undefined && setting.value === undefined)
      settings.set(path, { ...setting, value, origin: `from ${from}` });
  };
  const reachable = (host: string) => (host === "0.0.0.0" || host === "::" ? hostname : host);

  derive("node.name", `${valueAt<string>("node.region")}-1`, "node.region");
  const self = valueAt<Config["node"]["members"]>("node.members").find(({ name }) => name === valueAt("node.name"));
  if (self !== undefined) derive("network.advertise", [{ host: self.host, port: self.port }], "node.members");
  const network: Address = { host: reachable(valueAt("network.host")), port: valueAt("network.port") };
  if (network.port !== 0) derive("network.advertise", [network], "network.host and network.port");
  const http: Address = { host: reachable(valueAt("http.host")), port: valueAt("http.port") };
  const scheme = valueAt<string>("http.tlsMode") === "off" ? "http" : "https";
  if (http.port !== 0) derive("http.publicUrl", `${scheme}://${formatAddress(http)}`, "http.host and http.port");
}

/** Values are copied, so that freezing them leaves the defaults in the schema as they are. */
function assemble(settings: ReadonlyMap<string, Setting>): Config {
  const config: Record<string, Record<string, unknown>> = {};
  for (const { option, value } of settings.values()) {
    config[option.group] ??= {};
    if (value !== undefined)
      Object.assign(config[option.group]!, { [option.path.slice(option.group.length + 1)]: structuredClone(value) });
  }
  return deepFreeze(config) as unknown as Config;
}

function deepFreeze<Value>(value: Value): Value {
  if (typeof value !== "object" || value === null) return value;
  for (const inner of Object.values(value)) deepFreeze(inner);
  return Object.freeze(value);
}

function withValue(path: string, settings: ReadonlyMap<string, Setting>): string {
  const setting = settings.get(path);
  if (setting === undefined) return path;
  return `${path} (${formatSetting(setting)}, ${setting.origin})`;
}
