/**
 * etcd as Debian packages it, driven through its own HTTP gateway.
 *
 * What makes it fair: an agent is one key of `RECORD_BYTES`, put as JSON over HTTP as an agent of Atoll is; every put is on
 * disk on a majority before it is answered, in both; lookups are serializable, so answered from the memory of the node that
 * is asked, and reads are linearizable. A sign of life is a keepalive of a lease, which does not touch the log in either.
 * It runs once with its own timeouts and once with ours. Nothing else of it is changed.
 */

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { HttpAnswer, HttpRequest } from "../load/http-client.ts";
import { type Peer, type PeerCluster, type PeerFaults, PeerUnavailable, type StartOptions } from "./peer.ts";
import { agentId, capabilityOf, paddingFor } from "./sample-agents.ts";
import { orStop, stopAll, untilAll } from "./server-cluster.ts";
import { ServerNode } from "./server-node.ts";

export interface EtcdOptions {
  readonly name: string;
  /** Its own defaults where absent. */
  readonly timeouts?: { readonly heartbeatMs: number; readonly electionMs: number };
}

/** 100 ms between heartbeats, 1,000 ms without one until an election. */
export const ETCD_DEFAULTS: EtcdOptions = { name: "etcd" };
/** As Atoll's `raft.heartbeatMs` and `raft.electionMsMin` are. */
export const ETCD_TUNED: EtcdOptions = { name: "etcd, tuned", timeouts: { heartbeatMs: 100, electionMs: 500 } };

const PROGRAM = "etcd";
const NODE_PORT_OFFSET = 10_000;
const START_TIMEOUT_MS = 30_000;
/** Renewals of agents share them; a keepalive of a lease costs the same whatever is attached to it. */
const LEASES = 100;
const LEASE_SECONDS = 86_400;
const LOOKUP_LIMIT = 10;
const JSON_HEADERS = { "content-type": "application/json" };

const NO_FAULTS: PeerFaults = {
  disk: {
    notInjected: "etcd is written in Go, which calls the kernel without libc: a shim of fdatasync does not reach it",
  },
  region: { notInjected: "etcd has no other region" },
};

interface MemberStatus {
  readonly header: { readonly member_id: string };
  /** The id of the member that leads; absent while none does. */
  readonly leader?: string;
  readonly raftTerm: string;
}

export function etcd(options: EtcdOptions): Peer {
  return {
    name: options.name,
    async start(start) {
      const version = await installedVersion();
      const nodes = launch(options, start);
      return orStop(nodes, async () => {
        const cluster = new EtcdCluster(nodes, start, settingOf(version, options));
        await cluster.untilReady(START_TIMEOUT_MS, start.signal);
        await cluster.grantLeases();
        return cluster;
      });
    },
  };
}

class EtcdCluster implements PeerCluster {
  readonly nodes: readonly ServerNode[];
  readonly setting: string;
  readonly faults = NO_FAULTS;
  readonly #options: StartOptions;

  constructor(nodes: readonly ServerNode[], options: StartOptions, setting: string) {
    this.nodes = nodes;
    this.#options = options;
    this.setting = setting;
  }

  register(i: number): HttpRequest {
    return post("/v3/kv/put", { key: base64(keyOf(i)), value: recordOf(i) });
  }

  renew(i: number): HttpRequest {
    return post("/v3/lease/keepalive", { ID: leaseId(i) });
  }

  lookup(i: number): HttpRequest {
    return rangeOf(lookupKeys(i), { serializable: true });
  }

  read(i: number): HttpRequest {
    return post("/v3/kv/range", { key: base64(keyOf(i)) });
  }

  shows({ status, body }: HttpAnswer, i: number): boolean {
    return status === 200 && body.includes(`"key":"${base64(keyOf(i))}"`);
  }

  /** A serializable answer says nothing of its age. */
  stalenessMs(): undefined {}

  async leader(): Promise<number | undefined> {
    const statuses = await this.#statuses();
    const votes = statuses.flatMap((status) => (status?.leader === undefined ? [] : [status.leader]));
    const elected = votes.find((id) => votes.filter((other) => other === id).length > this.nodes.length / 2);
    const index = statuses.findIndex((status) => elected !== undefined && status?.header.member_id === elected);
    return index < 0 ? undefined : index;
  }

