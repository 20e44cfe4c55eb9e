/** How far reading a backup has come, as a bar, and what it holds, for people. */

import type { BackupProgress, ProvedBackup } from "../../node/backup-file.ts";
import { type Output, type Progress, style } from "../output.ts";

const BAR_LENGTH = 24;

/** A bar where somebody watches; nothing elsewhere. */
export function showBar(output: Output, what: string): { update(progress: BackupProgress): void; end(): void } {
  const line: Progress | undefined = output.progress?.(what);
  return {
    update: (progress) => line?.update(`${what} ${barOf(progress)}`),
    end: () => line?.end(),
  };
}

/** `[########----------------] 33 %, 1.2 MB, 412 of 1240 records`. A few of the region's records are in no backup. */
export function barOf({ header, records, bytes }: BackupProgress): string {
  const share = header.records === 0 ? 1 : Math.min(1, records / header.records);
  const done = Math.floor(share * BAR_LENGTH);
  const bar = "#".repeat(done) + "-".repeat(BAR_LENGTH - done);
  return `[${bar}] ${Math.floor(share * 100)} %, ${formatBytes(bytes)}, ${records} of ${header.records} records`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(1)} kB`;
  return bytes < 1_000_000_000 ? `${(bytes / 1_000_000).toFixed(1)} MB` : `${(bytes / 1_000_000_000).toFixed(2)} GB`;
}

export function describeBackup({ header, totals }: ProvedBackup): string {
  const { agent = 0, event = 0, token = 0, ...others } = totals.kinds;
  const rest = Object.values(others).reduce((sum, count) => sum + count, 0);
  return [
    `region ${style.bold(header.region)} of federation ${header.federation}, cluster ${header.cluster}`,
    `at revision ${header.revision} (term ${header.term}), taken ${new Date(header.takenAtMs).toISOString()} by ${header.node}, version ${header.version}`,
    `${agent} agents, ${token} tokens, ${event} events, ${rest} other records; ${formatBytes(totals.bytes)} in ${totals.chunks} chunks`,
    `sha256 ${totals.sha256}`,
    SEALS[totals.seal],
  ].join("\n");
}

const SEALS = {
  proved: "sealed with the shared key at hand: nobody without it made or changed this",
  unproved: "the seal was not checked: no key was given (ENCRYPTION_KEY). Its checksums find accidents only",
  none: "not sealed: the region has no shared key. Its checksums find accidents only",
};
