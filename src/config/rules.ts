/** Rules that span options. Each message names the options, their values and the reason. */

import { isIP } from "node:net";
import { AddressList } from "../util/address-list.ts";
import { formatAddress } from "./format-value.ts";
import type { Config } from "./schema.ts";
import { splitSecrets } from "./secrets.ts";

export interface BrokenRule {
  /** The options that do not fit each other; the first is the one to change. */
  readonly options: readonly string[];
  readonly reason: string;
}

/** Every rule that `config` breaks. */
export function checkRules(config: Config): BrokenRule[] {
  return [
    ...checkNode(config),
    ...checkPorts(config),
    ...checkRaft(config),
    ...checkSizes(config),
    ...checkFederation(config),
    ...checkSecurity(config),
  ];
}

const KEYS_MAX = 3;
const KEY_LENGTH = { min: 16, max: 256 };

function checkNode({ node, network }: Config): BrokenRule[] {
  const broken: BrokenRule[] = [];
  const names = node.members.map(({ name }) => name);
  const addresses = node.members.map(formatAddress);
  if (names.length > 0 && !names.includes(node.name)) {
    broken.push({
      options: ["node.name", "node.members"],
      reason: "a node must be one of the members it founds its region with",
    });
  }
  if (new Set(names).size < names.length || new Set(addresses).size < addresses.length) {
    broken.push({ options: ["node.members"], reason: "every member needs a name and an address of its own" });
  }
  const links = {
    "node.members": names.length > 1,
    "network.peers": network.peers.length > 0,
    "network.mdns": network.mdns,
  };
  const [linked] = Object.entries(links).flatMap(([option, isUsed]) => (isUsed ? [option] : []));
  if (linked !== undefined && network.encryptionKey === undefined) {
    broken.push({
      options: ["network.encryptionKey", linked],
      reason:
        "nodes that talk to nodes need the key they share: set ENCRYPTION_KEY to the same 16 to 256 characters on all of them",
    });
  }
  const keys = splitSecrets(network.encryptionKey);
  if (keys.length > KEYS_MAX || keys.some(({ length }) => length < KEY_LENGTH.min || length > KEY_LENGTH.max)) {
    broken.push({
      options: ["network.encryptionKey"],
      reason: `up to ${KEYS_MAX} keys, each of ${KEY_LENGTH.min} to ${KEY_LENGTH.max} characters, are separated by commas`,
    });
  }
  if ((network.dnsServers ?? []).some(({ host }) => isIP(host) === 0)) {
    broken.push({ options: ["network.dnsServers"], reason: "who is asked for addresses must be named by one" });
  }
  return broken;
}

function checkPorts({ http, network }: Config): BrokenRule[] {
  const ports = [
    { option: "http.port", port: http.port },
    { option: "http.metricsPort", port: http.metricsPort },
    { option: "http.adminPort", port: http.adminPort },
    { option: "network.port", port: network.port },
  ].filter(({ port }) => port !== 0);
  return ports.flatMap(({ option, port }, i) =>
    ports
      .slice(i + 1)
      .filter((other) => other.port === port)
      .map((other) => ({ options: [other.option, option], reason: "each needs a port of its own" })),
  );
}

function checkRaft({ raft }: Config): BrokenRule[] {
  const broken: BrokenRule[] = [];
  if (raft.electionMsMin < 5 * raft.heartbeatMs) {
    broken.push({
      options: ["raft.electionMsMin", "raft.heartbeatMs"],
      reason: "the first should be at least 5 x the second: two lost heartbeats must not start an election",
    });
  }
  if (raft.electionMsMax < raft.electionMsMin + 2 * raft.heartbeatMs) {
    broken.push({
      options: ["raft.electionMsMax", "raft.electionMsMin", "raft.heartbeatMs"],
      reason:
        "the first should exceed the second by at least 2 x the third: candidates that stand together split the vote",
    });
  }
  if (raft.logTailEntries > raft.logEntriesMax / 2) {
    broken.push({
      options: ["raft.logTailEntries", "raft.logEntriesMax"],
      reason: "the first should be at most half of the second: a compaction must free something",
    });
  }
  return broken;
}

function checkSizes({ http, raft, registry }: Config): BrokenRule[] {
  const sizes = [
    ["registry.recordBytesMax", registry.recordBytesMax, "http.bodyBytesMax", http.bodyBytesMax],
    ["registry.recordBytesMax", registry.recordBytesMax, "raft.appendBytesMax", raft.appendBytesMax],
    ["raft.appendBytesMax", raft.appendBytesMax, "raft.inflightBytesMax", raft.inflightBytesMax],
    ["raft.appendBytesMax", raft.appendBytesMax, "raft.waitingBytesMax", raft.waitingBytesMax],
  ] as const;
  return sizes
    .filter(([, part, , whole]) => part > whole)
    .map(([part, , whole]) => ({ options: [part, whole], reason: "the first must fit into the second" }));
}

function checkFederation({ federation }: Config): BrokenRule[] {
  const broken: BrokenRule[] = [];
  if (federation.summaryFreshMs < 2 * federation.headerIntervalMs) {
    broken.push({
      options: ["federation.summaryFreshMs", "federation.headerIntervalMs"],
      reason: "the first should be at least 2 x the second: one lost header must not empty the cache",
    });
  }
  if (federation.export?.length === 0) {
    broken.push({
      options: ["federation.export"],
      reason: "an empty list could mean both: write * for all, !* for none",
    });
  }
  return broken;
}

const TOKEN_LENGTH = { min: 8, max: 256 };

function checkSecurity({ http, security }: Config): BrokenRule[] {
  const broken: BrokenRule[] = [];
  if (splitSecrets(security.authToken).some(({ length }) => length < TOKEN_LENGTH.min || length > TOKEN_LENGTH.max)) {
    broken.push({
      options: ["security.authToken"],
      reason: `each token should have ${TOKEN_LENGTH.min} to ${TOKEN_LENGTH.max} characters`,
    });
  }
  for (const option of ["networkWhitelist", "trustedProxies"] as const) {
    try {
      new AddressList(security[option] ?? []);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      broken.push({ options: [`security.${option}`], reason: error.message });
    }
  }
  if (http.tlsMode !== "off" && (http.tlsCert === undefined || http.tlsKey === undefined)) {
    broken.push({
      options: ["http.tlsMode", "http.tlsCert", "http.tlsKey"],
      reason: "TLS needs a certificate and its key: atoll keys makes them, and names the variables",
    });
  }
  if (http.tlsMode === "strict" && http.tlsCa === undefined && http.trustDir === undefined) {
    broken.push({
      options: ["http.tlsMode", "http.tlsCa"],
      reason: "without an authority to trust, nobody's certificate would do: set MCP_MESH_TLS_CA or MCP_MESH_TRUST_DIR",
    });
  }
  const hasTokens = security.authToken !== undefined || security.tokens !== undefined;
  const isProtected = hasTokens || http.tlsMode === "strict" || security.insecure;
  if (!isProtected && !isLoopback(http.host)) {
    broken.push({
      options: ["http.host", "security.authToken"],
      reason:
        "whoever reaches this address could register, remove and drain. Set AUTH_TOKEN (openssl rand -hex 32) or " +
        "ATOLL_TOKENS and give the token to agents and operators; or serve this machine only, HOST=127.0.0.1; or, where " +
        "only trusted networks reach it, say so with ATOLL_INSECURE=on (--insecure)",
    });
  }
  return broken;
}

/** Whether only this machine reaches what listens there. */
function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}
