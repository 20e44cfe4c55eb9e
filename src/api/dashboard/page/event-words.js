/** Events in words: what happened, whom it is about, how grave it is. */

import { el, name } from "./dom.js";
import { count } from "./format.js";

/** @import { Told } from "./answers.d.ts" */
/** @import { Child } from "./dom.js" */

/** @typedef {"good" | "warn" | "bad" | "quiet"} Gravity */

/** The groups that the list can be narrowed to. */
export const EVENT_GROUPS = /** @type {const} */ ([
  { id: "leaders", label: "Leaders", kinds: ["leader"] },
  { id: "nodes", label: "Nodes and members", kinds: ["node", "member", "started", "readiness", "moved"] },
  { id: "regions", label: "Regions", kinds: ["region"] },
  { id: "agents", label: "Agents", kinds: ["agents"] },
]);

/**
 * @param {Told} told
 * @returns {{ gravity: Gravity, words: Child[] }}
 */
export function inWords(told) {
  const region = name(told.region ?? "");
  const node = name(told.node ?? "");
  switch (told.kind) {
    case "leader":
      if (told.leader === null) return { gravity: "bad", words: [region, " has no leader"] };
      if (told.leader === undefined)
        return { gravity: "warn", words: [region, ` elected a leader, term ${told.term}`] };
      return { gravity: "good", words: [name(told.leader), " leads ", region, `, term ${told.term}`] };
    case "member":
      return {
        gravity: told.change === "left" ? "warn" : "quiet",
        words: [node, ` ${memberWords(told.change)} `, region],
      };
    case "node":
      return told.link === "away"
        ? { gravity: "bad", words: ["the link to ", node, " broke"] }
        : { gravity: "good", words: [node, " is linked again"] };
    case "region":
      return {
        gravity: regionGravity(told.change),
        words: [region, ` ${regionWords(told.change)}`, told.reason ? [": ", name(told.reason)] : []].flat(),
      };
    case "readiness":
      if (told.ready && (told.reasons ?? []).length > 0) {
        return { gravity: "warn", words: ["this node is degraded: ", name((told.reasons ?? []).join("; "), 240)] };
      }
      return told.ready
        ? { gravity: "good", words: ["this node can serve again"] }
        : { gravity: "bad", words: ["this node can not serve: ", name((told.reasons ?? []).join("; "), 240)] };
    case "agents":
      return { gravity: told.change === "unhealthy" ? "warn" : "quiet", words: agentWords(told) };
    case "started":
      return { gravity: "quiet", words: [node, " started"] };
    case "moved":
      return told.reason === "chosen"
        ? { gravity: "quiet", words: ["this page looks at ", name(told.to ?? ""), " now"] }
        : {
            gravity: "warn",
            words: [name(told.from ?? ""), " did not answer; this page moved to ", name(told.to ?? "")],
          };
    default:
      return { gravity: "quiet", words: [name(told.kind)] };
  }
}

/** @param {string | undefined} change */
function memberWords(change) {
  return (
    { joined: "joined", promoted: "votes now in", demoted: "votes no more in", left: "left" }[change ?? ""] ??
    "changed in"
  );
}

/** @param {string | undefined} change */
function regionWords(change) {
  const words = {
    met: "was met",
    connected: "is reachable again",
    away: "is out of reach; it goes on alone",
    distrusted: "is not believed",
    forgotten: "is gone for good",
  };
  return words[/** @type {keyof typeof words} */ (change)] ?? "changed";
}

/**
 * @param {string | undefined} change
 * @returns {Gravity}
 */
function regionGravity(change) {
  if (change === "away" || change === "distrusted") return "bad";
  return change === "connected" ? "good" : "quiet";
}

/**
 * @param {Told} told
 * @returns {Child[]}
 */
function agentWords({ change, count: amount = 0, ids = [] }) {
  const verb =
    { registered: "registered", recovered: "recovered", unhealthy: "fell silent", removed: "left" }[change ?? ""] ??
    "changed";
  const named = ids
    .slice(0, amount > 3 ? 2 : 3)
    .flatMap((id, i) => [i > 0 ? ", " : "", el("span", { class: "mono" }, name(id, 40))]);
  const others = amount - Math.min(ids.length, amount > 3 ? 2 : 3);
  return [...named, others > 0 ? ` and ${count(others)} more` : "", ` ${verb}`];
}
