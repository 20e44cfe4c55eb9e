/** What a node takes when it holds much, when it does nothing, and when it starts. */

import { sleep } from "../src/util/clock.ts";
import { registration, registrationOf } from "./comparison/atoll-requests.ts";
import { inspectable, memoryAfterCollection } from "./comparison/inspector.ts";
import { fill, startAtoll } from "./comparison/parts.ts";
import { type Scenario, scenario } from "./comparison/scenario.ts";
import { untilServing } from "./comparison/serving.ts";
import { round } from "./figures.ts";
import { median } from "./pairs.ts";

const AGENTS = 100_000;
const AGENTS_FEW = 1_000;
const CAPABILITIES = 3;
/** More than the log and the feed of changes keep: both are as large before as they are after. */
const CHANGES = 25_000;
const IDLE_AGENTS = 1_000;
const IDLE_SECONDS = 20;
const SETTLE_MS = 5_000;
const INSPECTOR_PORT_OFFSET = 900;

const memory = scenario({
  name: "memory",
  what: "what 99,000 more agents of three capabilities add to a node of 1,000 that was at work, after garbage was collected",
  targets: {
    heap: {
      figure: "memory per agent at 100,000 agents, heap and buffers",
      unit: "bytes",
      better: "less",
      must: 3_072,
      aim: 1_536,
    },
    rss: { figure: "memory per agent at 100,000 agents, RSS", unit: "bytes", better: "less", must: 3_072, aim: 1_536 },
  },
  async run(session) {
    const port = session.options.httpBase + INSPECTOR_PORT_OFFSET;
    const atoll = await startAtoll(session, 1, inspectable(port));
    await fill(session, "atoll", atoll, AGENTS_FEW, (i) => registrationOf(i, CAPABILITIES));
    await fill(session, "atoll", atoll, CHANGES, (i) =>
      registrationOf(i % AGENTS_FEW, CAPABILITIES, 1 + Math.floor(i / AGENTS_FEW)),
    );
    const few = await memoryAfterCollection(port);
    await fill(session, "atoll", atoll, AGENTS - AGENTS_FEW, (i) => registrationOf(AGENTS_FEW + i, CAPABILITIES));
    await sleep(session.context.clock, SETTLE_MS, session.context.signal);
    const many = await memoryAfterCollection(port);
    await session.stop(atoll);
    const told = (name: string, from: number, to: number) => ({
      value: (to - from) / (AGENTS - AGENTS_FEW),
      detail: `${name} ${round(from / 2 ** 20)} MiB with ${AGENTS_FEW} agents, ${round(to / 2 ** 20)} MiB with ${AGENTS}`,
    });
    return {
      heap: told("heap and buffers", few.heapBytes, many.heapBytes),
      rss: told("RSS", few.rssBytes, many.rssBytes),
    };
  },
});

const idle = scenario({
  name: "idle",
  what: "processor time of three nodes with 1,000 agents that nobody asks anything",
  targets: {
    cpu: {
      figure: "idle 3-node region, CPU of the busiest node",
      unit: "% of a core",
      better: "less",
      must: 2,
      aim: 1,
    },
  },
  async run(session) {
    const { clock, signal, note } = session.context;
    const atoll = await startAtoll(session, 3);
    await fill(session, "atoll", atoll, IDLE_AGENTS, registration);
    await sleep(clock, SETTLE_MS, signal);
    note(`nothing happens for ${IDLE_SECONDS} s ...`);
    const measured = session.measureCosts(atoll.nodes);
    await sleep(clock, 1_000 * IDLE_SECONDS, signal);
    const { costs } = measured();
    const nodes = costs.filter(({ name }) => atoll.nodes.some((node) => node.name === name));
    await session.stop(atoll);
    const detail = nodes
      .map(({ name, cores, rssMiB }) => `${name} ${round(100 * cores)} %, ${round(rssMiB)} MiB`)
      .join("; ");
    return {
      cpu: { value: 100 * Math.max(...nodes.map(({ cores }) => cores)), detail: `${detail}; ${IDLE_SECONDS} s` },
    };
  },
});

const start = scenario({
  name: "start",
  what: "from the start of a node with 100,000 agents on disk until /ready",
  targets: {
    stopped: {
      figure: "start with 100,000 agents to /ready, after a stop",
      unit: "s",
      better: "less",
      must: 5,
      aim: 2,
    },
    killed: {
      figure: "start with 100,000 agents to /ready, after kill -9",
      unit: "s",
      better: "less",
      must: 5,
      aim: 2,
    },
  },
  async run(session) {
    const { clock, note } = session.context;
    const atoll = await startAtoll(session, 1);
    const node = atoll.nodes[0]!;
    await fill(session, "atoll", atoll, AGENTS, registration);
    const once = async (end: "stop" | "kill") => {
      await node[end]();
      const beganMs = clock.now();
      await node.start();
      await untilServing(node.url, session.context);
      return (clock.now() - beganMs) / 1_000;
    };
    const all = async (end: "stop" | "kill") => {
      note(`starts after ${end} ...`);
      const times: number[] = [];
      for (let i = 0; i < session.options.pairs; i++) times.push(await once(end));
      const spread = [Math.min(...times), Math.max(...times)] as const;
      return {
        value: median(times),
        spread,
        detail: `${times.length} starts after ${end === "kill" ? "kill -9" : "a stop"}`,
      };
    };
    const measured = { stopped: await all("stop"), killed: await all("kill") };
    await session.stop(atoll);
    return measured;
  },
});

export const MEMORY: readonly Scenario[] = [memory, idle, start];
