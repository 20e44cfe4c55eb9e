/** All mutants, by area. */

import { BACKUPS } from "./backups.ts";
import { DRIVER } from "./driver.ts";
import { ELECTIONS } from "./elections.ts";
import { FEDERATION } from "./federation.ts";
import { LEASES } from "./leases.ts";
import { MEMBERSHIP } from "./membership.ts";
import type { Mutant } from "./mutant.ts";
import { READS_AND_TRANSFERS } from "./reads.ts";
import { REPLICATION } from "./replication.ts";
import { RESOLUTION } from "./resolution.ts";
import { SECURITY } from "./security.ts";
import { SNAPSHOTS } from "./snapshots.ts";
import { STORAGE } from "./storage.ts";

export const AREAS: ReadonlyMap<string, readonly Mutant[]> = new Map([
  ["elections", ELECTIONS],
  ["replication", REPLICATION],
  ["reads and transfers", READS_AND_TRANSFERS],
  ["snapshots", SNAPSHOTS],
  ["membership", MEMBERSHIP],
  ["driver", DRIVER],
  ["storage", STORAGE],
  ["backups", BACKUPS],
  ["leases", LEASES],
  ["resolution", RESOLUTION],
  ["federation", FEDERATION],
  ["security", SECURITY],
]);

export const CATALOGUE: readonly Mutant[] = [...AREAS.values()].flat();
