/** Real nodes that run short of disk or memory: what they do without, what they never do without, and that it ends by itself. */

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it, type TestContext } from "node:test";
import { prepareStallableDisks } from "../../bench/peers/disk-stall.ts";
import { type NodeProcess, ProcessGroup, type ProcessGroupOptions, startRegion } from "../support/node-process.ts";
import { SmallDisk } from "../support/small-disk.ts";

const MIB = 1024 * 1024;
/** A tenth of it is kept free, and a quarter of that is the very last. */
const DISK_MIB = 96;
const LOW_BYTES = 6 * MIB;
const FULL_BYTES = 1.5 * MIB;
const LEASE_MS = 600_000;
const CLIENTS = 16;

interface Answer {
  readonly status: number;
  readonly code: string | undefined;
}

async function send(node: NodeProcess, method: string, path: string, body?: unknown): Promise<Answer> {
  const content =
    body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch(`${node.http}${path}`, { method, signal: AbortSignal.timeout(30_000), ...content });
  const text = await response.text();
  const isRefused = response.status >= 400;
  return { status: response.status, code: isRefused ? JSON.parse(text).error?.code : undefined };
}

function register(node: NodeProcess, id: string, more: object = {}): Promise<Answer> {
  const body = { endpoint: `http://${id}:1`, capabilities: ["work"], leaseMs: LEASE_MS, ...more };
  return send(node, "PUT", `/v1/agents/${id}`, body);
}

const renew = (node: NodeProcess, id: string) => send(node, "POST", `/v1/agents/${id}/renew`, {});
const isKnown = async (node: NodeProcess, id: string) => (await send(node, "GET", `/v1/agents/${id}`)).status === 200;

/** Registers agents by their numbers, and fails if one is refused. */
async function registerAll(node: NodeProcess, name: string, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, i) => `${name}-${i}`);
  for (const id of ids) assert.equal((await register(node, id)).status, 201, id);
  return ids;
}

async function readiness(node: NodeProcess): Promise<{ httpStatus: number; status: string; codes: string[] }> {
  const response = await fetch(`${node.http}/ready`);
  const { status, degraded } = (await response.json()) as { status: string; degraded: { code: string }[] };
  return { httpStatus: response.status, status, codes: degraded.map(({ code }) => code) };
}

async function untilDegraded(node: NodeProcess, code: string): Promise<void> {
  await node.untilRunning(async () => {
    const { httpStatus, status, codes } = await readiness(node);
    return httpStatus === 200 && status === "degraded" && codes.includes(code);
  }, `${node.name} to say ${code}`);
}

const untilSound = (node: NodeProcess) =>
  node.untilRunning(
    async () => (await readiness(node)).status === "ready",
    `${node.name} to be ready, and nothing less`,
  );

async function groupOf(t: TestContext, options: Omit<ProcessGroupOptions, "region">): Promise<ProcessGroup> {
  const group = await ProcessGroup.create({ region: "short", ...options });
  groups.push(group);
  t.after(() => Promise.all(group.nodes.map((node) => node.kill())));
  return group;
}

const groups: ProcessGroup[] = [];
after(async () => {
  for (const group of groups) await group.destroy();
});

async function leaderOf(node: NodeProcess): Promise<string | null> {
  return (await node.api.cluster()).leader;
}

