/**
 * A process that gets a share of a core and no more, whatever the machine has: so that generators beside it can ask it for
 * several times what it bears.
 *
 * A control group of its own, of either version. It takes the right to make one.
 */

import { existsSync } from "node:fs";
import { mkdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { messageOf } from "../../src/util/errors.ts";

const [ROOT_1, ROOT_2] = ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup"];
/** Short, so that a process which has used its share waits for some milliseconds and not for a tenth of a second. */
const PERIOD_US = 10_000;

export interface CpuShare {
  remove(): Promise<void>;
}

/** @returns why it was not limited, where that can not be done */
export async function limitCpu(pid: number, cores: number): Promise<CpuShare | string> {
  const isFirst = existsSync(join(ROOT_1, "cpu.cfs_quota_us"));
  const folder = join(isFirst ? ROOT_1 : ROOT_2, `atoll-bench-${pid}`);
  const set = (name: string, value: string | number) => writeFile(join(folder, name), `${value}`);
  const quotaUs = Math.round(cores * PERIOD_US);
  try {
    await mkdir(folder);
    if (isFirst) {
      await set("cpu.cfs_period_us", PERIOD_US);
      await set("cpu.cfs_quota_us", quotaUs);
    } else await set("cpu.max", `${quotaUs} ${PERIOD_US}`);
    await set("cgroup.procs", pid);
  } catch (error) {
    await rmdir(folder).catch(() => {});
    return messageOf(error);
  }
  // Empty only once the process is gone.
  return { remove: () => rmdir(folder).catch(() => {}) };
}
