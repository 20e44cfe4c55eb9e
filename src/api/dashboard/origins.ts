/**
 * The origins of the federation's nodes: where the page may go on when the node that served it dies, and whose page may
 * read this node (docs/adr/0019).
 */

import type { ClusterView } from "../ports.ts";

/** Goes into a header as it is: only what can be nothing but an origin. */
const ORIGIN = /^https?:\/\/[A-Za-z0-9.:[\]_-]{1,255}$/;
/** A header has its bounds, and a page that is left alone needs a few nodes, not all. */
const ORIGINS_MAX = 64;

/** Nodes of this region first, as far as their HTTP addresses are known, each origin once. */
export function nodeOrigins(view: ClusterView): readonly string[] {
  const home = view.node().region;
  const nodes = view.nodes();
  const sorted = [...nodes.filter(({ region }) => region === home), ...nodes.filter(({ region }) => region !== home)];
  const origins = new Set(sorted.flatMap(({ http }) => originOf(http) ?? []));
  return [...origins].slice(0, ORIGINS_MAX);
}

/** Whether a page of that origin came from a node of the federation. */
export function isNodeOrigin(view: ClusterView, origin: string): boolean {
  const asked = originOf(origin);
  return asked !== null && nodeOrigins(view).some((known) => sameMachine(known) === sameMachine(asked));
}

function originOf(url: string): string | null {
  if (!URL.canParse(url)) return null;
  const { origin } = new URL(url);
  return ORIGIN.test(origin) ? origin : null;
}

/** People type localhost where nodes say 127.0.0.1. Browsers resolve that name to this machine and to nothing else. */
function sameMachine(origin: string): string {
  return origin.replace(/^(https?:\/\/)localhost(?=:|$)/, (_, scheme: string) => `${scheme}127.0.0.1`);
}
