/** What a hostile or broken peer says in another region's name. None of it may be believed, nor passed on (P11, F16). */

import { BUCKETS } from "../../src/federation/capability-summary.ts";
import type { RegionKeyPair } from "../../src/federation/interface.ts";
import { toHex } from "../../src/federation/key-succession.ts";
import { generateRegionKey, RegionSigner } from "../../src/federation/region-key.ts";
import {
  BUCKETS_METHOD,
  DIGESTS_METHOD,
  encode,
  encodeEnvelope,
  GOSSIP_BYTES_MAX,
  GOSSIP_CONTEXT,
  LOOKUP_METHOD,
  type LookupReply,
  type PullAnswer,
  readEnvelope,
  readGossipBody,
} from "../../src/federation/wire.ts";
import type { FoundAgent } from "../../src/types/agent.ts";
import { asAgentId, asFederationId, asRegionId, type RegionId } from "../../src/types/ids.ts";
import { type Random, randomInteger } from "../../src/util/random.ts";
import type { Heard, Verdict } from "./federation-sim-network.ts";
import type { FederationProcess } from "./federation-sim-process.ts";
import type { SimulatedRegion } from "./federation-sim-region.ts";

export interface GossipLie {
  readonly kind: string;
  readonly message: Uint8Array;
  /** The only ones that the message may be met with. */
  readonly verdicts: readonly Verdict[];
}

const INTRODUCE_METHOD = "region/introduce";
const DROPPED: readonly Verdict[] = ["ignore", "reject"];
const stranger = generateRegionKey();

/** Makes lies of what was truly published. */
export function lieOf(
  random: Random,
  { region, message }: Heard,
  all: readonly SimulatedRegion[],
  { federation }: FederationProcess,
): GossipLie | null {
  const { body } = readEnvelope(message);
  const speaker = all.find(({ name }) => name === region)!;
  const other = all.find(({ name }) => name !== region)!;
  const { key } = speaker;
  if (key === undefined) return null;
  switch (randomInteger(random, 1, 8)) {
    case 1: {
      const flipped = Uint8Array.from(message);
      flipped[randomInteger(random, 0, flipped.length - 1)]! ^= 1 << randomInteger(random, 0, 7);
      return { kind: "bit flipped", message: flipped, verdicts: DROPPED };
    }
    case 2:
      return { kind: "cut short", message: message.subarray(0, randomInteger(random, 0, 80)), verdicts: DROPPED };
    case 3:
      return {
        kind: "oversized",
        message: Buffer.concat([message, Buffer.alloc(GOSSIP_BYTES_MAX)]),
        verdicts: DROPPED,
      };
    case 4:
      // Said by one region, in the name of another.
      return { kind: "wrong region", message: signed(key, other.name, body), verdicts: DROPPED };
    case 5:
      return { kind: "signed by a stranger", message: signed(stranger, region, body), verdicts: DROPPED };
    case 6: {
      const told = readGossipBody(body);
      const foreign = encode({ ...told, header: { ...told.header, federation: asFederationId("another") } });
      return { kind: "foreign federation", message: signed(key, region, foreign), verdicts: DROPPED };
    }
    case 7: {
      const old = speaker.replacedKeys.at(-1);
      // Who still pins it is right to believe it: all that it could ask since may have been a member that lags behind. What the
      // running members sign with does not tell, since those that know the newest key may be gone (ADR 0014).
      const pinned = federation.standingOf(region)?.publicKey;
      if (old === undefined || !pinned || pinned === toHex(old.publicKey)) return null;
      return { kind: "signed with a replaced key", message: signed(old, region, body), verdicts: DROPPED };
    }
    default:
      // News to whoever missed it.
      return { kind: "replayed", message, verdicts: ["accept", ...DROPPED] };
  }
}

function signed(key: RegionKeyPair, region: RegionId, body: Uint8Array): Uint8Array {
  const signature = new RegionSigner(() => key).sign(GOSSIP_CONTEXT, body)!;
  return encodeEnvelope({ region, body, signature });
}

/** Turns a node's honest answers into lies of one kind. */
export function liar(random: Random, count: (what: string) => void): (method: string, answer: unknown) => unknown {
  const kind = randomInteger(random, 1, 5);
  let earlier: PullAnswer | null = null;
  const lieAboutSummary = (answer: PullAnswer): unknown => {
    const { body, digests = new Uint8Array(BUCKETS * 8), buckets } = answer;
    count(`lie: pull ${kind}`);
    switch (kind) {
      case 1: {
        earlier ??= answer;
        return earlier;
      }
      case 2:
        return { ...answer, body: flip(random, body) };
      case 3:
        return { ...answer, digests: flip(random, digests) };
      case 4:
        return { ...answer, publicKey: stranger.publicKey };
      default: {
        const invent = ({ bucket, entries }: PullAnswer["buckets"][number]) => ({
          bucket,
          entries: entries.map((entry) => ({ ...entry, total: entry.total + 1 })),
        });
        return {
          ...answer,
          buckets: buckets.map(invent),
          ...(buckets.length === 0 && { digests: flip(random, digests) }),
        };
      }
    }
  };
  const lieAboutAgents = (reply: LookupReply): unknown => {
    const [first] = reply.agents;
    if (first === undefined) return reply;
    count(`lie: lookup ${kind}`);
    switch (kind) {
      case 1:
        return { ...reply, agents: [{ ...first, region: asRegionId("elsewhere") }] };
      case 2:
        return { ...reply, agents: [{ ...first, capability: "another" }] };
      case 3:
        return { ...reply, agents: inventedAgents(first) };
      case 4:
        return { ...reply, agents: "everybody" };
      default:
        return { ...reply, stalenessMs: -1 };
    }
  };
  return (method, answer) => {
    if (method === LOOKUP_METHOD) return lieAboutAgents(answer as LookupReply);
    if (method === INTRODUCE_METHOD) return inventedRegions();
    return method === DIGESTS_METHOD || method === BUCKETS_METHOD ? lieAboutSummary(answer as PullAnswer) : answer;
  };
}

/** More than anybody asks for. */
function inventedAgents(like: FoundAgent): FoundAgent[] {
  return Array.from({ length: 101 }, (_, i) => ({ ...like, id: asAgentId(`invented-${i}`) }));
}

/** Nobody is there. */
function inventedRegions(): unknown {
  return ["elsewhere", "r1", "r2"].map((region) => ({ region, addresses: ["elsewhere:4001"] }));
}

function flip(random: Random, bytes: Uint8Array): Uint8Array {
  const flipped = Uint8Array.from(bytes);
  flipped[randomInteger(random, 0, flipped.length - 1)]! ^= 1;
  return flipped;
}
