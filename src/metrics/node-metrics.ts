/** Whether this node can serve, what its disk has left, and until when its certificates hold. */

import type { Registry } from "prom-client";
import { just, lazyGauge, type Reading } from "./lazy.ts";
import type { DiskNumbers, MetricsSource } from "./source.ts";

export function exposeNode(register: Registry, source: Pick<MetricsSource, "node" | "disk" | "certificates">): void {
  const ready = { name: "atoll_node_ready", help: "1 while this node can serve, as /ready says." };
  lazyGauge(register, ready, () => just(source.node().isReady ? 1 : 0));
  const ofDisk = (name: string, help: string, value: (disk: DiskNumbers) => number) =>
    lazyGauge(register, { name, help }, (): Reading<never>[] => {
      const disk = source.disk();
      return disk === null ? [] : just(value(disk));
    });
  ofDisk(
    "atoll_disk_free_bytes",
    "Bytes that this node may still write where its data lies.",
    (disk) => disk.freeBytes,
  );
  ofDisk("atoll_disk_size_bytes", "Bytes of the file system that its data lies in.", (disk) => disk.sizeBytes);
  lazyGauge<"use" | "entity">(
    register,
    {
      name: "atoll_certificate_not_after_timestamp_seconds",
      help: "Unix time at which a certificate of the HTTP side ends: the node's, the authorities of clients, or an entity's.",
      labelNames: ["use", "entity"],
    },
    () => source.certificates().map(({ use, entity, notAfterMs }) => [{ use, entity }, notAfterMs / 1000]),
  );
}
