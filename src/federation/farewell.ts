/** How a region says that it is gone for good: a statement under its key that anybody may pass on. */

import { originOf } from "../types/cluster-id.ts";
import type { FederationId } from "../types/ids.ts";
import type { Farewell, KeySuccession } from "../types/region-standing.ts";
import type { RegionKeyPair } from "./interface.ts";
import { type KeyScope, keysReplaced, toHex } from "./key-succession.ts";
import { RegionSigner, RegionVerifier } from "./region-key.ts";
import { encode } from "./wire.ts";

const FAREWELL_CONTEXT = "atoll/region/farewell/1";

export function sayFarewell(scope: KeyScope, pair: RegionKeyPair, successions: readonly KeySuccession[]): Farewell {
  const { federation, region } = scope;
  const cluster = originOf(scope.cluster);
  const signature = new RegionSigner(() => pair).sign(FAREWELL_CONTEXT, statementOf(federation, { region, cluster }))!;
  return { region, cluster, publicKey: toHex(pair.publicKey), successions, signature: toHex(signature) };
}

/** True when the farewell is signed by a key that `trusted`, in hex, is or leads to. */
export function isFarewellOf(federation: FederationId, trusted: string, farewell: Farewell): boolean {
  const { region, cluster, publicKey, successions, signature } = farewell;
  if (keysReplaced({ federation, region, cluster }, trusted, publicKey, successions) === null) return false;
  const verifier = new RegionVerifier(Buffer.from(publicKey, "hex"));
  return verifier.verifies(FAREWELL_CONTEXT, statementOf(federation, farewell), Buffer.from(signature, "hex"));
}

function statementOf(federation: FederationId, { region, cluster }: Pick<Farewell, "region" | "cluster">): Uint8Array {
  return encode([federation, region, cluster]);
}
