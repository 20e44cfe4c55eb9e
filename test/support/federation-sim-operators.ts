/** What operators do to a simulated federation while all else goes wrong: keys, exports, members, addresses, farewells. */

import { FAREWELLS_FACT } from "../../src/federation/retirements.ts";
import { canonicalExport, type ExportPolicy } from "../../src/registry/export-policy.ts";
import type { Trouble } from "./federation-sim-faults.ts";

/** Agents are in the namespaces `default` and `internal`. */
const EXPORTS: readonly ExportPolicy[] = [["*"], ["!internal"], ["default"], ["internal"], ["!*"]];
const LOOK_MS = 500;
const MEMBERS_MAX = 6;
/** Who leaves needs somebody to tell, and those two each other. */
const REGIONS_MIN = 3;

/** ADR 0014: the old key vouches for the new one. */
export function rotateKey({ world, pick }: Trouble): void {
  const region = pick(world.staying)!;
  const process = pick(region.processes);
  const before = region.key;
  if (process === undefined || before === undefined) return;
  world.call(process, "rotate-key", async () => {
    await process.admin.rotateKey();
    region.replacedKeys.push(before);
    world.count("key replaced");
  });
}

/** ADR 0015: all nodes are configured anew; which leader has it written is not said. */
export function changeExport({ world, pick }: Trouble): void {
  const region = pick(world.staying)!;
  const before = region.exported;
  const after = pick(EXPORTS)!;
  region.exported = canonicalExport(after);
  if (after.length >= before.length && after.includes("*")) world.count("export widened");
  else world.count("export narrowed");
  region.log.tellStatus();
}

/** ADR 0017: the operators of one region have it forget another one, and take it back when the fault ends. */
export function forgetRegion(trouble: Trouble): void {
  const { world, pick } = trouble;
  const region = pick(world.staying)!;
  const other = pick(world.staying.filter((each) => each !== region && each.twins === 0));
  if (other === undefined) return;
  other.isToBeMet = true;
  const isRetired = () => region.truth.now.machine.retirements.some((gone) => gone.region === other.name);
  let isOver = false;
  world.insist(
    region,
    "retire",
    ({ admin }) => admin.retire(other.name),
    () => isOver || isRetired(),
  );
  const admit = world.repairLater(() => {
    isOver = true;
    // What was proposed a moment ago is committed by then.
    world.schedule(2 * world.plan.commitMs, () => {
      if (isRetired()) world.count("region admitted again");
      world.insist(
        region,
        "admit",
        ({ admin }) => admin.admit(other.name),
        () => !isRetired(),
      );
    });
  });
  trouble.undoLater(admit);
}

/** ADR 0017: a region says farewell, and is shut down once its operators see that somebody heard it. */
export function sayFarewell({ world, pick }: Trouble): void {
  if (world.staying.length < Math.max(REGIONS_MIN, world.regions.length)) return;
  const region = pick(world.staying)!;
  region.isLeaving = true;
  const { truth } = region;
  world.insist(
    region,
    "farewell",
    ({ admin }) => admin.retireSelf(),
    () => truth.hasSaidFarewell,
  );
  const look = () => {
    // Whoever does not show the region may never have met it.
    const isHeard = world.staying.some(({ machines }) => machines.some(({ facts }) => facts.get(FAREWELLS_FACT)));
    if (!truth.hasSaidFarewell || !isHeard) return world.schedule(LOOK_MS, look);
    world.count("region gone");
    for (const machine of region.machines) world.crash(machine);
    region.isGone = true;
  };
  look();
}

export function addMember({ world, pick }: Trouble): void {
  const region = pick(world.staying.filter(({ machines }) => machines.length < MEMBERS_MAX));
  if (region === undefined || world.regions.some(({ twins }) => twins > 0)) return;
  world.count("member of none before");
  world.start(region.join());
}

export function removeMember({ world, pick }: Trouble): void {
  const region = pick(world.staying.filter(({ machines }) => machines.length > 1));
  if (region === undefined) return;
  const machine = pick(region.machines)!;
  world.note(machine.name, "leaves its region");
  world.crash(machine);
  region.leave(machine);
}

/** F15: every address of a region is another one from now on. */
export function moveRegion({ world, pick }: Trouble): void {
  const region = pick(world.staying)!;
  for (const machine of region.machines) world.crash(machine);
  for (const machine of region.machines) machine.move();
  for (const machine of region.machines) world.start(machine);
}
