/**
 * For `node --import`: the store in this process does not sync what it acknowledges. Shows that a test would notice.
 */

import assert from "node:assert/strict";
import { registerHooks } from "node:module";

const SYNCED = "const SYNCED = { sync: true };";

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (!url.endsWith("/src/storage/level-store.ts")) return loaded;
    const source = String(loaded.source);
    assert.ok(source.includes(SYNCED), "the line to break was rewritten");
    return { ...loaded, source: source.replace(SYNCED, "const SYNCED = { sync: false };") };
  },
});
