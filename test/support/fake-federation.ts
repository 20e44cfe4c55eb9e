/** Several regions, each with several nodes that run the real federation code on one fake network and one virtual clock. */

import { FederationCounters } from "../../src/federation/counters.ts";
import { Federation, type FederationOptions } from "../../src/federation/federation.ts";
import { loadHash64 } from "../../src/federation/hash64.ts";
import {
  FEDERATION_DEFAULTS,
  type FederationConfig,
  type PullOutcome,
  type Refusal,
} from "../../src/federation/interface.ts";
import type { NodeFacts } from "../../src/storage/interface.ts";
import { asFederationId, asNodeName, asRegionId, type RegionId } from "../../src/types/ids.ts";
import { silentLogger } from "../../src/util/logger.ts";
import { seededRandom } from "../../src/util/random.ts";
import { FakeNetwork, type FakeNode } from "./fake-network.ts";
import { FakeRegion, type FakeView, nodeIdOf } from "./fake-region.ts";
import { VirtualClock } from "./virtual-clock.ts";

export const FEDERATION = asFederationId("test-federation");
export const hash64 = await loadHash64();

/** Also keeps the order of what a node's federation reports. */
export class CountedMetrics extends FederationCounters {
  readonly refusals: Refusal[] = [];
  readonly pulls: PullOutcome[] = [];
  largestMessage = 0;

  override published(bytes: number): void {
    super.published(bytes);
    this.largestMessage = Math.max(this.largestMessage, bytes);
  }
  override refused(reason: Refusal): void {
    super.refused(reason);
    this.refusals.push(reason);
  }
  override pulled(region: RegionId, outcome: PullOutcome): void {
    super.pulled(region, outcome);
    this.pulls.push(outcome);
  }
}

/** Facts that outlive a node, as its disk would. */
export function memoryFacts(): NodeFacts {
  const facts = new Map<string, Uint8Array>();
  return {
    get: (name) => facts.get(name),
    async put(name, value) {
      facts.set(name, value);
    },
  };
}

export interface RunningNode {
  readonly name: string;
  readonly of: FakeRegion;
  readonly view: FakeView;
  readonly node: FakeNode;
  readonly federation: Federation;
  readonly metrics: CountedMetrics;
}

export class FakeFederation {
  readonly clock = new VirtualClock();
  readonly random = seededRandom(7);
  readonly network = new FakeNetwork({ clock: this.clock, random: this.random });
  readonly regions = new Map<string, FakeRegion>();
  readonly nodes = new Map<string, RunningNode>();
  readonly #facts = new Map<string, NodeFacts>();

  /** Founds a region with running nodes `name-1` ... `name-n`; the first one leads. */
  found(name: string, count: number, config: Partial<FederationConfig> = {}): FakeRegion {
    const region = this.declare(name, count);
    for (let i = 1; i <= count; i++) this.start(`${name}-${i}`, config);
    return region;
  }

  /** Founds a region whose nodes are started one by one. */
  declare(name: string, count: number, cluster?: string): FakeRegion {
    const region = new FakeRegion(this.clock, asRegionId(name), cluster);
    this.regions.set(name, region);
    for (let i = 1; i <= count; i++) {
      const node = `${name}-${i}`;
      region.nodes.push({
        name: node,
        nodeId: nodeIdOf(node),
        addresses: [`${node}:4001`],
        http: `http://${node}:8000`,
      });
    }
    region.leader = nodeIdOf(`${name}-1`);
    return region;
  }

  start(
    name: string,
    config: Partial<FederationConfig> = {},
    of = this.regions.get(name.replace(/-\d+$/, ""))!,
    nodeId = nodeIdOf(name),
  ): RunningNode {
    const view = of.view(nodeId);
    const node = this.network.join({
      nodeId,
      name: asNodeName(name),
      region: of.region,
      cluster: of.cluster,
      http: `http://${name}:8000`,
      addresses: [`${name}:4001`],
    });
    const facts = this.#facts.get(name) ?? memoryFacts();
    this.#facts.set(name, facts);
    const metrics = new CountedMetrics();
    const options: FederationOptions = {
      local: view,
      federation: FEDERATION,
      cluster: of.cluster,
      directory: node.directory,
      requests: node.requests,
      summaries: node.summaries,
      facts,
      hash64,
      clock: this.clock,
      random: this.random,
      logger: silentLogger,
      config: { ...FEDERATION_DEFAULTS, ...config },
      metrics,
    };
    const federation = new Federation(options);
    federation.start();
    const running = { name, of, view, node, federation, metrics };
    this.nodes.set(name, running);
    return running;
  }

  /** Ends a node without a word. Its facts stay. */
  crash(name: string): void {
    const running = this.node(name);
    this.network.leave(running.node.self.nodeId);
    running.federation.stop();
    this.nodes.delete(name);
  }

  /** Lets time pass until `promise` has settled, in steps of a millisecond, at most a minute. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const note = () => {
      isSettled = true;
    };
    promise.then(note, note);
    await this.clock.advance(0);
    for (let passedMs = 0; !isSettled && passedMs < 60_000; passedMs++) await this.clock.advance(1);
    if (!isSettled) throw new Error("nothing settled within a minute");
    return promise;
  }

  node(name: string): RunningNode {
    const running = this.nodes.get(name);
    if (running === undefined) throw new Error(`${name} does not run`);
    return running;
  }

  /** Nodes whose summary of another region differs from that region's state, and how; empty after convergence. */
  differences(): string[] {
    const found: string[] = [];
    for (const { name, of, federation } of this.nodes.values()) {
      for (const other of this.regions.values()) {
        if (other === of) continue;
        const status = federation.status().find(({ region }) => region === other.region);
        const isEqual = status?.inSync === true && status.revision === other.revision;
        if (!isEqual) found.push(`${name} of ${other.region}: ${JSON.stringify(status)}, is at ${other.revision}`);
      }
    }
    return found;
  }
}
