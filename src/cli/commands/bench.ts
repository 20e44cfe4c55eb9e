/**
 * `atoll bench`: measures a registry on this machine. The benchmarks themselves lie in `bench/`, and are loaded when one runs:
 * no other command knows of them.
 */

import { type Command, InvalidArgumentError, Option } from "commander";
import type { Output } from "../output.ts";
import { wholeNumber } from "../whole-number.ts";
import { tokenOf } from "./client-options.ts";

const FAULTS = [
  "kill-leader",
  "pause-leader",
  "stop-leader",
  "kill-follower",
  "stall-disk",
  "cut-region",
  "restart-all",
];
const PEERS = ["etcd"];
/** What measures Atoll beside others, and what for; in the order of `bench/`. */
const COMPARISONS = {
  throughput: "registrations, signs of life and renewals per second",
  lookup: "lookups per second, as a region grows, and abroad",
  memory: "memory per agent, an idle region, the start of a full node",
  all: "throughput, lookup and memory",
} as const;
const COMPARED_PEERS = ["etcd", "mcp-mesh-registry"];
/** One region to break, and another one to be cut from. */
const REGIONS = "us-east:3,us-west:1";
/** Ports for nodes lie 10,000 above, and so below those that systems give to clients. */
const HTTP_BASE = 22_640;
const COMPARISON_HTTP_BASE = 20_600;
const MINUTE_MS = 60_000;

export function addBench(program: Command, output: Output): void {
  const bench = program.command("bench").description("measure a registry on this machine");
  addFailover(bench, output);
  for (const [name, what] of Object.entries(COMPARISONS)) addComparison(bench, name, what, output);
}

function addComparison(bench: Command, name: string, what: string, output: Output): void {
  bench
    .command(name)
    .description(`measure ${what}`)
    .option("--only <list>", "only these scenarios", words, [])
    .option(
      "--peer <list>",
      `measure these as well, where they can be had: ${COMPARED_PEERS.join(",")}`,
      moreOf("peer", COMPARED_PEERS),
      [],
    )
    .option("--pairs <count>", "interleaved pairs of each comparison", wholeNumber(1, 100), 5)
    .option("--seconds <count>", "of each turn of a pair", wholeNumber(1, 600), 4)
    .option("--clients <count>", "each waits for its answer before it asks again", wholeNumber(1, 256), 64)
    .option(
      "--agents <count>",
      "in a region whose rates are measured by number of clients",
      wholeNumber(100, 100_000),
      1_000,
    )
    .option(
      "--steps <list>",
      "numbers of clients that these rates are measured with",
      counts(1, 256),
      [1, 4, 16, 64, 256],
    )
    .option("--http-base <port>", "HTTP port of the first node", wholeNumber(1, 54_000), COMPARISON_HTTP_BASE)
    .option("--out <file>", `the report as JSON; beside it lies FILE.html (default: bench/out/${name}-TIME.json)`)
    .option("--json", "print the report as JSON", false)
    .action(async ({ peer, json, ...rest }) => {
      const { comparison } = await import("../../../bench/comparison/command.ts");
      await comparison({ ...rest, bench: name, peers: peer, isJson: json, out: rest.out }, output);
    });
}

function addFailover(bench: Command, output: Output): void {
  bench
    .command("failover")
    .description("break a cluster under load, and show what that did to its clients")
    .option("--rounds <count>", "how often each fault is injected", wholeNumber(1, 1_000), 3)
    .option("--faults <list>", `which: ${FAULTS.join(",")}`, wordsOf("fault", FAULTS), FAULTS)
    .option(
      "--peer <list>",
      `measure these after Atoll, under the same load: ${PEERS.join(",")}`,
      moreOf("peer", PEERS),
      [],
    )
    .option("--regions <list>", "regions to start, and their nodes; clients use the first", REGIONS)
    .option("--target <urls>", "put load on these nodes of one region instead; nothing is broken then", urls, [])
    .addOption(
      new Option(
        "--token-file <file>",
        "holds what to prove yourself to them with, as ATOLL_TOKEN does: no report shows it",
      ).env("ATOLL_TOKEN_FILE"),
    )
    .option("--registrations <rate>", "per second", wholeNumber(0, 100_000), 100)
    .option("--renewals <rate>", "per second", wholeNumber(0, 100_000), 100)
    .option("--lookups <rate>", "per second", wholeNumber(0, 100_000), 100)
    .addOption(new Option("--spacing <how>", "of arrivals").choices(["even", "poisson"]).default("even"))
    .option("--seed <number>", "of everything that is drawn", wholeNumber(0, 2 ** 32 - 1), 1)
    .option("--clients <count>", "each asks one node until that fails, then the next", wholeNumber(1, 10_000), 64)
    .option("--hold-ms <ms>", "how long a fault lasts", wholeNumber(100, 10 * MINUTE_MS), 4_000)
    .option("--settle-ms <ms>", "between a fault that is over and the next", wholeNumber(0, 10 * MINUTE_MS), 1_500)
    .option("--late-ms <ms>", "what takes longer counts as late", wholeNumber(1, MINUTE_MS), 250)
    .option("--try-timeout-ms <ms>", "of one attempt", wholeNumber(10, MINUTE_MS), 1_000)
    .option("--timeout-ms <ms>", "of an operation with all its attempts", wholeNumber(10, MINUTE_MS), 10_000)
    .option("--http-base <port>", "HTTP port of the first node", wholeNumber(1, 65_535), HTTP_BASE)
    .option("--out <file>", "the report as JSON; beside it lies FILE.html (default: bench/out/failover-TIME.json)")
    .option("--compare <file>", "draw an earlier report beside this one, and print ratios")
    .option("--json", "print the report as JSON", false)
    .action(async ({ registrations, renewals, lookups, target, tokenFile, peer, json, ...rest }) => {
      const token = tokenOf({ ...(process.env.ATOLL_TOKEN && { token: process.env.ATOLL_TOKEN }), tokenFile });
      const { failover } = await import("../../../bench/failover/command.ts");
      const rates = { register: registrations, renew: renewals, lookup: lookups };
      await failover(
        { ...rest, target, token, rates, peers: peer, isJson: json, out: rest.out, compare: rest.compare },
        output,
      );
    });
}

function counts(min: number, max: number): (text: string) => number[] {
  return (text) => words(text).map(wholeNumber(min, max));
}

function words(text: string): string[] {
  return [...new Set(text.split(",").map((word) => word.trim()))];
}

/** The option may be given again, for more. */
function moreOf(what: string, known: readonly string[]): (text: string, before: readonly string[]) => string[] {
  const choose = wordsOf(what, known);
  return (text, before) => [...new Set([...before, ...choose(text)])];
}

function wordsOf(what: string, known: readonly string[]): (text: string) => string[] {
  return (text) => {
    const chosen = words(text);
    const unknown = chosen.find((word) => !known.includes(word));
    if (unknown === undefined) return chosen;
    throw new InvalidArgumentError(
      `There is no ${what} ${unknown || "without a name"}: choose from ${known.join(", ")}.`,
    );
  };
}

/** The option may be given again, for more. */
function urls(text: string, before: readonly string[]): string[] {
  const more = text.split(",").map((part) => {
    const url = URL.canParse(part.trim()) ? new URL(part.trim()) : undefined;
    if (url?.protocol === "http:" || url?.protocol === "https:") return url.origin;
    throw new InvalidArgumentError(`"${part}" is no HTTP address, such as http://127.0.0.1:8000.`);
  });
  return [...new Set([...before, ...more])];
}