describe("a node that runs short of disk", () => {
  it("P12: takes no registrations, hands leadership on, renews, looks up, and is itself again when there is room", async (t) => {
    const group = await groupOf(t, { httpBase: 19_700 });
    const [east, west, short] = ["east", "west", "short"].map((name) => group.add(name)) as [
      NodeProcess,
      NodeProcess,
      NodeProcess,
    ];
    const disk = await SmallDisk.mount(t, short.dataDir, DISK_MIB);
    if (disk === null) return;
    await startRegion([east, west, short]);
    await short.untilRunning(async () => {
      if ((await leaderOf(short)) === short.name) return true;
      await send(short, "POST", "/v1/cluster/transfer", { to: short.name });
      return false;
    }, "the node with the small disk to lead");
    const before = await registerAll(short, "before", 20);

    await disk.leave(LOW_BYTES);
    await untilDegraded(short, "DISK_LOW");
    assert.deepEqual(await register(short, "refused"), { status: 503, code: "DISK_LOW" });
    await east.untilRunning(async () => {
      const leader = await leaderOf(east);
      return leader !== null && leader !== short.name;
    }, "another node to lead");
    const meanwhile = await registerAll(east, "meanwhile", 20);
    await short.untilRunning(() => isKnown(short, meanwhile.at(-1)!), "it to follow while its disk is low");
    for (const id of before) assert.equal((await renew(short, id)).status, 200, id);

    await disk.leave(FULL_BYTES);
    await untilDegraded(short, "DISK_FULL");
    const behind = await registerAll(west, "behind", 20);
    for (const id of [...before, ...meanwhile]) assert.equal((await renew(short, id)).status, 200, id);
    // It has not heard of this one, and can not catch up: that says nothing about the agent (F18).
    assert.equal((await renew(short, behind[0]!)).status, 503);

    await disk.makeRoom();
    await untilSound(short);
    for (const id of [...before, ...meanwhile, ...behind]) {
      await short.untilRunning(() => isKnown(short, id), `${short.name} to hold ${id}`);
    }
    assert.equal((await register(short, "after")).status, 201);
    assert.deepEqual([short.hasLogged("NODE_DEGRADED"), short.hasLogged("NODE_RECOVERED")], [true, true]);
  });

  it("F18: loses nothing that it acknowledged when the disk refuses a write, and starts again when there is room", async (t) => {
    const group = await groupOf(t, { httpBase: 19_710 });
    const node = group.add("alone");
    const disk = await SmallDisk.mount(t, node.dataDir, DISK_MIB);
    if (disk === null) return;
    node.start();
    await node.ready();
    const acknowledged: string[] = [];
    let isOver = false;
    const writer = async (name: number) => {
      for (let i = 0; !isOver; i++) {
        const id = `writer-${name}-${i}`;
        const answer = await register(node, id, { metadata: { text: "x".repeat(8_000) } }).catch(() => null);
        if (answer === null) return;
        if (answer.status === 201) acknowledged.push(id);
        else assert.equal(answer.status, 503, answer.code);
      }
    };
    const writers = Array.from({ length: CLIENTS }, (_, i) => writer(i));
    await node.untilRunning(() => acknowledged.length > 100, "some writes");
    await disk.fill();
    await node
      .untilRunning(async () => (await readiness(node)).status === "degraded", "it to notice")
      .catch(() => assert.equal(node.isRunning, false, "a node whose disk refused a write ends"));
    isOver = true;
    await Promise.all(writers);
    if (!node.isRunning) assert.notEqual(await node.exited(), 0);

    await disk.makeRoom();
    if (!node.isRunning) node.start();
    await untilSound(node);
    for (const id of acknowledged) assert.ok(await isKnown(node, id), `${id} of ${acknowledged.length}`);
    assert.equal((await register(node, "after")).status, 201);
  });
});

describe("a node whose disk is slow", () => {
  it("P12: says so, hands leadership on, holds up nobody, and recovers", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "atoll-stall-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const disks = await prepareStallableDisks(folder);
    if ("notInjected" in disks) return t.skip(disks.notInjected);
    const group = await groupOf(t, { httpBase: 19_720, env: disks.environment });
    const nodes = ["a", "b", "c"].map((name) => group.add(name));
    await startRegion(nodes);
    const name = await leaderOf(nodes[0]!);
    const slow = nodes.find((node) => node.name === name)!;
    const others = nodes.filter((node) => node !== slow);
    const before = await registerAll(slow, "before", 5);
    await disks.stall(slow.pid);
    // Something for its disk to be slow with.
    const [other] = others as [NodeProcess];
    const meanwhile = await registerAllPatiently(other, "meanwhile", 10);
    await untilDegraded(slow, "DISK_SLOW");
    await other.untilRunning(async () => {
      const leader = await leaderOf(other);
      return leader !== null && leader !== slow.name;
    }, "a node with a good disk to lead");
    for (const id of before) assert.equal((await renew(other, id)).status, 200, id);
    await disks.release(slow.pid);
    await untilSound(slow);
    for (const id of [...before, ...meanwhile]) {
      await slow.untilRunning(() => isKnown(slow, id), `${slow.name} to hold ${id}`);
    }
  });
});

