/** A process that fills a store, clears it, says so, and waits to be killed: `node store-clearer.ts FOLDER`. */

import { LevelStore } from "../../src/storage/level-store.ts";
import { silentLogger } from "../../src/util/logger.ts";

const store = await LevelStore.open(process.argv[2]!, silentLogger);
const keys = Array.from({ length: 2_500 }, (_, i) => Buffer.from(`key ${i}`));
await store.write(keys.map((key) => ({ type: "put", key, value: key })));
await store.clear({ from: Buffer.of(0), to: Buffer.of(0xff) });
process.stdout.write("0\n");
setInterval(() => {}, 1_000);
