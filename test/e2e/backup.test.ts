/** Regions of real processes that are backed up under load, restored, and recovered after their majority was lost. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it, type TestContext } from "node:test";
import { saveBackup } from "../../src/node/backup-file.ts";
import type { BackupHeader, BackupTotals } from "../../src/types/backup.ts";
import { RegistrationLoad, RenewingAgents, registration } from "../support/load.ts";
import { type NodeProcess, ProcessGroup, startRegion } from "../support/node-process.ts";
import { until } from "../support/waiting.ts";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
const CLIENTS = 6;
const KEYS_PER_CLIENT = 8;
const CAPABILITY = "kept";
/** Longer than everything here takes on a busy machine. */
const LEASE_MS = 600_000;
/** Long enough to be renewed while the machine is busy with two regions. */
const RENEWED_LEASE_MS = 20_000;
const SETTLE_MS = 60_000;

interface ShownBackup {
  readonly header: BackupHeader;
  readonly totals: BackupTotals;
}

/** What was done to one agent: its registration has its own revision, its removal came after `after`, not later than `by`. */
type Change =
  | { readonly type: "put"; readonly value: number; readonly revision: number }
  | { readonly type: "delete"; readonly after: number; readonly by: number };

/** Clients that register, change and remove agents of their own, one change of one agent at a time. */
class Writers {
  readonly changes = new Map<string, Change[]>();
  readonly failures: string[] = [];
  acknowledged = 0;
  /** The newest that any of them was told. */
  newest = 0;
  readonly #nodes: readonly NodeProcess[];
  readonly #running: Promise<unknown>;
  #isStopped = false;

  constructor(nodes: readonly NodeProcess[]) {
    this.#nodes = nodes;
    this.#running = Promise.all(Array.from({ length: CLIENTS }, (_, client) => this.#run(client)));
  }

  more(count: number): Promise<void> {
    const goal = this.acknowledged + count;
    const show = () => this.failures.slice(-5).join("\n");
    return until(() => this.acknowledged >= goal, { what: `${count} more changes`, timeoutMs: SETTLE_MS, show });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  /** What an agent's value may be at a revision: one value, but for a removal that was under way. Undefined is absence. */
  valuesAt(revision: number, id: string): readonly (number | undefined)[] {
    let values: readonly (number | undefined)[] = [undefined];
    for (const change of this.changes.get(id) ?? []) {
      if (change.type === "put" && change.revision <= revision) values = [change.value];
      if (change.type === "delete" && change.by <= revision) values = [undefined];
      else if (change.type === "delete" && change.after < revision) values = [...values, undefined];
    }
    return values;
  }

  async #run(client: number): Promise<void> {
    const { http } = this.#nodes[client % this.#nodes.length]!;
    for (let turn = 1; !this.#isStopped; turn++) {
      const id = `${CAPABILITY}-${client}-${turn % KEYS_PER_CLIENT}`;
      const changes = this.changes.get(id) ?? [];
      this.changes.set(id, changes);
      const isThere = changes.at(-1)?.type === "put";
      const change = isThere && turn % 3 === 0 ? await this.#remove(http, id) : await this.#put(http, id, turn);
      if (change === undefined) return;
      changes.push(change);
      this.acknowledged++;
    }
  }

  async #put(http: string, id: string, value: number): Promise<Change | undefined> {
    const body = {
      endpoint: `http://${id}:8080`,
      capabilities: [CAPABILITY],
      metadata: { value },
      leaseMs: LEASE_MS,
    };
    const answer = await registration(`${http}/v1/agents/${id}`, body);
    const text = await answer.text();
    if (!answer.ok) return this.#fail(`${id}: ${answer.status} ${text}`);
    const { revision } = JSON.parse(text) as { revision: number };
    this.newest = Math.max(this.newest, revision);
    return { type: "put", value, revision };
  }

  async #remove(http: string, id: string): Promise<Change | undefined> {
    const after = this.newest;
    const answer = await fetch(`${http}/v1/agents/${id}`, { method: "DELETE" });
    const text = await answer.text();
    if (!answer.ok) return this.#fail(`${id}: ${answer.status} ${text}`);
    return { type: "delete", after, by: Number(answer.headers.get("x-atoll-revision")) };
  }

  #fail(what: string): undefined {
    this.failures.push(what);
  }
}

