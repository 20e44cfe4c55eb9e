/**
 * The production driver under faults, from seeds: real groups on disks in memory and virtual time, while clients write and
 * read through every member.
 *
 * What is checked is what a client can see: an acknowledged command is there exactly once, one of unknown outcome at most
 * once, one that was refused never, and a barrier shows everything acknowledged before it began (P1, P2, R40, R41).
 */

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { describe, it } from "node:test";
import type { RaftGroupOptions } from "../../src/raft/raft-group.ts";
import { type Random, randomInteger, seededRandom } from "../../src/util/random.ts";
import { command, outcomeOf, RaftCluster } from "../support/raft-cluster.ts";

const FIXED_SEEDS = 30;
const FRESH_SEEDS = Math.ceil(Number(process.env.ATOLL_SIM_SEEDS ?? 1_000) / 25);
const STEPS = 120;

class Run {
  readonly #random: Random;
  readonly #cluster: RaftCluster;
  readonly #outcomes = new Map<string, string>();
  readonly #broken: string[] = [];
  #proposals = 0;

  private constructor(random: Random, cluster: RaftCluster) {
    this.#random = random;
    this.#cluster = cluster;
  }

  static async of(seed: number): Promise<void> {
    const random = seededRandom(seed);
    const pick = <T>(...values: readonly T[]): T => values[randomInteger(random, 0, values.length - 1)]!;
    const options: Partial<RaftGroupOptions> = {
      logEntriesMax: pick(10, 50, 20_000),
      logTailEntries: pick(0, 5),
      effectsFlushMs: pick(5, 200),
      committedPage: pick(1, 512),
      waitingBytesMax: pick(300, 1_000_000),
      appendBytesMax: pick(1, 1_000_000),
      window: { messagesMax: pick(1, 64), bytesMax: 1_000_000 },
    };
    const cluster = await RaftCluster.start(pick(1, 3, 3, 3, 5), options, seed);
    const run = new Run(random, cluster);
    for (let i = 0; i < STEPS; i++) await run.#step();
    await run.#finish();
  }

  async #step(): Promise<void> {
    const random = this.#random;
    for (let i = randomInteger(random, 0, 6); i > 0; i--) this.#propose();
    if (random.next() < 0.3) this.#read();
    if (random.next() < 0.25) await this.#fault();
    await this.#cluster.clock.advance(randomInteger(random, 1, 60));
  }

  #propose(): void {
    const node = this.#anyNode();
    if (node === undefined) return;
    const line = `command ${this.#proposals++}`;
    // Until it is heard of again, as after a crash of the node that proposed it.
    this.#outcomes.set(line, "OUTCOME_UNKNOWN");
    const proposal = node.group.propose(command(line), { timeoutMs: randomInteger(this.#random, 50, 5_000) });
    outcomeOf(proposal).then(
      (outcome) => this.#outcomes.set(line, outcome),
      (error) => this.#broken.push(`${line} failed: ${error}`),
    );
  }

  #read(): void {
    const node = this.#anyNode();
    if (node === undefined) return;
    const acknowledged = [...this.#outcomes].flatMap(([line, outcome]) => (outcome === "ok" ? line : []));
    const check = () => {
      const missing = acknowledged.filter((line) => !node.ledger.lines.includes(line));
      if (missing.length > 0) this.#broken.push(`a read on ${node.id} misses ${missing.join(", ")}`);
    };
    node.group.readBarrier({ timeoutMs: 2_000 }).then(check, () => {});
  }

  #anyNode() {
    const { running } = this.#cluster;
    return running[randomInteger(this.#random, 0, running.length - 1)];
  }

  async #fault(): Promise<void> {
    const random = this.#random;
    const cluster = this.#cluster;
    const id = cluster.ids[randomInteger(random, 0, cluster.ids.length - 1)]!;
    const later = (run: () => void) => cluster.clock.schedule(randomInteger(random, 20, 1_500), run);
    const kind = randomInteger(random, 0, 6);
    if (!cluster.isRunning(id)) {
      await cluster.startNode(id);
    } else if (kind <= 1) {
      cluster.crash(id, { isSilent: kind === 0, luck: random });
    } else if (kind === 2) {
      cluster.network.isolate(id);
      later(() => cluster.network.heal());
    } else if (kind === 3) {
      cluster.network.cut(id, cluster.ids[0]!);
      later(() => cluster.network.heal());
    } else if (kind === 4) {
      const share = random.next() / 2;
      cluster.network.loses = () => random.next() < share;
      later(() => {
        cluster.network.loses = () => false;
      });
    } else if (kind === 5) {
      const ms = randomInteger(random, 0, 100);
      cluster.node(id).store.delayWrites(cluster.clock, () => ms);
    } else {
      // Whether it comes to pass is of no interest here, and the leader may die meanwhile.
      cluster.leader?.group.transferLeadership().catch(() => {});
    }
  }

  async #finish(): Promise<void> {
    const cluster = this.#cluster;
    await cluster.clock.advance(1_500);
    cluster.network.heal();
    cluster.network.loses = () => false;
    for (const id of cluster.ids) {
      if (!cluster.isRunning(id)) await cluster.startNode(id);
      cluster.node(id).store.delayWrites(cluster.clock, () => 0);
    }
    await cluster.untilLed();
    // Whatever still waits ends by then.
    await cluster.clock.advance(6_000);
    const lines = await cluster.untilAgreed();
    assert.deepEqual(
      cluster.running.filter(({ fatal }) => fatal !== undefined).map(({ id, fatal }) => [id, fatal]),
      [],
    );
    assert.deepEqual(this.#broken, []);
    const times = new Map<string, number>();
    for (const line of lines) times.set(line, (times.get(line) ?? 0) + 1);
    for (const [line, outcome] of this.#outcomes) {
      const applied = times.get(line) ?? 0;
      if (outcome === "ok") assert.equal(applied, 1, `${line} was acknowledged`);
      else if (outcome === "OUTCOME_UNKNOWN") assert.ok(applied <= 1, `${line} was applied ${applied} times`);
      else assert.equal(applied, 0, `${line} was answered ${outcome}`);
    }
  }
}

describe("sim raft-group", () => {
  for (let seed = 1; seed <= FIXED_SEEDS; seed++) {
    it(`seed ${seed}: clients see each command once, refused ones never, and every acknowledged one`, () =>
      Run.of(seed));
  }

  const first = randomInt(2 ** 31);
  for (let seed = first; seed < first + FRESH_SEEDS; seed++) {
    it(`fresh seed ${seed}: the same`, () => Run.of(seed));
  }
});