describe("a node whose disk stalls under writes that go on coming", () => {
  it("P12: refuses those that it could not do in time, renews and looks up, and loses nothing that it acknowledged", async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "atoll-stall-"));
    t.after(() => rm(folder, { recursive: true, force: true }));
    const disks = await prepareStallableDisks(folder);
    if ("notInjected" in disks) return t.skip(disks.notInjected);
    const group = await groupOf(t, { httpBase: 19_725, env: disks.environment });
    const node = group.add("alone");
    node.start();
    await node.ready();
    const before = await registerAll(node, "before", 20);
    await disks.stall(node.pid);

    const acknowledged: string[] = [];
    const underWay = new Set<Promise<void>>();
    let refused = 0;
    let next = 0;
    const ask = async (id: string) => {
      const { status, code } = await register(node, id);
      if (status === 201) acknowledged.push(id);
      else {
        assert.equal(status, 503, code);
        if (code === "OVERLOADED") refused++;
      }
    };
    await node.untilRunning(() => {
      for (let i = 0; i < CLIENTS; i++) {
        const asked = ask(`crowd-${next++}`).finally(() => underWay.delete(asked));
        underWay.add(asked);
      }
      return refused > CLIENTS;
    }, "it to refuse writes, while those before them wait for its disk");
    assert.ok(underWay.size < 1_000, `${underWay.size} wait`);
    await untilDegraded(node, "DISK_SLOW");
    await untilDegraded(node, "OVERLOADED");
    for (const id of before) {
      assert.equal((await renew(node, id)).status, 200, id);
      assert.ok(await isKnown(node, id));
    }

    await disks.release(node.pid);
    await Promise.all(underWay);
    await untilSound(node);
    assert.ok(acknowledged.length > 0);
    for (const id of [...before, ...acknowledged]) assert.ok(await isKnown(node, id), id);
    assert.equal((await register(node, "after")).status, 201);
  });
});

/** Through elections: what is refused for now is sent again. */
async function registerAllPatiently(node: NodeProcess, name: string, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, i) => `${name}-${i}`);
  for (const id of ids) {
    await node.untilRunning(async () => (await register(node, id)).status < 300, `${id} to be registered`);
  }
  return ids;
}

describe("a node whose memory is limited", () => {
  it("P12: with 256 MiB refuses new agents before it dies, renews all it has, and takes more when some have left", async (t) => {
    const group = await groupOf(t, { httpBase: 19_730, env: { NODE_OPTIONS: "--max-old-space-size=256" } });
    const node = group.add("small");
    // Its real disk would take most of the time.
    if ((await SmallDisk.mount(t, node.dataDir, 2_048)) === null) return;
    node.start();
    await node.ready();
    const acknowledged: string[] = [];
    let next = 0;
    let isFull = false;
    const client = async () => {
      while (!isFull) {
        const id = `agent-${next++}`;
        const { status, code } = await register(node, id, largeRecord(id));
        if (status === 201) acknowledged.push(id);
        else if (code === "MEMORY_LOW") isFull = true;
        else assert.equal(status, 503, code);
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
    await untilDegraded(node, "MEMORY_LOW");
    assert.ok(acknowledged.length > 500, `${acknowledged.length}`);
    for (const id of acknowledged.slice(-100)) assert.equal((await renew(node, id)).status, 200, id);
    assert.equal((await register(node, acknowledged[0]!, largeRecord("other"))).status, 200, "known ones may change");

    const leaving = acknowledged.splice(0, acknowledged.length / 2);
    const leave = async () => {
      for (let id = leaving.pop(); id !== undefined; id = leaving.pop()) {
        // Near its limit the process collects garbage for longer than it may be late.
        await node.untilRunning(async () => (await send(node, "DELETE", `/v1/agents/${id}`)).status < 300, id);
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, leave));
    await untilSound(node);
    assert.equal((await register(node, "after")).status, 201);
    assert.ok(await isKnown(node, acknowledged.at(-1)!));
  });
});

/** As large as a record may be, and like no other. */
function largeRecord(id: string): object {
  const text = (length: number) => `${id} `.repeat(Math.ceil(length / (id.length + 1))).slice(0, length);
  return {
    metadata: { text: text(12_000) },
    capabilities: ["a", "b", "c", "d"].map((name) => ({ name: `${name}-${id}`, description: text(8_000) })),
  };
}