/** Every agent of a region that offers the capability, with its value. */
async function valuesOn(node: NodeProcess): Promise<Map<string, number>> {
  const values = new Map<string, number>();
  let cursor = "";
  do {
    const page = `${node.http}/v1/agents?capability=${CAPABILITY}&consistency=linearizable&limit=1000${cursor}`;
    const { agents, nextCursor } = (await (await fetch(page)).json()) as {
      agents: { id: string; metadata: { value: number } }[];
      nextCursor?: string;
    };
    for (const { id, metadata } of agents) values.set(id, metadata.value);
    cursor = nextCursor === undefined ? "" : `&cursor=${nextCursor}`;
  } while (cursor !== "");
  return values;
}

async function renew(node: NodeProcess, id: string, incarnation: number): Promise<number> {
  const init = {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ incarnation }),
  };
  const answer = await fetch(`${node.http}/v1/agents/${id}/renew`, init);
  await answer.body?.cancel();
  return answer.status;
}

async function foundRegion(t: TestContext | undefined, nodes: readonly NodeProcess[]): Promise<void> {
  await startRegion(nodes);
  t?.diagnostic(`${nodes.map(({ name }) => name).join(", ")} are ready`);
}

function assertRefused({ exitCode, said }: { exitCode: number; said: string }, code: string): void {
  assert.match(said, new RegExp(`^${code}: `, "m"));
  assert.equal(exitCode, 1);
}

describe("a region that is backed up under load and restored as a new one", () => {
  const key = randomBytes(32).toString("hex");
  let folder: string;
  let us: ProcessGroup;
  let eu: ProcessGroup;
  let old: NodeProcess[];
  let europe: NodeProcess;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "atoll-backup-"));
    us = await ProcessGroup.create({ region: "us", httpBase: 22_500, key });
    eu = await ProcessGroup.create({ region: "eu", httpBase: 22_510, key });
    old = ["us-1", "us-2", "us-3"].map((name) => us.add(name));
    europe = eu.add("eu-1");
  });
  after(async () => {
    await Promise.all([us?.destroy(), eu?.destroy()]);
    await rm(folder, { recursive: true, force: true });
  });

  it("P1, P2, P10: has exactly what was acknowledged at its revision, and its agents renew there", async (t) => {
    const file = join(folder, "us.backup");
    const fresh = us.add("us-4");
    await foundRegion(t, old);
    europe.start([], { ATOLL_NETWORK_PEERS: [old[0]!, fresh].map((node) => `127.0.0.1:${node.networkPort}`).join() });
    await europe.ready();
    await europe.untilRunning(
      async () => (await europe.api.regions()).some(({ region, inSync }) => region === "us" && inSync),
      "eu to follow us",
    );
    const writers = new Writers(old);
    t.after(() => writers.stop());
    let reachable = old.map(({ http }) => http);
    const agents = await RenewingAgents.start({
      name: "renewing",
      count: 8,
      leaseMs: RENEWED_LEASE_MS,
      nodes: () => reachable,
    });
    t.after(() => agents.stop());
    const mover = { endpoint: "http://mover:1", capabilities: ["mover"], leaseMs: LEASE_MS };
    const first = (await (await registration(`${old[0]!.http}/v1/agents/mover`, mover)).json()) as {
      incarnation: number;
    };
    await writers.more(300);

    const before = writers.newest;
    const wroteBefore = writers.acknowledged;
    const made = await old[1]!.atoll("backup", file);
    const wroteMeanwhile = writers.acknowledged - wroteBefore;
    assert.equal(made.exitCode, 0, made.said);
    const { header } = made.answer as ShownBackup;
    await writers.more(200);
    const second = (await (
      await registration(`${old[0]!.http}/v1/agents/mover`, { ...mover, endpoint: "http://mover:2" })
    ).json()) as { incarnation: number };
    await registration(`${old[0]!.http}/v1/agents/too-late`, mover);
    await writers.stop();
    assert.deepEqual(writers.failures, []);
    assert.ok(wroteMeanwhile > 0, "writes went on while it was made");
    assert.ok(header.revision >= before, `it is of revision ${header.revision}, ${before} was acknowledged before`);
    assert.ok(writers.newest > header.revision, "something was written after it");
    t.diagnostic(
      `revision ${header.revision}, ${before} acknowledged before, ${writers.newest} at the end; ` +
        `${wroteMeanwhile} changes while it was made, ${writers.acknowledged} in all`,
    );

    const verified = await old[0]!.atollHere("verify", file);
    assert.deepEqual([verified.exitCode, (verified.answer as ShownBackup).totals.seal], [0, "proved"], verified.said);
    const bytes = await readFile(file, "latin1");
    assert.ok(!bytes.includes(key) && !bytes.includes("region/key"), "no key is in it");
    assertRefused(await old[0]!.atoll("backup", file), "FILE_EXISTS");

    // Over nothing that lives: not in its folder, and not under its name as long as another region has a link to it.
    const words = ["restore", file, "--as-new-region"];
    assertRefused(await fresh.atollHere(...words, "--data-dir", old[0]!.dataDir), "FOLDER_NOT_EMPTY");
    assertRefused(await fresh.atollHere(...words, "--url", europe.http), "REGION_ALIVE");
    assertRefused(await fresh.atollHere(...words, "--federation", "another"), "BACKUP_OTHER_FEDERATION");
    const restored = await fresh.atollHere(...words);
    assert.equal(restored.exitCode, 0, restored.said);
    fresh.start();
    await fresh.ready();

    const held = await valuesOn(fresh);
    const wrong = [...writers.changes.keys()].filter(
      (id) => !writers.valuesAt(header.revision, id).includes(held.get(id)),
    );
    assert.deepEqual(wrong, []);
    assert.deepEqual(
      [...held.keys()].filter((id) => !writers.changes.has(id)),
      [],
      "nothing is there that was never written",
    );
    assert.ok(held.size > 0 && held.size < writers.changes.size, `${held.size} of ${writers.changes.size} are there`);

    // Agents go on with the leases they have; what the old region gave out later is no lease here.
    reachable = [fresh.http];
    await Promise.all(old.map((node) => node.kill()));
    const renewedBefore = agents.renewals;
    await fresh.untilRunning(() => agents.renewals > renewedBefore + 3 * agents.ids.length, "agents to renew there");
    assert.deepEqual(agents.refused, []);
    assert.deepEqual(
      await Promise.all([
        renew(fresh, "mover", first.incarnation),
        renew(fresh, "mover", second.incarnation),
        renew(fresh, "too-late", second.incarnation + 1),
      ]),
      [200, 410, 404],
    );
    const moved = await registration(`${fresh.http}/v1/agents/mover`, { ...mover, endpoint: "http://mover:3" });
    const third = (await moved.json()) as { incarnation: number };
    assert.ok(third.incarnation > second.incarnation, `${third.incarnation} comes after ${second.incarnation}`);

    // The other region believes it only when told so (P11), and forgets the old one.
    const seenBy = async () => (await europe.api.regions()).find(({ region }) => region === "us");
    await europe.untilRunning(async () => (await seenBy())?.distrust !== undefined, "eu to distrust the new us");
    const retired = await europe.atoll("regions", "retire", "us", "--yes");
    assert.equal(retired.exitCode, 0, retired.said);
    await europe.untilRunning(async () => {
      const region = await seenBy();
      return region?.inSync === true && region.distrust === undefined && region.agents >= held.size;
    }, "eu to follow the new us");

    // Others join it, and it goes on when they lead.
    const other = us.add("us-5");
    other.start([fresh]);
    await other.logged("JOIN_WAITS");
    const added = await fresh.atoll("members", "add", "us-5");
    assert.equal(added.exitCode, 0, added.said);
    await other.ready();
    assert.deepEqual(await valuesOn(other), held);
    const transferred = await fresh.atoll("members", "transfer", "us-5");
    assert.equal(transferred.exitCode, 0, transferred.said);
    const late = await registration(`${fresh.http}/v1/agents/late`, mover);
    assert.equal(late.status, 201, await late.text());
    await agents.stop();
    assert.deepEqual(agents.refused, []);
  });
});