  async term(): Promise<number | undefined> {
    const terms = (await this.#statuses()).flatMap((status) => (status === undefined ? [] : [Number(status.raftTerm)]));
    return terms.length === 0 ? undefined : Math.max(...terms);
  }

  async untilReady(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    await untilAll(this.nodes, (node) => node.answers("/health"), { clock, timeoutMs, signal });
    const [first] = this.nodes;
    const isLed = async () => (await this.leader()) !== undefined;
    await untilAll(first === undefined ? [] : [first], isLed, { clock, timeoutMs, signal });
  }

  async grantLeases(): Promise<void> {
    for (let i = 0; i < LEASES; i++) {
      await this.nodes[0]?.post("/v3/lease/grant", { ID: leaseId(i), TTL: LEASE_SECONDS });
    }
  }

  stop(): Promise<void> {
    return stopAll(this.nodes);
  }

  /** In the order of nodes; undefined for one that does not answer. */
  #statuses(): Promise<(MemberStatus | undefined)[]> {
    const ask = (node: ServerNode) => node.post("/v3/maintenance/status", {}) as Promise<MemberStatus>;
    return Promise.all(this.nodes.map((node) => ask(node).catch(() => undefined)));
  }
}

/** @throws PeerUnavailable */
async function installedVersion(): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(PROGRAM, ["--version"]);
    return /etcd Version: (\S+)/.exec(stdout)?.[1] ?? "of an unknown version";
  } catch (error) {
    throw new PeerUnavailable("there is no program etcd here: apt-get install etcd-server", { cause: error });
  }
}

function settingOf(version: string, { timeouts }: EtcdOptions): string {
  const times =
    timeouts === undefined
      ? "its own defaults"
      : `heartbeat ${timeouts.heartbeatMs} ms, election ${timeouts.electionMs} ms`;
  return `etcd ${version}, ${times}`;
}

function launch({ timeouts }: EtcdOptions, { nodes: count, httpBase, dataDir }: StartOptions): ServerNode[] {
  const members = Array.from({ length: count }, (_, i) => {
    const name = `etcd-${i + 1}`;
    const port = httpBase + i;
    return { name, url: `http://127.0.0.1:${port}`, peerUrl: `http://127.0.0.1:${port + NODE_PORT_OFFSET}` };
  });
  const initial = members.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(",");
  const tuning =
    timeouts === undefined
      ? []
      : [`--heartbeat-interval=${timeouts.heartbeatMs}`, `--election-timeout=${timeouts.electionMs}`];
  return members.map(({ name, url, peerUrl }) => {
    const folder = join(dataDir, name);
    const args = [
      `--name=${name}`,
      `--data-dir=${folder}`,
      `--listen-client-urls=${url}`,
      `--advertise-client-urls=${url}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=${initial}`,
      ...tuning,
    ];
    return new ServerNode({ name, program: PROGRAM, args, folder, logFile: join(dataDir, `${name}.log`) }, url);
  });
}

function keyOf(i: number): string {
  return `${capabilityOf(i)}/${agentId(i)}`;
}

/** What stands for the record of an agent: `RECORD_BYTES` before they are encoded as the gateway wants them. */
function recordOf(i: number): string {
  const record = { id: agentId(i), capability: capabilityOf(i), padding: "" };
  return base64(JSON.stringify({ ...record, padding: paddingFor(record) }));
}

/** All keys that begin with the capability: the range ends before the next character after "/". */
function lookupKeys(i: number): { readonly key: string; readonly range_end: string } {
  return { key: base64(`${capabilityOf(i)}/`), range_end: base64(`${capabilityOf(i)}0`) };
}

function rangeOf(keys: object, how: object): HttpRequest {
  return post("/v3/kv/range", { ...keys, limit: LOOKUP_LIMIT, ...how });
}

function leaseId(i: number): number {
  return 1 + (i % LEASES);
}

function post(path: string, body: object): HttpRequest {
  return { method: "POST", path, headers: JSON_HEADERS, body: JSON.stringify(body) };
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
