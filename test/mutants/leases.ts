/** Who is expired, when, and by whom: the lease table, its keeper, the brake, and the replicated state. */

import { type Mutant, mutantsOf } from "./mutant.ts";

const simulators = ["node"] as const;
const KEEPER = "test/unit/registry/lease-keeper.test.ts";
const TABLE = "test/unit/registry/leases.test.ts";
const ADVICE = "test/unit/registry/renewal-advice.test.ts";
const SERVICE = "test/unit/registry/registry-service.test.ts";
/** Leases in a world of whole nodes. */
const STORIES = "test/sim/leases.sim.test.ts";
const MACHINE = "test/unit/registry/registry-state-machine.test.ts";
const PROPERTY = "test/property/registry-state-machine.test.ts";

export const LEASES: readonly Mutant[] = [
  ...mutantsOf({ file: "src/registry/lease-keeper.ts", tests: [KEEPER], simulators }, [
    {
      name: "leases are ended without proof of leadership",
      rule: "F1",
      listed: "+",
      find: "const confirmed = await this.#group.confirmLeadership({ timeoutMs: this.#options.confirmTimeoutMs });",
      replace: "const confirmed = { term };",
    },
    {
      name: "leadership of a later term will do",
      rule: "F1",
      find: "if (confirmed.term !== term) return;",
      replace: "",
    },
    {
      name: "leases run on the wall clock",
      rule: "F2",
      find: "const now = this.#clock.now();",
      replace: "const now = this.#clock.wallTime();",
    },
    {
      name: "renewals that came during the proof are not looked at",
      rule: "P7",
      find: [
        "    const confirmed = await this.#group.confirmLeadership({ timeoutMs: this.#options.confirmTimeoutMs });",
        "    if (confirmed.term !== term) return;",
        "    // Renewals may have come while the quorum answered.",
        "    const now = this.#now();",
        "    const leases = this.#mayExpire(brake, now);",
      ].join("\n"),
      replace: [
        "    const now = this.#now();",
        "    const leases = this.#mayExpire(brake, now);",
        "    const confirmed = await this.#group.confirmLeadership({ timeoutMs: this.#options.confirmTimeoutMs });",
        "    if (confirmed.term !== term) return;",
      ].join("\n"),
    },
    {
      name: "time without a leader is charged",
      rule: "P7",
      find: "return this.#hasLeader ? this.#leaseClock.read(now) : this.#leaseClock.skip(now);",
      replace: "return this.#leaseClock.read(now);",
    },
    {
      name: "new leader ends leases before it has heard the others",
      rule: "F3, P7",
      find: "if (now - since < this.#options.leaseGraceMs) return;",
      replace: "",
    },
    {
      name: "those never heard of get no time from a new leader",
      rule: "P7, F22",
      find: "this.#table.grantUnheard(since);",
      replace: "",
    },
    {
      name: "renewals are not passed on",
      rule: "F3",
      find: "if (lease !== undefined) this.#shareSoon(incarnation);",
      replace: "",
    },
    {
      name: "new leader is not told what others heard",
      rule: "F3, P7",
      find: "if (endedAt === null) this.#shareSoon(incarnation);",
      replace: "",
    },
    {
      name: "an old renewal counts as a new one",
      rule: "F2, F3",
      find: "this.#table.renewed(incarnation, now - ageMs, wallMs - ageMs);",
      replace: "this.#table.renewed(incarnation, now, wallMs - ageMs);",
    },
    {
      name: "renewals are taken from strangers",
      rule: "P11",
      find: " || !this.#isMember(from)) return;",
      replace: ") return;",
    },
    {
      name: "renewals of any shape are taken",
      rule: "P11",
      find: "if (!isRenewal(entry)) continue;",
      replace: "if (!Array.isArray(entry)) continue;",
    },
    {
      name: "leases end before waiting renewals are read",
      rule: "R59, P7",
      find: "this.#clock.afterIo(() => this.#check());",
      replace: "this.#check();",
    },
    {
      name: "everything that ran out goes into one command",
      rule: "F20",
      find: "return due.slice(0, Math.min(allowance, this.#options.expireBatchMax));",
      replace: "return due.slice(0, allowance);",
    },
    {
      name: "the brake is not asked",
      rule: "F20",
      find: "return due.slice(0, Math.min(allowance, this.#options.expireBatchMax));",
      replace: "return due.slice(0, Math.max(allowance, this.#options.expireBatchMax));",
    },
    {
      name: "retention is counted from the start of the node",
      rule: "F23",
      find: "this.#table.endedBy(endedBy)",
      replace: "this.#table.endedBy(endedBy + this.#options.retentionMs)",
    },
    {
      name: "a refusal of the group stops the node",
      rule: "F1",
      find: "if (!(error instanceof RaftError)) {",
      replace: 'if (!(error instanceof RaftError) || error.detail.code === "NO_LEADER") {',
    },
  ]),

  ...mutantsOf({ file: "src/registry/leases.ts", tests: [TABLE, KEEPER], simulators }, [
    {
      name: "a stall of ours is charged to the agents",
      rule: "P7, R60",
      listed: "+",
      find: "Math.min(Math.max(now - this.#last, 0), this.#gapMsMax);",
      replace: "Math.max(now - this.#last, this.#gapMsMax - this.#gapMsMax);",
    },
    {
      name: "lease time runs backwards",
      rule: "F2",
      find: "Math.min(Math.max(now - this.#last, 0), this.#gapMsMax);",
      replace: "Math.min(now - this.#last, this.#gapMsMax);",
    },
    {
      name: "skipped time is charged later",
      rule: "P7",
      find: "skip(now: number): number {\n    this.#last = now;",
      replace: "skip(now: number): number {\n    this.#last = Math.min(this.#last, now);",
    },
    {
      name: "each new leader grants everybody a whole lease",
      rule: "F3",
      find: "lease.renewedAt ??= now;",
      replace: "lease.renewedAt = now;",
    },
    {
      name: "an earlier sign of life replaces a later one",
      rule: "F3",
      find: "if (lease.renewedAt !== null && lease.renewedAt > at) return;",
      replace: "",
    },
    {
      name: "a renewal revives a lease that ended",
      rule: "F21",
      find: "if (lease === undefined || lease.endedAt !== null) return undefined;",
      replace: "if (lease === undefined) return undefined;",
    },
    {
      name: "the lease of an earlier incarnation lives on",
      rule: "F21",
      find: "if (before !== undefined && before.incarnation !== after?.incarnation) this.#forget(before.incarnation);",
      replace: "",
    },
  ]),

  ...mutantsOf(
    { file: "src/registry/expiry-brake.ts", tests: ["test/unit/registry/expiry-brake.test.ts", KEEPER], simulators },
    [
      {
        name: "the brake never engages",
        rule: "F20",
        find: 'if (this.#state.is === "free") return { is: "engaged", since: now, expired: 0 };',
        replace: "",
      },
      {
        name: "the brake never lets go",
        rule: "F20",
        listed: "+",
        find: 'now - this.#state.since >= this.#options.heldMsMax) return { is: "released" };',
        replace: 'now - this.#state.since < 0) return { is: "released" };',
      },
      {
        name: "the brake forgets what it let through",
        rule: "F20",
        find: "this.#recent.push({ at: now, count });",
        replace: "",
      },
      {
        name: "the brake adds up for ever",
        rule: "F20",
        find: "this.#recent.filter(({ at }) => at > now - lease.windowMs);",
        replace: "this.#recent.filter(({ at }) => at >= 0);",
      },
      {
        name: "what was let through is earned again",
        rule: "F20",
        find: 'if (this.#state.is === "engaged") this.#state.expired += count;',
        replace: "",
      },
    ],
  ),

  ...mutantsOf({ file: "src/registry/renewal-advice.ts", tests: [ADVICE], simulators: [] }, [
    {
      name: "load changes no interval between renewals",
      rule: "F19",
      find: "Math.max(load, 1)",
      replace: "1",
    },
    {
      name: "load makes intervals as long as it likes",
      rule: "P7, F19",
      find: "Math.min(Math.max(load, 1) / RENEWALS_PER_LEASE, LEASE_SHARE_MAX)",
      replace: "(Math.max(load, 1) / RENEWALS_PER_LEASE)",
    },
    {
      name: "everybody is asked to come at the same time",
      rule: "F19",
      find: "jitter(random, intervalMs, SPREAD)",
      replace: "jitter(random, intervalMs, 0)",
    },
    {
      name: "load is remembered for ever",
      rule: "F19",
      find: "this.#before = windows === 1 ? this.#count : 0;",
      replace: "this.#before += this.#count;",
    },
    {
      name: "the last window does not fade",
      rule: "F19",
      find: "this.#before * (1 - (now - this.#since) / windowMs)",
      replace: "this.#before",
    },
  ]),

  ...mutantsOf({ file: "src/registry/registry-service.ts", tests: [SERVICE, STORIES], simulators }, [
    {
      name: "renewals are acknowledged without a path to a leader",
      rule: "F18",
      find: "if (!this.#hasLivePath()) throw this.#noLeader(0);",
      replace: "",
    },
    {
      name: "a renewal names no incarnation",
      rule: "F21",
      find: "(incarnation !== null && incarnation !== agent.incarnation)",
      replace: "incarnation === -1",
    },
  ]),

  ...mutantsOf({ file: "src/registry/registry-state-machine.ts", tests: [MACHINE, PROPERTY], simulators }, [
    {
      name: "incarnation is not checked at expiry",
      rule: "F21",
      listed: "+",
      find: '|| held.health !== "healthy" || held.incarnation !== incarnation) continue;',
      replace: '|| held.health !== "healthy" || incarnation < 0) continue;',
    },
    {
      name: "revision is not checked at purge",
      rule: "F23",
      find: " || held.revision !== revision) continue;",
      replace: " || revision < 0) continue;",
    },
    {
      name: "incarnation is not checked at deregistration",
      rule: "F21",
      find: "(incarnation !== null && held.incarnation !== incarnation)",
      replace: "incarnation === -1",
    },
    {
      name: "recovered agent goes on with its old lease",
      rule: "F21, P10",
      find: "incarnation: isSameLease ? held.incarnation : change.index,",
      replace: "incarnation: held?.incarnation ?? change.index,",
    },
    {
      name: "limit of agents is not kept",
      rule: "R38",
      find: "if (held === undefined && change.agentCount >= agentsMax) {",
      replace: "if (held === undefined && agentsMax < 0) {",
    },
    {
      name: "region key may be replaced",
      rule: "P11",
      find: "if (this.#state.regionKey !== undefined) return false;",
      replace: "",
    },
    {
      name: "hash of the state leaves changes out",
      rule: "R58, F6",
      find: "this.#state.hash.set(key, value);",
      replace: "",
    },
    {
      name: "restored state keeps what was there before",
      rule: "R44",
      find: "const next = new State(this.#region);",
      replace: "const next = this.#state.topologyRevision > 0 ? this.#state : new State(this.#region);",
    },
  ]),
];
