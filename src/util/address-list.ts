/** IP addresses and networks, as configuration names them: `10.0.0.0/8`, `2001:db8::/32`, `192.0.2.7`. */

import { BlockList, isIP } from "node:net";

const BITS = { 4: 32, 6: 128 } as const;
const IPV4_IN_IPV6 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

export class AddressList {
  readonly #list = new BlockList();

  /** @throws RangeError naming what is neither an address nor a network */
  constructor(networks: readonly string[]) {
    for (const network of networks) this.#add(network);
  }

  /** An IPv4 address that came over an IPv6 socket is the IPv4 address. */
  has(address: string): boolean {
    const plain = plainAddress(address);
    const version = isIP(plain);
    return version !== 0 && this.#list.check(plain, version === 4 ? "ipv4" : "ipv6");
  }

  #add(network: string): void {
    const [address = "", prefix] = network.split("/", 2);
    const version = isIP(address);
    if (version !== 4 && version !== 6) throw new RangeError(`${network} is neither an address nor a network`);
    const bits = prefix === undefined ? BITS[version] : Number(prefix);
    if (!/^\d{1,3}$/.test(prefix ?? "0") || bits > BITS[version]) throw new RangeError(`${network} has no such prefix`);
    this.#list.addSubnet(address, bits, version === 4 ? "ipv4" : "ipv6");
  }
}

function plainAddress(address: string): string {
  return IPV4_IN_IPV6.exec(address)?.[1] ?? address;
}

/** Whether only this machine can have it. */
export function isLoopbackAddress(address: string): boolean {
  const plain = plainAddress(address);
  return plain === "::1" || plain.startsWith("127.");
}
