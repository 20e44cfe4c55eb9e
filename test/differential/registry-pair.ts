/**
 * The real registry and a region of ours, asked the same things in the same order.
 *
 * Every answer of ours that differs must differ as the step says, under the name of an improvement of docs/http-api.md, to
 * the letter: an improvement that is gone is as much a failure as a difference nobody wanted.
 *
 * Read-your-writes holds on one node, so a step that goes to another one first waits until that has applied what was written.
 */

import assert from "node:assert/strict";
import { until } from "../support/waiting.ts";
import { differencesOf } from "./comparison.ts";
import { type Answer, HttpExchange, type Request } from "./exchange.ts";

const REVISION_TIMEOUT_MS = 20_000;
const ASKED_LENGTH_SHOWN = 200;
/** Each words its refusals for itself; what is refused, and the name of the field, is the contract's. */
const OWN_WORDS = "own words";
const ERROR_TEXTS = /^body\.(error|msg): "[^"].*" → "[^"].*"$/;
const REFUSAL_TEXTS = /^body\.message: "(validation failed|failed to \w+ agent): (.*)" → "validation failed: (.*)"$/;

/**
 * By name of the improvement: the lines of `differencesOf` that it accounts for, each exactly once. One that ends in `…`
 * leaves the rest of its line open.
 */
export type Improvements = Readonly<Record<string, readonly string[]>>;

export interface BothAnswers {
  readonly real: Answer;
  readonly ours: Answer;
}

export class RegistryPair {
  /** How many requests each side was sent. */
  requests = 0;
  /** Names of the improvements that were seen. */
  readonly improvements = new Set<string>();
  readonly #real: HttpExchange;
  readonly #nodes: readonly HttpExchange[];
  readonly #unexpected: string[] = [];
  #node = 0;
  #revision = 0;

  /** @param nodes - HTTP addresses of the nodes of one region */
  constructor(real: string, nodes: readonly string[]) {
    this.#real = new HttpExchange(real);
    this.#nodes = nodes.map((url) => new HttpExchange(url));
  }

  /** Goes on with the next node, once it has applied all that was written. */
  async hop(): Promise<void> {
    this.#node = (this.#node + 1) % this.#nodes.length;
    const node = this.#ours;
    await until(async () => revisionOf(await node.send({ method: "GET", path: "/health" })) >= this.#revision, {
      what: `${node.url} to apply revision ${this.#revision}`,
      timeoutMs: REVISION_TIMEOUT_MS,
      show: () => "",
    });
  }

  /** A full heartbeat; text is sent as it is. */
  post(heartbeat: object | string, improvements?: Improvements): Promise<BothAnswers> {
    const body = typeof heartbeat === "string" ? heartbeat : JSON.stringify(heartbeat);
    return this.send({ method: "POST", path: "/heartbeat", body }, improvements);
  }

  /** @param leftOut - fields, at whatever depth, that another story compares */
  get(path: string, improvements?: Improvements, leftOut?: readonly string[]): Promise<BothAnswers> {
    return this.send({ method: "GET", path }, improvements, leftOut);
  }

  /** A fast heartbeat. */
  head(id: string, improvements?: Improvements): Promise<BothAnswers> {
    return this.send({ method: "HEAD", path: `/heartbeat/${id}` }, improvements);
  }

  /** An agent leaves. */
  leave(id: string, improvements?: Improvements): Promise<BothAnswers> {
    return this.send({ method: "DELETE", path: `/agents/${id}` }, improvements);
  }

  async send(request: Request, improvements: Improvements = {}, leftOut: readonly string[] = []): Promise<BothAnswers> {
    this.requests++;
    const [real, ours] = await Promise.all([this.#real.send(request), this.#ours.send(request)]);
    this.#revision = Math.max(this.#revision, revisionOf(ours));
    this.#judge(request, differencesOf(real, ours, leftOut), improvements);
    return { real, ours };
  }

  /** Fails with all that differed since it was asked last and should not have, or did not and should have. */
  assertAsExpected(): void {
    const unexpected = this.#unexpected.splice(0);
    assert.ok(unexpected.length === 0, `\n${unexpected.join("\n")}`);
  }

  close(): void {
    for (const exchange of [this.#real, ...this.#nodes]) exchange.close();
  }

  get #ours(): HttpExchange {
    return this.#nodes[this.#node]!;
  }

  #judge(request: Request, differences: readonly string[], improvements: Improvements): void {
    for (const name of Object.keys(improvements)) this.improvements.add(name);
    const wanted = Object.values(improvements).flat();
    const unwanted = differences.filter((line) => {
      const place = wanted.findIndex((want) => isLine(want, line));
      if (place === -1) return !this.#isOwnWords(line);
      wanted.splice(place, 1);
      return false;
    });
    const lines = [...unwanted, ...wanted.map((line) => `missing: ${line}`)];
    if (lines.length === 0) return;
    const asked = `#${this.requests} ${request.method} ${request.path} ${request.body ?? ""}`.slice(
      0,
      ASKED_LENGTH_SHOWN,
    );
    this.#unexpected.push([asked, ...lines].join("\n    "));
  }

  #isOwnWords(line: string): boolean {
    const isOwn = ERROR_TEXTS.test(line) || isRefusalOfTheSame(line);
    if (isOwn) this.improvements.add(OWN_WORDS);
    return isOwn;
  }
}

function isLine(wanted: string, line: string): boolean {
  return wanted.endsWith("…") ? line.startsWith(wanted.slice(0, -1)) : line === wanted;
}

function isRefusalOfTheSame(line: string): boolean {
  const [isRefusal, kind, real = "", ours = ""] = REFUSAL_TEXTS.exec(line) ?? [];
  if (isRefusal === undefined) return false;
  return kind !== "validation failed" || fieldIn(real) === fieldIn(ours);
}

function fieldIn(text: string): string {
  return text.slice(0, text.indexOf(":"));
}

function revisionOf({ headers }: Answer): number {
  return Number(headers["x-atoll-revision"] ?? 0);
}
