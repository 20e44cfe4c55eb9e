/** A server process as a node of a peer. */

import type { PeerNode } from "./peer.ts";
import { type ServerCommand, ServerProcess } from "./server-process.ts";

export class ServerNode implements PeerNode {
  readonly url: string;
  readonly process: ServerProcess;

  constructor(command: ServerCommand, url: string) {
    this.url = url;
    this.process = new ServerProcess(command);
  }

  get name(): string {
    return this.process.name;
  }

  get pid(): number | null {
    return this.process.hasEnded ? null : this.process.pid;
  }

  kill(): Promise<void> {
    return this.process.kill();
  }

  stop(): Promise<void> {
    return this.process.stop();
  }

  async pause(): Promise<void> {
    this.process.signal("SIGSTOP");
  }

  async resume(): Promise<void> {
    this.process.signal("SIGCONT");
  }

  async start(): Promise<void> {
    this.process.start();
  }

  /** Whether it answers a GET of `path` with 2xx. */
  async answers(path: string): Promise<boolean> {
    const response = await fetch(`${this.url}${path}`, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
    await response.body?.cancel();
    return response.ok;
  }

  /** What it answers to JSON that is posted. @throws Error when it is no 2xx */
  async post(path: string, body: object): Promise<unknown> {
    const response = await fetch(`${this.url}${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    });
    if (!response.ok)
      throw new Error(`${this.name}: ${path} was answered ${response.status}: ${await response.text()}`);
    return response.json();
  }
}

const ANSWER_TIMEOUT_MS = 1_000;
