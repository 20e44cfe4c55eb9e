/**
 * The way to the federation: one node at a time, and to another one when it dies.
 *
 * The page knows the addresses of the other nodes from those that it saw. A node that does not answer is left for one of
 * the same region, the nearest first, then for one of another region; only what is not a node of the federation, such as a
 * load balancer, is never left, since no other node would let a page from there read (docs/adr/0019).
 *
 * A token goes to nodes of the region that it was given for, and to nobody else.
 */

import { eventsOf } from "./event-stream.js";

const TIMEOUT_MS = 4_000;
const PROBE_TIMEOUT_MS = 1_500;
/** Longer than the pause between two heartbeats of a stream. */
const SILENCE_MS = 25_000;
/** Who was refused waits for a token, and looks now and then whether it is needed still. */
const RETRY_MS = { first: 500, most: 5_000, refused: 60_000 };
const TOKENS_KEY = "atoll.tokens";

/** @typedef {{ name: string, region: string, origin: string, roundTripMs: number }} KnownNode */
/** @typedef {"loading" | "live" | "moving" | "offline" | "unauthorized"} LinkState */

/** What a node answered instead of what it was asked for. */
export class Refusal extends Error {
  /**
   * @param {number} status
   * @param {string} code
   * @param {string} message
   * @param {string} region - that needs a token; empty when it is not known
   */
  constructor(status, code, message, region) {
    super(message);
    this.status = status;
    this.code = code;
    this.region = region;
  }

  get isUnauthorized() {
    return this.status === 401 || this.code === "ROLE_MISSING";
  }
}

/** Nobody answered. */
export class Unreachable extends Error {}

/** Says `moved`, `state` and `unauthorized`, and each event of the stream as `told`. */
export class Connection extends EventTarget {
  /** Where requests go now. */
  origin = location.origin;
  /** @type {LinkState} */
  state = "loading";
  /** @type {KnownNode[]} */
  nodes = [];
  /** Region by origin, as answers told it. @type {Map<string, string>} */
  #regions = new Map();
  /** By region. @type {Record<string, string>} */
  #tokens = readTokens();
  /** @type {Promise<boolean> | null} */
  #moving = null;
  #stream = new AbortController();
  #streamId = "";
  #wake = () => {};