describe("a backup that does not come to its end", () => {
  /** Far more than sockets and streams hold ready. */
  const AGENTS = 500;
  const METADATA = "x".repeat(16_000);
  let folder: string;
  let group: ProcessGroup;
  let node: NodeProcess;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "atoll-backup-"));
    group = await ProcessGroup.create({ region: "solo", httpBase: 22_520 });
    node = group.add("solo-1");
    await foundRegion(undefined, [node]);
    const ids = Array.from({ length: AGENTS }, (_, i) => `a${i}`);
    const register = async () => {
      for (let id = ids.pop(); id !== undefined; id = ids.pop()) {
        const body = { endpoint: `http://${id}:1`, capabilities: ["a"], metadata: { METADATA }, leaseMs: LEASE_MS };
        const answer = await registration(`${node.http}/v1/agents/${id}`, body);
        assert.equal(answer.status, 201, await answer.text());
      }
    };
    await Promise.all(Array.from({ length: 20 }, register));
  });
  after(async () => {
    await group?.destroy();
    await rm(folder, { recursive: true, force: true });
  });

  it("for want of room leaves nothing, and says so", async (t) => {
    const file = join(folder, "solo.backup");
    const script = `ulimit -f 1024; exec "$0" "$@"`;
    const args = ["-c", script, process.execPath, MAIN, "backup", file, "--url", node.http];
    const said = await new Promise<string>((resolve) => {
      execFile("bash", args, (_error, _stdout, stderr) => resolve(stderr));
    });
    assert.match(said, /BACKUP_NOT_WRITTEN: .*solo\.backup was not written: no room is left for it/);
    assert.deepEqual(await readdir(folder), []);
    t.diagnostic(said.split("\n").at(-2) ?? said);
    const whole = await node.atoll("backup", file);
    assert.equal(whole.exitCode, 0, whole.said);
  });

  it("when it was truncated or changed later is refused by verify and restore, with the place", async () => {
    const file = join(folder, "solo.backup");
    const bytes = await readFile(file);
    const spare = group.add("solo-2");
    for (const place of [3, 9, 40, 5_000, Math.floor(bytes.length / 2), bytes.length - 60, bytes.length - 2]) {
      const changed = Buffer.from(bytes);
      changed[place]! ^= 0x10;
      await writeFile(file, changed);
      const { exitCode, said } = await node.atollHere("verify", file);
      assert.equal(exitCode, 1, `byte ${place}`);
      assert.match(
        said,
        /^(NOT_A_BACKUP|BACKUP_FORMAT|BACKUP_DAMAGED: damaged or changed at byte \d+)/,
        `byte ${place}`,
      );
    }
    await writeFile(file, bytes);
    await truncate(file, bytes.length - 1);
    const cut = await spare.atollHere("restore", file, "--as-new-region");
    assert.match(cut.said, new RegExp(`BACKUP_TRUNCATED: it ends at byte ${bytes.length - 1}, before its trailer`));
    assert.deepEqual(await readdir(spare.dataDir), []);
    await rm(file);
  });

  it("because its node was killed is called incomplete, and leaves nothing", async () => {
    const file = join(folder, "solo.backup");
    const answer = await fetch(`${node.http}/v1/cluster/backup`);
    async function* slowly() {
      let isFirst = true;
      for await (const piece of answer.body!) {
        yield piece;
        if (isFirst) await node.kill();
        isFirst = false;
      }
    }
    const saving = saveBackup(slowly(), file, { mayReplace: false, sharedKeys: [] });
    await assert.rejects(saving, /BACKUP_INCOMPLETE: .* ended after \d+ bytes .*No file is left of it/);
    assert.deepEqual(await readdir(folder), []);
  });
});

