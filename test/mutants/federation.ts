/** What regions believe of each other, what they show of it, and how old they say it is. */

import { type Mutant, mutantsOf } from "./mutant.ts";

const simulators = ["federation"] as const;
const LOOKUP = "test/unit/federation/federated-lookup.test.ts";
const PULL = "test/unit/federation/summary-pull.test.ts";
const REPLICA = "test/unit/federation/summary-replica.test.ts";
const SHOWN = "test/unit/federation/shown-revisions.test.ts";
const TRUST = "test/unit/federation/region-trust.test.ts";
const SUCCESSION = "test/unit/federation/key-succession.test.ts";
const RETIRED = "test/unit/federation/retirement.test.ts";
const INTRODUCTIONS = "test/unit/node/introductions.test.ts";
const EXPORT = "test/unit/node/local-region.test.ts";
const TABLE = "test/unit/federation/summary-table.test.ts";
const STORIES = "test/sim/federation-stories.sim.test.ts";

export const FEDERATION: readonly Mutant[] = [
  ...mutantsOf({ file: "src/federation/summary-replica.ts", tests: [REPLICA], simulators }, [
    {
      name: "a late message brings a deleted capability back",
      rule: "P10",
      find: "const held = this.#content.get(name)?.revision ?? knowledge.deleted.get(name) ?? -1;",
      replace: "const held = this.#content.get(name)?.revision ?? -1;",
    },
    {
      name: "what is known in full as of a revision may change before it",
      rule: "F23",
      find: "return Math.max(held, knowledge.floor);",
      replace: "return held;",
    },
    {
      name: "a page of a pull takes back newer gossip",
      rule: "F23",
      find: "if (held.revision <= revision) this.#content.remove(held.name);",
      replace: "this.#content.remove(held.name);",
    },
    {
      name: "a page of a pull brings back what gossip deleted",
      rule: "P10",
      find: "this.#content.get(entry.name) !== undefined || isAfter(knowledge.deleted.get(entry.name), revision);",
      replace: "this.#content.get(entry.name) !== undefined;",
    },
  ]),

  ...mutantsOf({ file: "src/federation/summary-table.ts", tests: [TABLE, STORIES], simulators }, [
    {
      name: "gossip is believed whoever signed it",
      rule: "P11",
      find: "if (!trust.verifies(region, GOSSIP_CONTEXT, bytes, signature)) {",
      replace: "if (!trust.isPinned(region)) {",
    },
    {
      name: "gossip of another federation is believed",
      rule: "P11",
      find: 'if (header.federation !== federation) return this.#refused("foreign", "reject");',
      replace: "",
    },
    {
      name: "gossip of this region that names another federation is passed on",
      rule: "P11",
      find: 'return header.federation === federation ? "accept" : this.#refused("foreign", "reject");',
      replace: 'return header.federation === federation ? "accept" : "accept";',
    },
    {
      name: "gossip of a cluster that is not the pinned one is believed",
      rule: "F17",
      find: 'if (header.cluster !== cluster) return this.#refused("cluster-mismatch", "reject");',
      replace: "",
    },
    {
      name: "an older header takes the place of a newer one",
      rule: "F23",
      find: "if (header.revision >= held.header.revision) this.#takeHeader(held, header);",
      replace: "if (header.revision >= 0) this.#takeHeader(held, header);",
    },
    {
      name: "a summary that misses something vouches",
      rule: "P9",
      find: "return held?.replica.isKnownAsOf(capability, held.header.revision) ?? false;",
      replace: 'return held !== undefined && capability !== "";',
    },
    {
      name: "a region that was recovered by force keeps what it had",
      rule: "R52",
      find: "if (held !== undefined && !succeeds(header.cluster, held.header.cluster)) return held;",
      replace: 'if (held !== undefined && header.cluster !== "") return held;',
      tests: ["test/unit/federation/recovered-region.test.ts"],
    },
  ]),

  ...mutantsOf({ file: "src/federation/summary-pull.ts", tests: [PULL, STORIES], simulators }, [
    {
      name: "the answer to another request is believed",
      rule: "P11",
      find: "if (!isSigned || signedNonce !== nonce) {",
      replace: "if (!isSigned || signedNonce.length !== nonce.length) {",
    },
    {
      name: "pulled entries need not fit their digest",
      rule: "P11",
      find: "digestOf(hash64, entries) === digests[bucket] && entries",
      replace: "entries",
    },
  ]),

  ...mutantsOf({ file: "src/federation/federated-lookup.ts", tests: [LOOKUP, SHOWN, STORIES], simulators }, [
    {
      name: "an answer does not age while others are waited for",
      rule: "P9",
      find: "const stalenessMs = answer.stalenessMs + waitedMs;",
      replace: "const stalenessMs = answer.stalenessMs + 0 * waitedMs;",
    },
    {
      name: "a kept answer outlives a change",
      rule: "P9",
      find: "return entry !== undefined && entry.revision <= kept.revision && table.isCertain(region, query.capability);",
      replace: "return entry !== undefined && kept.revision >= 0 && table.isCertain(region, query.capability);",
    },
  ]),

  ...mutantsOf({ file: "src/federation/region-client.ts", tests: [LOOKUP, SHOWN, STORIES], simulators }, [
    {
      name: "whoever claims a region's name is asked for its agents",
      rule: "P11",
      find: "const nodes = linked.filter((peer) => members.has(peer.nodeId));",
      replace: "const nodes = linked.filter((peer) => members.size >= 0 || members.has(peer.nodeId));",
    },
    {
      name: "a node behind what was shown is believed",
      rule: "P10",
      find: "if (reply.revision < sinceRevision) {",
      replace: "if (reply.revision < 0 * sinceRevision) {",
    },
    {
      name: "a node behind a known change answers before another is asked",
      rule: "F14",
      find: "if (answer.revision < needs.changedRevision) {",
      replace: "if (answer.revision < 0 * needs.changedRevision) {",
    },
    {
      name: "a region may answer with another one's agents",
      rule: "P11",
      find: "if (reply.agents.some((agent) => agent.region !== region || agent.capability !== query.capability)) {",
      replace: "if (reply.agents.some((agent) => agent.capability !== query.capability)) {",
    },
  ]),

  ...mutantsOf({ file: "src/federation/summary-table.ts", tests: [STORIES], simulators }, [
    {
      name: "who a region's nodes are is asked once, whoever answers",
      rule: "P8",
      find: "if (nodesDigest !== held && nodesDigest !== nodesAsked) this.#reportUnsettled(region);",
      replace: "if (nodesDigest !== held && nodesDigest === nodesAsked) this.#reportUnsettled(region);",
    },
  ]),

  ...mutantsOf({ file: "src/federation/key-succession.ts", tests: [SUCCESSION, TRUST], simulators: [] }, [
    {
      name: "another key may speak for a region without the old one's word",
      rule: "P11",
      find: "|| !isSigned(scope, link)) return null;",
      replace: "|| !isSigned(scope, link) === null) return null;",
    },
  ]),

  ...mutantsOf({ file: "src/federation/region-trust.ts", tests: [TRUST, RETIRED], simulators }, [
    {
      name: "what a key signs that the region has replaced is believed",
      rule: "P11",
      find: "return this.#pins.get(region)?.verifier.verifies(context, body, signature) ?? false;",
      replace:
        "return [...(this.#pins.get(region)?.replaced ?? []).map((key) => new RegionVerifier(Buffer.from(key, 'hex'))), this.#pins.get(region)?.verifier].some((each) => each?.verifies(context, body, signature));",
    },
    {
      name: "a region that is gone for good is met again",
      rule: "P10",
      find: "if (this.#retirements.has(region, cluster)) throw this.#refuseRetired(region);",
      replace: "",
    },
  ]),

  ...mutantsOf(
    { file: "src/federation/shown-revisions.ts", tests: ["test/unit/federation/shown-revisions.test.ts"], simulators },
    [
      {
        name: "what was shown to be gone is shown again",
        rule: "P10",
        find: "return revision >= shown;",
        replace: "return true;",
      },
    ],
  ),

  ...mutantsOf({ file: "src/federation/federation.ts", tests: [RETIRED], simulators }, [
    {
      name: "a region that is gone for good is missed as long as its nodes are linked",
      rule: "P10",
      find: "const peers = this.#trust.standing(this.#options.directory.peers());",
      replace: "const peers = this.#options.directory.peers();",
    },
  ]),

  ...mutantsOf({ file: "src/node/introductions.ts", tests: [INTRODUCTIONS], simulators }, [
    {
      name: "what was introduced once is dialled for ever",
      rule: "P10",
      find: "directory.learn(region, this.#ownAddressesOf(region));",
      replace: "",
    },
  ]),

  ...mutantsOf({ file: "src/registry/registry-state-machine.ts", tests: [EXPORT], simulators }, [
    {
      name: "what is hidden from other regions keeps its revision, and answers that were kept abroad stay good",
      rule: "P9",
      find: "if ((sawIt?.(namespace) ?? true) === (seesIt?.(namespace) ?? true)) continue;",
      replace: 'if ((sawIt?.(namespace) ?? true) === (seesIt?.(namespace) ?? true) || namespace !== "") continue;',
    },
  ]),

  ...mutantsOf({ file: "src/registry/registry-service.ts", tests: [EXPORT], simulators }, [
    {
      name: "other regions find whom they are not to see",
      rule: "P11",
      find: "return this.#find(query, this.#exportTest());",
      replace: "return this.#find(query, null);",
    },
  ]),

  ...mutantsOf({ file: "src/federation/peer-budgets.ts", tests: [STORIES], simulators: [] }, [
    {
      name: "a peer may ask without end",
      rule: "F16",
      find: "if (filled < 1) {",
      replace: "if (filled < Number.NEGATIVE_INFINITY) {",
    },
  ]),
];
