/** The version of this software, from its package. */

import { createRequire } from "node:module";

// By the package's own name, which is found from the source and from the built program alike.
const { version } = createRequire(import.meta.url)("atoll/package.json") as { version: string };

export const VERSION = version;