describe("a region that lost its majority for good", () => {
  let group: ProcessGroup;
  before(async () => {
    group = await ProcessGroup.create({ region: "ap", httpBase: 22_530 });
  });
  after(() => group?.destroy());

  it("R52, F17: goes on from one survivor with all that it held, and takes the others in again", async (t) => {
    const nodes = ["ap-1", "ap-2", "ap-3"].map((name) => group.add(name));
    const [one, two, survivor] = nodes as [NodeProcess, NodeProcess, NodeProcess];
    await foundRegion(t, nodes);
    const load = new RegistrationLoad({ nodes: nodes.map(({ http }) => http), clients: CLIENTS, name: CAPABILITY });
    t.after(() => load.stop());
    await load.acknowledgements(100);
    await load.stop();
    const { cluster, commitIndex } = await one.api.cluster();
    await survivor.untilRunning(
      async () => (await survivor.api.cluster()).appliedIndex >= commitIndex,
      "the survivor to have it all",
    );
    await Promise.all(nodes.map((node) => node.kill()));
    for (const lost of [one, two]) await rm(lost.dataDir, { recursive: true });

    const dataDir = ["--data-dir", survivor.dataDir];
    assertRefused(await survivor.atollHere("recover", ...dataDir), "NOT_CONFIRMED");
    const recovered = await survivor.atollHere("recover", ...dataDir, "--yes");
    assert.equal(recovered.exitCode, 0, recovered.said);
    survivor.start([one, two]);
    await survivor.ready();
    assert.notEqual((await survivor.api.cluster()).cluster, cluster);

    for (const lost of [one, two]) {
      lost.start(nodes.filter((other) => other !== lost));
      await lost.logged("JOIN_WAITS");
      const added = await survivor.atoll("members", "add", lost.name);
      assert.equal(added.exitCode, 0, added.said);
      await lost.ready();
    }
    const late = await registration(`${one.http}/v1/agents/late`, { endpoint: "http://late:1", capabilities: ["b"] });
    assert.equal(late.status, 201, await late.text());
    for (const node of nodes) {
      const { agents } = await node.api.agents({
        capability: CAPABILITY,
        consistency: "linearizable",
        limit: 1_000,
      });
      const held = new Set(agents.map(({ id }) => id));
      assert.deepEqual(
        load.acknowledged.filter((id) => !held.has(id)),
        [],
        node.name,
      );
    }
  });
});
