/** `atoll start` for real: one process, one data folder, and how it ends. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, afterEach, before, describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { ApiClient } from "../../src/cli/api-client.ts";

const MAIN = join(import.meta.dirname, "../../src/cli/main.ts");
const WAIT_MS = 60_000;

interface LogLine {
  readonly code: string;
  readonly [fact: string]: unknown;
}

class NodeUnderTest {
  readonly lines: LogLine[] = [];
  readonly child: ChildProcess;
  said = "";
  #onLine: () => void = () => {};

  constructor(flags: readonly string[], env: Record<string, string> = {}) {
    this.child = spawn(process.execPath, [MAIN, "start", "--network-port", "0", ...flags], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    createInterface({ input: this.child.stdout! }).on("line", (line) => {
      this.lines.push(JSON.parse(line));
      this.#onLine();
    });
    this.child.stderr!.on("data", (chunk) => {
      this.said += chunk;
    });
  }

  /** The first log line with this code. */
  async logged(code: string): Promise<LogLine> {
    const found = () => this.lines.find((line) => line.code === code);
    const signal = AbortSignal.timeout(WAIT_MS);
    while (found() === undefined) {
      await new Promise<void>((resolve, reject) => {
        this.#onLine = resolve;
        this.child.once("exit", () => reject(new Error(`exited before ${code}: ${this.said}`)));
        signal.addEventListener("abort", () => reject(new Error(`no ${code}: ${JSON.stringify(this.lines)}`)));
      });
    }
    return found()!;
  }

  /** Where it is asked, once it can serve: until it knows its region's tokens, or that there are none, it refuses. */
  async readyUrl(): Promise<string> {
    const http = String((await this.logged("NODE_STARTED")).http);
    while ((await fetch(`${http}/ready`)).status !== 200) await setTimeout(10);
    return http;
  }

  async exitCode(): Promise<number | null> {
    if (this.child.exitCode === null) await once(this.child, "exit", { signal: AbortSignal.timeout(WAIT_MS) });
    return this.child.exitCode;
  }
}

