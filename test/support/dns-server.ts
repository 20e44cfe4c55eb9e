/** A DNS server on 127.0.0.1 over UDP, whose records a test changes as it goes. */

import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { TestContext } from "node:test";
import dns from "dns-packet";

export interface ServiceRecord {
  readonly target: string;
  readonly port: number;
  readonly priority?: number;
  readonly weight?: number;
}

export class DnsServer {
  /** By name, lower case: A and AAAA records. */
  readonly addresses = new Map<string, readonly string[]>();
  /** By name, lower case: SRV records. */
  readonly services = new Map<string, readonly ServiceRecord[]>();
  /** Says nothing, as a server that is cut off. */
  isSilent = false;
  readonly #socket: Socket = createSocket("udp4");

  /** Listens until the test ends, or until `close`. */
  static async start(test?: TestContext): Promise<DnsServer> {
    const server = new DnsServer();
    server.#socket.bind(0, "127.0.0.1");
    await once(server.#socket, "listening");
    test?.after(() => server.close());
    return server;
  }

  private constructor() {
    this.#socket.on("message", (message, { address, port }) => {
      if (!this.isSilent) this.#socket.send(this.#answer(message), port, address);
    });
  }

  /** Where it listens, `ip:port`. */
  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  close(): void {
    this.#socket.close();
  }

  #answer(message: Buffer): Buffer {
    const { id, questions = [] } = dns.decode(message);
    const name = questions[0]?.name.toLowerCase() ?? "";
    const isKnown = this.addresses.has(name) || this.services.has(name);
    return dns.encode({
      type: "response",
      ...(id !== undefined && { id }),
      flags: dns.AUTHORITATIVE_ANSWER | (isKnown ? 0 : NXDOMAIN),
      questions,
      answers: isKnown ? this.#records(name, questions[0]?.type) : [],
    });
  }

  #records(name: string, type: string | undefined): dns.Answer[] {
    const common = { name, ttl: 60 };
    if (type === "SRV") {
      return (this.services.get(name) ?? []).map((data) => ({ ...common, type, data }));
    }
    if (type !== "A" && type !== "AAAA") return [];
    return (this.addresses.get(name) ?? [])
      .filter((address) => address.includes(":") === (type === "AAAA"))
      .map((data) => ({ ...common, type, data }));
  }
}

/** The code for a name that does not exist (RFC 1035, section 4.1.1). */
const NXDOMAIN = 3;
