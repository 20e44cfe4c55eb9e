/**
 * Histories drawn as one line of text for each process; what stands in the same column happens at the same time.
 *
 *   [w a ]   a write of "a" that was acknowledged       [r a ]   a read that saw "a"; [r -] saw nothing
 *   [w a ?   its outcome is unknown                      [d ]     a delete; [d -] found nothing to delete
 *   [w a !   it failed, and had no effect                [w a     never answered
 */

import type { HistoryEvent } from "./history.ts";

const FUNCTIONS = { w: "write", r: "read", d: "delete" } as const;
const COMPLETIONS = { "]": "ok", "?": "info", "!": "fail" } as const;
/** A bracket, the function, perhaps a value, perhaps the end. */
const OPERATION = /\[([wrd])(?: ([\w-]+))? *([\]?!]?)/g;

/** Operations that touch at a column overlap. */
export function timelines(...lines: readonly string[]): HistoryEvent[] {
  return lines
    .flatMap((line, process) => [...line.matchAll(OPERATION)].flatMap((match) => eventsOf(match, process)))
    .sort((a, b) => a.time - b.time || order(a) - order(b));
}

function eventsOf(match: RegExpExecArray, process: number): HistoryEvent[] {
  const [text, letter, word, end] = match;
  const f = FUNCTIONS[letter as keyof typeof FUNCTIONS];
  const isWrite = f === "write";
  const given = word === undefined || word === "-" ? null : word;
  const answered = f === "delete" ? word !== "-" : given;
  const event = { process, f, key: "k" };
  const invocation = { ...event, type: "invoke", value: isWrite ? given : null, time: match.index } as const;
  if (end === "" || end === undefined) return [invocation];
  const type = COMPLETIONS[end as keyof typeof COMPLETIONS];
  const value = type === "ok" ? answered : invocation.value;
  return [invocation, { ...event, type, value, time: match.index + text.length - 1 }];
}

function order({ type }: HistoryEvent): number {
  return type === "invoke" ? 0 : 1;
}
