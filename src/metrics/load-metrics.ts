/** What is asked of a node, what of it is refused, and what the node does without (docs/overload.md). */

import type { Registry } from "prom-client";
import { byKey, just, lazyCounter, lazyGauge } from "./lazy.ts";
import { CONDITIONS, type MetricsSource } from "./source.ts";

export function exposeLoad(register: Registry, source: Pick<MetricsSource, "node" | "load" | "connections">): void {
  const pressure =
    "Which requests are refused: above 0 watches, above 1 lookups too, above 2 writes too, never renewals.";
  lazyGauge(register, { name: "atoll_load_pressure", help: pressure }, () => just(source.load().pressure));
  lazyCounter<"class">(
    register,
    { name: "atoll_load_shed_total", help: "Requests refused as too many, by class.", labelNames: ["class"] },
    () => byKey("class", source.load().shedTotal),
  );
  lazyGauge<"class">(
    register,
    { name: "atoll_load_under_way", help: "Requests being served, by class.", labelNames: ["class"] },
    () => byKey("class", source.load().underWay),
  );
  lazyGauge<"port">(
    register,
    { name: "atoll_http_connections", help: "Connections that are open, by port.", labelNames: ["port"] },
    () => source.connections().map(({ port, open }) => [{ port }, open]),
  );
  lazyGauge<"port">(
    register,
    { name: "atoll_http_connections_max", help: "Most connections that a port takes.", labelNames: ["port"] },
    () => source.connections().map(({ port, connectionsMax }) => [{ port }, connectionsMax]),
  );
  lazyCounter<"port">(
    register,
    {
      name: "atoll_http_connections_dropped_total",
      help: "Connections closed unanswered because the port had as many as it takes.",
      labelNames: ["port"],
    },
    () => source.connections().map(({ port, droppedTotal }) => [{ port }, droppedTotal]),
  );
  lazyCounter<"port">(
    register,
    {
      name: "atoll_http_connections_shed_total",
      help: "Connections closed unanswered because more clients connected than could be accepted.",
      labelNames: ["port"],
    },
    () => source.connections().map(({ port, shedTotal }) => [{ port }, shedTotal]),
  );
  const heap = "Least that was used of the heap in the last two seconds, as a share of where the process would end.";
  lazyGauge(register, { name: "atoll_node_heap_ratio", help: heap }, () => just(source.load().heapShare));
  const live = "What the last full collection of garbage left of the heap; 0 before the first.";
  lazyGauge(register, { name: "atoll_node_heap_live_bytes", help: live }, () => just(source.load().heapLiveBytes));
  lazyGauge<"condition">(
    register,
    {
      name: "atoll_node_degraded",
      help: "1 while this node does without something, as /ready says.",
      labelNames: ["condition"],
    },
    () => {
      const { degraded } = source.node();
      return CONDITIONS.map((condition) => [{ condition }, degraded.includes(condition) ? 1 : 0]);
    },
  );
}
