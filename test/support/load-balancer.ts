/** A load balancer of somebody else as a child process, run from one of our example configurations. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram } from "./programs.ts";
import { until } from "./waiting.ts";

const DEPLOY = join(import.meta.dirname, "../../deploy");
const START_TIMEOUT_MS = 20_000;
const OUTPUT_LINES_SHOWN = 20;

/** Where the example says `registry-1:8000`, `registry-2:8000` and so on. */
export type NodeAddresses = readonly string[];

export class LoadBalancer {
  readonly url: string;
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #exited: Promise<void>;
  readonly #output: string[] = [];

  /** HAProxy with deploy/haproxy/haproxy.cfg, but for addresses and ports. @param statsPort - of its own state */
  static async haproxy(nodes: NodeAddresses, { port, statsPort }: { port: number; statsPort: number }) {
    const text = withNodes(await readFile(join(DEPLOY, "haproxy/haproxy.cfg"), "utf8"), nodes)
      .replace("bind :8000", `bind 127.0.0.1:${port}`)
      .replace("127.0.0.1:8404", `127.0.0.1:${statsPort}`)
      .replace("maxconn 8000", "maxconn 200");
    return LoadBalancer.#start("haproxy", text, (file) => ["-db", "-f", file], port);
  }

  /** nginx with deploy/nginx/atoll.conf, but for addresses, ports and TLS. */
  static async nginx(nodes: NodeAddresses, port: number): Promise<LoadBalancer> {
    const server = withNodes(await readFile(join(DEPLOY, "nginx/atoll.conf"), "utf8"), nodes)
      .replace("listen 443 ssl http2", `listen 127.0.0.1:${port}`)
      .replace(/^ *ssl_.*\n/gm, "");
    return LoadBalancer.#start("nginx", nginxConfiguration(server), nginxArguments, port);
  }

  static async #start(program: string, text: string, argumentsOf: (file: string) => string[], port: number) {
    const folder = await mkdtemp(join(tmpdir(), `atoll-${program}-`));
    const file = join(folder, `${program}.conf`);
    await writeFile(file, text);
    const balancer = new LoadBalancer(findProgram(program)!, argumentsOf(file), folder, port);
    try {
      await until(() => accepts(port), {
        what: `${program} to listen`,
        timeoutMs: START_TIMEOUT_MS,
        isHopeless: () => balancer.#child.exitCode !== null,
        show: () => balancer.#output.slice(-OUTPUT_LINES_SHOWN).join(""),
      });
      return balancer;
    } catch (error) {
      await balancer.stop();
      throw error;
    }
  }

  private constructor(program: string, args: readonly string[], folder: string, port: number) {
    this.url = `http://127.0.0.1:${port}`;
    this.#folder = folder;
    this.#child = spawn(program, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on("data", (chunk) => {
        this.#output.push(String(chunk));
        if (this.#output.length > OUTPUT_LINES_SHOWN) this.#output.shift();
      });
    }
    this.#exited = new Promise((resolve) => this.#child.once("close", () => resolve()));
  }

  /** Leaves no process and no file behind. */
  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#exited;
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** A whole configuration around what goes into `conf.d`, which writes nothing outside of its folder. */
export function nginxConfiguration(server: string): string {
  const bodies = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path tmp-${kind};`);
  return `daemon off;\npid nginx.pid;\nerror_log stderr warn;\nevents {}\nhttp {\naccess_log off;\n${bodies.join("\n")}\n${server}}\n`;
}

export const nginxArguments = (file: string): string[] => ["-p", join(file, ".."), "-e", "stderr", "-c", file];

export function withNodes(text: string, nodes: NodeAddresses): string {
  return nodes.reduce((done, node, i) => done.replaceAll(`registry-${i + 1}:8000`, node), text);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
