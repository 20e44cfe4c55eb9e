/** Who is told of whom, and when they are told anew. */

import { type Mutant, mutantsOf } from "./mutant.ts";

const simulators = [] as const;
const RESOLVER = "test/unit/registry/resolver.test.ts";
const SERVICE = "test/unit/registry/registry-service.test.ts";
const MACHINE = "test/unit/registry/registry-state-machine.test.ts";
const LOOKUP = "test/unit/federation/federated-lookup.test.ts";

export const RESOLUTION: readonly Mutant[] = [
  ...mutantsOf({ file: "src/registry/resolver.ts", tests: [RESOLVER, SERVICE], simulators }, [
    {
      name: "a rotation is no news",
      rule: "A3",
      find: "if (informedRevision < stateMachine.rotatedRevision) return true;",
      replace: "",
    },
    {
      name: "what another node told is not doubted",
      rule: "A3",
      find: "if (this.#needsChangedAt(agent) > informedRevision) return true;",
      replace: "",
    },
    {
      name: "any change is news",
      rule: "A3",
      find: "if (now.keys.some((key, slot) => key !== told.keys[slot])) return true;",
      replace: "return true;",
    },
    {
      name: "another choice is no news",
      rule: "A3",
      find: "if (now.keys.some((key, slot) => key !== told.keys[slot])) return true;",
      replace: "",
    },
    {
      name: "time hands nobody back",
      rule: "A6",
      find: "return !isHeldBack && this.#parts.remote.changes() === remoteChanges",
      replace: "return this.#parts.remote.changes() === remoteChanges",
    },
    {
      name: "a provider that returned takes over at once",
      rule: "A6",
      find: "if (here !== null && !(mayWait && this.#returns.isYoung(here.id))) {",
      replace: "if (here !== null) {",
    },
    {
      name: "a nearer provider abroad takes over",
      rule: "A6",
      find: "const kept = agents.find((found) => keyOf(found) === told);",
      replace: "const kept = here === null ? undefined : agents.find((found) => keyOf(found) === told);",
    },
    {
      name: "an agent that has moved here is told of as abroad",
      rule: "F11",
      find: "agents?.find((found) => !this.#livesHere(found)) ?? []",
      replace: "agents?.[0] ?? []",
    },
    {
      name: "consumers see every namespace",
      rule: "A6",
      find: "...(isolatesNamespaces && { namespace: record.namespace }),",
      replace: "",
    },
    {
      name: "other regions are asked for every namespace",
      rule: "A6",
      find: "...(this.#parts.isolatesNamespaces && { namespace: record.namespace })",
      replace: "",
    },
  ]),

  ...mutantsOf({ file: "src/registry/return-watch.ts", tests: [RESOLVER], simulators }, [
    {
      name: "a provider that comes and goes is believed as soon as the first time",
      rule: "A6",
      find: "this.#settleMs * 2 ** Math.min(last.count, DOUBLINGS_MAX)",
      replace: "this.#settleMs",
    },
  ]),

  ...mutantsOf({ file: "src/registry/registry-state-machine.ts", tests: [MACHINE], simulators }, [
    {
      name: "a cycle of required dependencies is admitted",
      rule: "A8",
      find: 'if (cycle !== null) return { refused: "dependency-cycle", cycle };',
      replace: "",
    },
    {
      name: "the record that is replaced counts for cycles",
      rule: "A8",
      find: "if (replaced !== undefined) dependencies.remove(replaced);",
      replace: "",
    },
    {
      name: "what requires a capability does not change with it",
      rule: "A8",
      find: "const affected = this.#state.index.dependencies.closureOf(this.#capabilities);",
      replace: "const affected = this.#capabilities;",
    },
    {
      name: "events are kept for ever",
      rule: "A11",
      find: "for (const old of this.#state.events.trim(eventsMax)) this.#write(eventKey(old), undefined);",
      replace: "",
    },
    {
      name: "events of an earlier lease are taken",
      rule: "F21",
      find: "if (held === undefined || held.incarnation !== incarnation || entries.length === 0) return { written: 0 };",
      replace: "if (held === undefined || entries.length === 0) return { written: 0 };",
    },
    {
      name: "draining ends with the process",
      rule: "B",
      find: "this.#write(DRAINING_KEY, isDraining ? true : undefined);",
      replace: "",
    },
  ]),

  ...mutantsOf({ file: "src/federation/federated-lookup.ts", tests: [LOOKUP], simulators }, [
    {
      name: "a region that is away has nobody",
      rule: "A6",
      find: "if (kept !== undefined && (isAway || this.#isCurrent(region, query, kept))) return kept.agents;",
      replace: "if (kept !== undefined && !isAway && this.#isCurrent(region, query, kept)) return kept.agents;",
    },
    {
      name: "a kept answer is current whatever the summary shows",
      rule: "A6",
      find: "if (kept !== undefined && (isAway || this.#isCurrent(region, query, kept))) return kept.agents;",
      replace: "if (kept !== undefined) return kept.agents;",
    },
    {
      name: "regions come in order of name",
      rule: "A6",
      find: "a.distance === b.distance ? compareText(a.region, b.region) : a.distance - b.distance",
      replace: "compareText(a.region, b.region)",
    },
  ]),
];