  /**
   * @template Answer
   * @param {string} path - such as `v1/cluster`
   * @param {AbortSignal} [signal]
   * @returns {Promise<Answer>}
   * @throws {Refusal | Unreachable}
   */
  async get(path, signal) {
    const origin = this.origin;
    try {
      const answer = await this.#ask(origin, path, signal);
      if (this.state !== "live") this.#setState("live");
      return answer;
    } catch (error) {
      if (error instanceof Refusal && error.isUnauthorized) this.#refused(error);
      if (!(error instanceof Unreachable)) throw error;
      if (await this.#leave(origin)) return this.get(path, signal);
      throw error;
    }
  }

  /**
   * Asks a node of a region, this node's own or another one, without moving there.
   *
   * @param {string} region
   * @param {string} path
   * @param {AbortSignal} [signal]
   * @returns {Promise<any>}
   */
  async getIn(region, path, signal) {
    if (region === "" || this.regionOf(this.origin) === region) return this.get(path, signal);
    let last = new Unreachable(`no node of ${region} is known here`);
    for (const { origin } of this.nodes.filter((node) => node.region === region)) {
      try {
        return await this.#ask(origin, path, signal);
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
        last = error;
      }
    }
    throw last;
  }

  /**
   * @param {readonly { name: string, region: string, http: string, link: string, roundTripMs?: number }[]} nodes
   */
  know(nodes) {
    this.nodes = nodes.flatMap(({ name, region, http, link, roundTripMs }) => {
      if (!URL.canParse(http)) return [];
      const { origin } = new URL(http);
      this.#regions.set(origin, region);
      return [{ name, region, origin, roundTripMs: roundTripMs ?? (link === "self" ? 0 : Number.POSITIVE_INFINITY) }];
    });
  }

  /** @param {string} origin */
  regionOf(origin) {
    return this.#regions.get(origin);
  }

  /**
   * The origin as nodes name it: a page that was opened by another name of this machine is that of a node all the same.
   *
   * @param {string} origin
   */
  isOrigin(origin) {
    const same = (/** @type {string} */ text) => text.replace(/\/\/localhost(?=:|$)/, "//127.0.0.1");
    return same(origin) === same(this.origin);
  }

  /** @param {string} origin */
  moveTo(origin) {
    if (this.isOrigin(origin)) return;
    this.#arrive(origin, "chosen");
  }

  /**
   * @param {string} region
   * @param {string} token
   */
  setToken(region, token) {
    this.#tokens[region] = token;
    sessionStorage.setItem(TOKENS_KEY, JSON.stringify(this.#tokens));
    this.#setState("loading");
    this.#stream.abort();
    this.#wake();
  }

  /** With all that they let this page read: it begins anew, at the node that it asks now, since its own may be gone. */
  forgetTokens() {
    sessionStorage.removeItem(TOKENS_KEY);
    if (this.origin === location.origin) location.reload();
    else location.replace(`${this.origin}/${location.hash}`);
  }

  get hasTokens() {
    return Object.keys(this.#tokens).length > 0;
  }

  /** Follows the activity of whichever node is asked, for ever. */
  async follow() {
    for (let failures = 0; ; ) {
      const origin = this.origin;
      this.#stream = new AbortController();
      try {
        await this.#read(origin, this.#stream);
        failures = 0;
      } catch (error) {
        failures++;
        if (error instanceof Refusal && error.isUnauthorized) this.#refused(error);
      }
      if (this.#stream.signal.reason === "moved" || this.origin !== origin) continue;
      const isRefused = this.state === "unauthorized";
      if (!isRefused && !(await this.#isAlive(origin)) && (await this.#leave(origin))) continue;
      await this.#pause(isRefused ? RETRY_MS.refused : Math.min(RETRY_MS.first * 2 ** failures, RETRY_MS.most));
    }
  }

  /**
   * @param {string} origin
   * @param {AbortController} control
   * @returns {Promise<void>}
   */
  async #read(origin, control) {
    const silence = watchdog(SILENCE_MS, () => control.abort("silent"));
    try {
      const sent = this.#authorization(origin);
      const headers = { ...sent, "last-event-id": this.#streamId };
      const response = await fetch(`${origin}/v1/activity`, { headers, signal: control.signal, cache: "no-store" });
      if (this.#isOfFormerToken(origin, response, sent)) return await this.#read(origin, control);
      if (!response.ok || response.body === null) throw await this.#refusal(origin, response);
      this.dispatchEvent(new CustomEvent("stream", { detail: { isResumed: this.#streamId !== "" } }));
      for await (const { event, data, id } of eventsOf(response.body, () => silence.feed())) {
        this.#streamId = id;
        // It stops, and says so before it closes: no need to find out.
        if (event === "goodbye") {
          void this.#leave(origin);
          return;
        }
        this.dispatchEvent(new CustomEvent("told", { detail: { kind: event, id, ...JSON.parse(data) } }));
      }
    } finally {
      silence.stop();
    }
  }

  /**
   * @param {string} origin
   * @param {string} path
   * @param {AbortSignal | undefined} signal
   * @param {number} [timeoutMs]
   * @returns {Promise<any>}
   */
  async #ask(origin, path, signal, timeoutMs = TIMEOUT_MS) {
    const timeout = AbortSignal.timeout(timeoutMs);
    const signals = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
    const headers = this.#authorization(origin);
    let response;
    let text;
    try {
      response = await fetch(`${origin}/${path}`, { headers, signal: signals, cache: "no-store" });
      text = await response.text();
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Unreachable(`${origin} does not answer`);
    }
    if (this.#isOfFormerToken(origin, response, headers)) return this.#ask(origin, path, signal);
    const isReadiness = path === "ready" && response.status === 503;
    if (!response.ok && !isReadiness) throw this.#refusalOf(origin, response.status, text);
    return JSON.parse(text);
  }

  /**
   * Whether a refusal says nothing of the token that would be sent now: until the first answer it is not known whose token to
   * send, and one may have been entered while others were asked.
   *
   * @param {string} origin
   * @param {Response} response
   * @param {{ authorization?: string }} sent
   */
  #isOfFormerToken(origin, response, sent) {
    const region = response.headers.get("x-atoll-region");
    if (region !== null) this.#regions.set(origin, region);
    const isRefused = response.status === 401 || response.status === 403;
    return isRefused && this.#authorization(origin).authorization !== sent.authorization;
  }

  /**
   * @param {string} origin
   * @param {Response} response
   */
  async #refusal(origin, response) {
    return this.#refusalOf(origin, response.status, await response.text());
  }

  /**
   * @param {string} origin
   * @param {number} status
   * @param {string} text
   */
  #refusalOf(origin, status, text) {
    const { code = `${status}`, message = `This node answered ${status}` } = parse(text)?.error ?? {};
    return new Refusal(status, String(code), String(message), this.#regions.get(origin) ?? "");
  }

  /**
   * @param {string} origin
   * @returns {{ authorization?: string }}
   */
  #authorization(origin) {
    const region = this.#regions.get(origin);
    const token = region === undefined ? undefined : this.#tokens[region];
    return token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  /** @param {Refusal} refusal */
  #refused(refusal) {
    if (this.state === "unauthorized") return;
    this.#setState("unauthorized");
    this.dispatchEvent(new CustomEvent("unauthorized", { detail: refusal }));
  }

  /** @param {string} origin */
  async #isAlive(origin) {
    try {
      await this.#ask(origin, "ready", undefined, PROBE_TIMEOUT_MS);
      return true;
    } catch (error) {
      return error instanceof Refusal;
    }
  }

  /**
   * Goes from a node that does not answer to one that does. All who notice at once go together.
   *
   * @param {string} origin
   * @returns {Promise<boolean>} whether there is somewhere to ask
   */
  #leave(origin) {
    if (this.origin !== origin) return Promise.resolve(true);
    this.#moving ??= this.#findAnother(origin).finally(() => {
      this.#moving = null;
    });
    return this.#moving;
  }

  /** @param {string} origin */
  async #findAnother(origin) {
    this.#setState("moving");
    const home = this.regionOf(origin);
    const others = this.nodes
      .filter((node) => node.origin !== origin)
      .sort((a, b) => Number(b.region === home) - Number(a.region === home) || a.roundTripMs - b.roundTripMs);
    for (const node of others) {
      if (!(await this.#isAlive(node.origin))) continue;
      this.#arrive(node.origin, "left");
      return true;
    }
    this.#setState("offline");
    return false;
  }

  /**
   * @param {string} origin
   * @param {"chosen" | "left"} reason
   */
  #arrive(origin, reason) {
    const from = this.nameOf(this.origin);
    this.origin = origin;
    this.#streamId = "";
    this.#setState("live");
    this.dispatchEvent(new CustomEvent("moved", { detail: { from, to: this.nameOf(origin), reason } }));
    this.#stream.abort("moved");
    this.#wake();
  }

  /** @param {string} origin */
  nameOf(origin) {
    return this.nodes.find((node) => node.origin === origin)?.name ?? origin;
  }

  /** @param {LinkState} state */
  #setState(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }

  /** @param {number} ms */
  async #pause(ms) {
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, ms, undefined);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }
}

/**
 * @param {number} ms
 * @param {() => void} onSilence
 */
function watchdog(ms, onSilence) {
  let timer = setTimeout(onSilence, ms);
  return {
    feed() {
      clearTimeout(timer);
      timer = setTimeout(onSilence, ms);
    },
    stop: () => clearTimeout(timer),
  };
}

/** @returns {Record<string, string>} */
function readTokens() {
  const kept = parse(sessionStorage.getItem(TOKENS_KEY) ?? "");
  return typeof kept === "object" && kept !== null ? kept : {};
}

/**
 * @param {string} text
 * @returns {any}
 */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
