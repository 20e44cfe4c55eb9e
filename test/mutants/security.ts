/** Who is served, and who may change whose agents. */

import { type Mutant, mutantsOf } from "./mutant.ts";

const simulators = [] as const;
const AUTHENTICATOR = "test/unit/security/authenticator.test.ts";
const ACCESS = "test/unit/api/access.test.ts";
const GUARD = "test/unit/registry/change-guard.test.ts";
const TOKENS = "test/unit/api/v1/tokens.test.ts";
const LIMITS = "test/unit/api/limits.test.ts";
const HELLO = "test/unit/network/hello.test.ts";
const KEEPER = "test/unit/node/region-key-keeper.test.ts";
const AUDIT = "test/integration/audit-files.test.ts";

export const SECURITY: readonly Mutant[] = [
  ...mutantsOf({ file: "src/security/authenticator.ts", tests: [AUTHENTICATOR, ACCESS], simulators }, [
    {
      name: "the id of a token is enough",
      rule: "P11",
      find: "named !== undefined && isSame(named.sha256, sha256) ? named",
      replace: "named !== undefined ? named",
    },
    {
      name: "a token is called unknown by a node that knows none yet",
      rule: "P12",
      find: 'if (held === undefined && !isCaughtUp()) throw accessError({ code: "TOKEN_NOT_KNOWN_YET" });',
      replace: "",
    },
    {
      name: "a revoked token serves",
      rule: "P11",
      find: 'if (held.revokedAtMs !== null) throw accessError({ code: "TOKEN_REVOKED", token: held.id });',
      replace: "",
    },
    {
      name: "an expired token serves",
      rule: "P11",
      find: "held.expiresAtMs !== null && clock.wallTime() >= held.expiresAtMs",
      replace: "held.expiresAtMs !== null && clock.wallTime() > held.expiresAtMs",
    },
    {
      name: "any role will do",
      rule: "P11",
      find: "ROLES.indexOf(role) >= ROLES.indexOf(needed)",
      replace: "ROLES.indexOf(role) >= 0",
    },
  ]),
  ...mutantsOf({ file: "src/registry/change-guard.ts", tests: [GUARD], simulators }, [
    {
      name: "an agent is taken over by moving it into one's own namespace",
      rule: "P11",
      find: "[namespace, held?.record.namespace]",
      replace: "[namespace ?? held?.record.namespace]",
    },
    {
      name: "an entity's agent is whoever's",
      rule: "contract C",
      find: "guard?.overrides === true || guard?.entity === owner",
      replace: "guard?.overrides === true || guard?.entity === owner || guard === undefined",
    },
  ]),
  ...mutantsOf({ file: "src/registry/registry-state-machine.ts", tests: [GUARD, TOKENS], simulators }, [
    {
      name: "of two that claim an agent at once both have it",
      rule: "contract C",
      find: "const forbidden = findForbidden(guard, record.namespace, held);",
      replace: "const forbidden = held === undefined ? findForbidden(guard, record.namespace, held) : null;",
    },
    {
      name: "tokens are not kept by restarts",
      rule: "P11",
      find: "const token = value as KeptToken;\n    state.tokens.set(token.id, token);",
      replace: "",
    },
  ]),
  ...mutantsOf({ file: "src/network/hello.ts", tests: [HELLO], simulators }, [
    {
      name: "the dialer proves its first key to one that has the other",
      rule: "P11",
      find: 'prove(shared, "dialer", links, ours, theirs)',
      replace: 'prove(terms.psk, "dialer", links, ours, theirs)',
    },
  ]),
  ...mutantsOf({ file: "src/node/region-key-keeper.ts", tests: [KEEPER], simulators }, [
    {
      name: "the region's key stays under the former shared key",
      rule: "P11",
      find: "if (wrapped !== undefined && (pair === undefined || this.#wrappedWell === wrapped)) return;",
      replace: "if (wrapped !== undefined) return;",
    },
  ]),
  ...mutantsOf({ file: "src/security/request-limits.ts", tests: [LIMITS], simulators }, [
    {
      name: "renewals are paid from the budget of everything else",
      rule: "P7",
      find: "(isRenewal ? this.#renewals : this.#requests).take(of, 1)",
      replace: "this.#requests.take(of, 1)",
    },
  ]),
  ...mutantsOf({ file: "src/node/audit-files.ts", tests: [AUDIT], simulators }, [
    {
      name: "refusals fill the disk",
      rule: "P11",
      find: 'if (note.kind === "refusal" && !this.#refusals.take("all", 1)) {',
      replace: "if (this.#suppressed < 0) {",
    },
  ]),
];
