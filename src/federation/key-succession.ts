/**
 * How another key comes to speak for a region: the one that spoke until then signs for it.
 *
 * A chain of such statements leads from the key that somebody pinned to the one that signs today, whoever passes it on.
 * Each of them names federation, region and cluster, so that it is worth nothing anywhere else (F17).
 */

import { originOf } from "../types/cluster-id.ts";
import type { ClusterId, FederationId, RegionId } from "../types/ids.ts";
import { type KeySuccession, SUCCESSIONS_MAX } from "../types/region-standing.ts";
import type { RegionKeyPair } from "./interface.ts";
import { RegionSigner, RegionVerifier } from "./region-key.ts";
import { encode } from "./wire.ts";

const SUCCESSION_CONTEXT = "atoll/region-key/succession/1";

/** What a statement about a region's key is bound to. Forced recoveries keep the key, so epochs do not matter. */
export interface KeyScope {
  readonly federation: FederationId;
  readonly region: RegionId;
  readonly cluster: ClusterId;
}

/** Has `previous` declare `next` its successor. */
export function succeedKey(scope: KeyScope, previous: RegionKeyPair, next: Uint8Array): KeySuccession {
  const link = { previous: toHex(previous.publicKey), next: toHex(next) };
  const signature = new RegionSigner(() => previous).sign(SUCCESSION_CONTEXT, statementOf(scope, link))!;
  return { ...link, signature: toHex(signature) };
}

/**
 * The keys, in hex, that were left behind on the way from one key to another: the first is `from`. Null when the statements
 * do not lead there, or one on the way is not signed by the key it replaces.
 */
export function keysReplaced(
  scope: KeyScope,
  from: string,
  to: string,
  successions: readonly KeySuccession[],
): readonly string[] | null {
  const replaced: string[] = [];
  for (let key = from; key !== to; ) {
    const link = successions.find(({ previous }) => previous === key);
    // A ring of keys leads nowhere.
    if (link === undefined || replaced.length === SUCCESSIONS_MAX || !isSigned(scope, link)) return null;
    replaced.push(key);
    key = link.next;
  }
  return replaced;
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function isSigned(scope: KeyScope, { previous, next, signature }: KeySuccession): boolean {
  const verifier = new RegionVerifier(Buffer.from(previous, "hex"));
  return verifier.verifies(SUCCESSION_CONTEXT, statementOf(scope, { previous, next }), Buffer.from(signature, "hex"));
}

function statementOf(
  { federation, region, cluster }: KeyScope,
  { previous, next }: Pick<KeySuccession, "previous" | "next">,
): Uint8Array {
  return encode([federation, region, originOf(cluster), previous, next]);
}
