/**
 * What the page knows, and when it asks again: every two seconds while somebody looks, and at once when the node tells that
 * something happened. Says `change` when anything is new.
 */

import { Refusal } from "./connection.js";

/** @import { ClusterAnswer, NodeAnswer, ReadyAnswer, RegionAnswer, Told, TrendAnswer, TrendSample } from "./answers.d.ts" */
/** @import { Connection } from "./connection.js" */

const ASK_MS = 2_000;
const ASK_TREND_MS = 10_000;
const ASK_ABROAD_MS = 5_000;
/** After a region did not answer the page itself; browsers are seldom let into every region. */
const ASK_ABROAD_AGAIN_MS = 30_000;
const EVENTS_MAX = 600;

/**
 * @typedef {object} Picture
 * @property {ClusterAnswer} cluster
 * @property {readonly RegionAnswer[]} regions
 * @property {readonly NodeAnswer[]} nodes
 * @property {ReadyAnswer} ready
 */

export class Store extends EventTarget {
  /** @type {Picture | null} */
  picture = null;
  /** Oldest first. @type {TrendSample[]} */
  trend = [];
  trendIntervalMs = ASK_TREND_MS;
  /** Oldest first. @type {Told[]} */
  events = [];
  /** Other regions as their own nodes see them, where the browser reaches one. @type {Map<string, { cluster: ClusterAnswer, regions: readonly RegionAnswer[] }>} */
  abroad = new Map();
  /** Why the last question was not answered. @type {Error | null} */
  problem = null;
  /** @type {Map<string, number>} */
  #nextAbroadMs = new Map();
  #connection;
  #isAsking = false;
  #isStale = false;

  /** @param {Connection} connection */
  constructor(connection) {
    super();
    this.#connection = connection;
    connection.addEventListener("told", (event) => this.#take(/** @type {CustomEvent} */ (event).detail));
    connection.addEventListener("stream", (event) => {
      // Another node saw other things, under other ids; what the page did itself stays.
      if (!(/** @type {CustomEvent} */ (event).detail.isResumed)) this.events = this.events.filter(isOwn);
    });
    connection.addEventListener("moved", (event) => {
      const { from, to, reason } = /** @type {CustomEvent} */ (event).detail;
      this.trend = [];
      this.#take({ kind: "moved", id: "", atMs: Date.now(), from, to, reason });
      void this.ask();
      void this.askTrend();
    });
    connection.addEventListener("state", () => this.#say());
  }

  start() {
    const whileLookedAt = (/** @type {() => Promise<void>} */ ask) => () => {
      if (!document.hidden) void ask();
    };
    void this.ask().then(() => this.askAbroad());
    void this.askTrend();
    setInterval(
      whileLookedAt(() => this.ask()),
      ASK_MS,
    );
    setInterval(
      whileLookedAt(() => this.askTrend()),
      ASK_TREND_MS,
    );
    setInterval(
      whileLookedAt(() => this.askAbroad()),
      ASK_ABROAD_MS,
    );
    document.addEventListener(
      "visibilitychange",
      whileLookedAt(() => this.ask()),
    );
  }

  /** One question at a time; what happens meanwhile is asked for right after. */
  async ask() {
    if (this.#isAsking) {
      this.#isStale = true;
      return;
    }
    this.#isAsking = true;
    do {
      this.#isStale = false;
      await this.#askOnce();
    } while (this.#isStale);
    this.#isAsking = false;
  }

  async #askOnce() {
    const connection = this.#connection;
    if (connection.state === "unauthorized") return;
    try {
      const cluster = await connection.get("v1/cluster");
      const { regions } = await connection.get("v1/regions");
      const { nodes } = await connection.get("v1/nodes");
      const ready = await connection.get("ready");
      connection.know(nodes);
      this.picture = { cluster, regions, nodes, ready };
      this.problem = null;
    } catch (error) {
      this.problem = /** @type {Error} */ (error);
    }
    this.#say();
  }

  async askTrend() {
    if (this.#connection.state === "unauthorized") return;
    const since = this.trend.at(-1)?.atMs;
    try {
      const query = since === undefined ? "" : `?since=${since}`;
      /** @type {TrendAnswer} */
      const { samples, samplesMax, intervalMs } = await this.#connection.get(`v1/trend${query}`);
      if (since !== this.trend.at(-1)?.atMs) return;
      this.trend = [...this.trend, ...samples].slice(-samplesMax);
      this.trendIntervalMs = intervalMs;
      this.#say();
    } catch {
      // What is wrong the other questions say. The charts end earlier until this one is asked again.
    }
  }

  /** Who leads elsewhere only that region's nodes say. */
  async askAbroad() {
    const others = this.picture?.regions.filter(({ link }) => link !== "self") ?? [];
    const due = others.filter(({ region }) => (this.#nextAbroadMs.get(region) ?? 0) <= performance.now());
    await Promise.all(due.map(({ region }) => this.#askRegion(region)));
    for (const region of this.abroad.keys()) {
      if (!others.some((other) => other.region === region)) this.abroad.delete(region);
    }
    if (due.length > 0) this.#say();
  }

  /** @param {string} region */
  async #askRegion(region) {
    try {
      const cluster = await this.#connection.getIn(region, "v1/cluster");
      const { regions } = await this.#connection.getIn(region, "v1/regions");
      this.abroad.set(region, { cluster, regions });
      this.#nextAbroadMs.set(region, 0);
    } catch (error) {
      this.abroad.delete(region);
      const isRefused = error instanceof Refusal;
      this.#nextAbroadMs.set(region, performance.now() + (isRefused ? 2 : 1) * ASK_ABROAD_AGAIN_MS);
    }
  }

  /** @param {Told} told */
  #take(told) {
    if (told.kind === "ready" || told.kind === "resync") return this.#say();
    this.events = withinBounds([...this.events, told]);
    this.#anticipate(told);
    this.dispatchEvent(new CustomEvent("told", { detail: told }));
    this.#say();
    if (told.kind === "moved" || Date.now() - told.atMs > ASK_MS) return;
    void this.ask();
    if (told.kind === "leader" && told.leader === undefined && told.region !== undefined) {
      this.#nextAbroadMs.set(told.region, 0);
      void this.askAbroad();
    }
  }

  /** A leader is shown when it is told, not when somebody asks. @param {Told} told */
  #anticipate({ kind, region, leader, term }) {
    if (this.picture === null || kind !== "leader" || leader === undefined || term === undefined) return;
    const { cluster, regions, nodes } = this.picture;
    if (region !== cluster.region || term < cluster.term) return;
    this.picture = {
      ...this.picture,
      cluster: { ...cluster, leader, term },
      regions: regions.map((each) => (each.region === region ? { ...each, leader, term } : each)),
      nodes: nodes.map((node) => {
        if (node.region !== region) return node;
        if (node.name === leader) return { ...node, role: "leader" };
        return node.role === "leader" ? { ...node, role: "follower" } : node;
      }),
    };
  }

  #say() {
    this.dispatchEvent(new Event("change"));
  }
}

/**
 * Agents are many: they give way first.
 *
 * @param {Told[]} events
 */
function withinBounds(events) {
  if (events.length <= EVENTS_MAX) return events;
  const oldest = events.findIndex(({ kind }) => kind === "agents");
  return events.toSpliced(Math.max(0, oldest), 1);
}

/** @param {Told} told */
function isOwn({ kind }) {
  return kind === "moved";
}