describe("atoll start", () => {
  const parent = mkdtempSync(join(tmpdir(), "atoll-start-"));
  const started: NodeUnderTest[] = [];
  const begin = (flags: readonly string[], env?: Record<string, string>) => {
    const node = new NodeUnderTest(flags, env);
    started.push(node);
    return node;
  };

  afterEach(async () => {
    for (const node of started.splice(0)) {
      node.child.kill("SIGKILL");
      await node.exitCode();
    }
  });
  after(() => rmSync(parent, { recursive: true, force: true }));

  it("is a region of one node without any configuration, keeps what it was told, and exits 0 on SIGTERM", async () => {
    const flags = ["--port", "0", "--data-dir", join(parent, "one")];
    const first = begin(flags);
    const client = new ApiClient(await first.readyUrl());
    await client.register("kept", { endpoint: "http://127.0.0.1:1", capabilities: ["keeping"], leaseMs: 600_000 });
    first.child.kill("SIGTERM");
    assert.equal(await first.exitCode(), 0);
    assert.ok(first.lines.some(({ code }) => code === "NODE_STOPPED"));

    const second = begin(flags);
    const again = new ApiClient(await second.readyUrl());
    assert.deepEqual(
      (await again.agents({ consistency: "linearizable" })).agents.map(({ id }) => id),
      ["kept"],
    );
  });

  it("says once which names in the environment change nothing", async () => {
    const env = { DATABASE_TYPE: "sqlite", MCP_MESH_SWEEP_INTERVAL: "5m" };
    const node = begin(["--port", "0", "--data-dir", join(parent, "ignored")], env);
    await node.logged("NODE_STARTED");
    const ignored = node.lines.filter(({ code }) => code === "CONFIG_IGNORED");
    assert.deepEqual(
      ignored.map(({ name, level }) => [name, level]),
      [
        ["DATABASE_TYPE", 30],
        ["MCP_MESH_SWEEP_INTERVAL", 30],
      ],
    );
  });

  it("serves operators on the admin port alone when there is one", async () => {
    const adminPort = await freePort();
    const flags = ["--port", "0", "--data-dir", join(parent, "admin")];
    const node = begin(flags, { MCP_MESH_ADMIN_PORT: String(adminPort) });
    const http = await node.readyUrl();
    const drained = await fetch(`http://127.0.0.1:${adminPort}/admin/drain`, { method: "POST" });
    assert.deepEqual([drained.status, await drained.json()], [200, { draining: true, live_claims: 0 }]);
    assert.equal((await fetch(`${http}/admin/drain`)).status, 404);
  });

  it("P11: serves others than this machine with a token only, and tells no log of it", async () => {
    const flags = ["--port", "0", "--host", "0.0.0.0", "--data-dir", join(parent, "open")];
    const refused = begin(flags);
    assert.equal(await refused.exitCode(), 78);
    assert.match(refused.said, /http\.host \(0\.0\.0\.0, flag --host\).*AUTH_TOKEN.*--insecure/);

    const node = begin(flags, { AUTH_TOKEN: "dev-token", MCP_MESH_PUBLIC_URL: "http://127.0.0.1" });
    await node.logged("NODE_STARTED");
    await node.logged("TOKEN_WEAK");
    assert.doesNotMatch(JSON.stringify(node.lines), /dev-token/);
    node.child.kill("SIGTERM");
    assert.equal(await node.exitCode(), 0);

    const open = begin([...flags, "--insecure"], { MCP_MESH_PUBLIC_URL: "http://127.0.0.1" });
    await open.logged("NODE_STARTED");
  });

  it("exits 78 on a file of tokens that can not be used", async () => {
    const tokens = join(parent, "tokens.yaml");
    writeFileSync(tokens, "tokens: [{ id: a, token: secret-of-a, role: root }]");
    const node = begin(["--port", "0", "--data-dir", join(parent, "tokens")], { ATOLL_TOKENS: tokens });
    assert.equal(await node.exitCode(), 78);
    assert.match(node.said, /security\.tokens: .*tokens\[0\]\.role should be one of reader, agent, operator/);
    assert.doesNotMatch(node.said, /secret-of-a/);
  });

  it("exits 78 on a wrong configuration", async () => {
    const node = begin(["--port", "0"], { ATOLL_RAFT_HEARTBEAT_MS: "never" });
    assert.equal(await node.exitCode(), 78);
    assert.match(
      node.said,
      /raft\.heartbeatMs: "never" is not an integer from 10 to 10000 ms.*ATOLL_RAFT_HEARTBEAT_MS/,
    );
  });

  describe("beside somebody else", () => {
    const taken = createServer();
    let port: number;
    before(async () => {
      taken.listen(0, "127.0.0.1");
      await once(taken, "listening");
      port = (taken.address() as AddressInfo).port;
    });
    after(() => void taken.close());

    it("exits 1 when its HTTP port is in use, and says how to choose another", async () => {
      const node = begin(["--port", String(port), "--data-dir", join(parent, "port")]);
      assert.equal(await node.exitCode(), 1);
      assert.match(node.said, new RegExp(`^PORT_IN_USE: port ${port} on 127\\.0\\.0\\.1 is in use: .*--port`));
    });

    it("exits 1 when its port for nodes is in use", async () => {
      const node = begin(["--port", "0", "--network-port", String(port), "--data-dir", join(parent, "links")]);
      assert.equal(await node.exitCode(), 1);
      assert.match(node.said, new RegExp(`^LISTEN_FAILED: .*127\\.0\\.0\\.1:${port} .*--network-port`));
    });

    it("exits 1 when its data folder is in use, can not be used, or is another node's", async () => {
      const dataDir = join(parent, "shared");
      const owner = begin(["--port", "0", "--data-dir", dataDir]);
      await owner.logged("REGION_FOUNDED");
      const second = begin(["--port", "0", "--data-dir", dataDir]);
      assert.equal(await second.exitCode(), 1);
      assert.match(second.said, /^STORE_LOCKED: .*ATOLL_DATA_DIR/);
      owner.child.kill("SIGTERM");
      assert.equal(await owner.exitCode(), 0);

      const other = begin(["--port", "0", "--data-dir", dataDir, "--region", "elsewhere"]);
      assert.equal(await other.exitCode(), 1);
      assert.match(other.said, /^DATA_FOLDER_OTHER_NODE: .*node\.region/);

      const file = join(parent, "file");
      writeFileSync(file, "");
      const unusable = begin(["--port", "0", "--data-dir", join(file, "data")]);
      assert.equal(await unusable.exitCode(), 1);
      assert.match(unusable.said, /^STORE_UNAVAILABLE: /);
    });
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
