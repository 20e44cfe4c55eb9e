/**
 * Forced recovery: one survivor goes on alone when a majority of the voters is lost for good (R52).
 *
 * Consensus can not help here, so people decide, offline, on the data folder of one node that is stopped. Its log keeps every
 * entry it has, also those that were never committed, and gets one more in the next term: from there on the survivor is the
 * only voter, and all others have left. What only the lost voters had is lost.
 *
 * The region goes on in a new epoch, under a cluster id that nobody else has (`types/cluster-id.ts`), so that a node which
 * was not as lost as was thought can never merge back in (F17). The new id is on disk before the log is changed: a crash
 * between the two leaves a node that reaches nobody, and on which the recovery can be repeated, never one that two
 * histories could share.
 */

import type { NodeFacts, RaftStorage, RecoveredRaft } from "../storage/interface.ts";
import { nextEpoch } from "../types/cluster-id.ts";
import type { ClusterId } from "../types/ids.ts";
import {
  encodeMembership,
  foundingMembership,
  type Member,
  type Membership,
  REMOVED_MAX,
} from "../types/membership.ts";
import type { LogEntry } from "../types/raft.ts";
import { AtollError, invariant } from "../util/errors.ts";
import { Configurations } from "./core/configuration.ts";
import { peersOf } from "./core/quorum.ts";
import { clusterOf, isInRegion, readStatement, type Statement, writeStatement } from "./founding-statement.ts";

/** Nothing was changed. */
export class RecoveryError extends AtollError<{
  readonly code: "NOT_A_MEMBER" | "ONLY_VOTER";
}> {}

export interface Survivor {
  readonly self: Member;
  readonly region: string;
  readonly cluster: ClusterId;
  readonly role: "voter" | "learner";
  /** As the end of the log has them. */
  readonly membership: Membership;
  /** Of two survivors, the one with the higher last term, then the higher last index, has more. */
  readonly lastTerm: number;
  readonly lastIndex: number;
  readonly commitIndex: number;
}

export class Recovery {
  readonly survivor: Survivor;
  readonly #facts: NodeFacts;
  readonly #storage: RaftStorage;
  readonly #statement: Statement;
  readonly #recovered: RecoveredRaft;

  /**
   * Reads what a node that is stopped has; changes nothing.
   *
   * @throws RecoveryError NOT_A_MEMBER, ONLY_VOTER; StorageError CORRUPT; BootstrapError DATA_FOLDER_UNREADABLE
   */
  static async examine(facts: NodeFacts, storage: RaftStorage): Promise<Recovery> {
    const statement = readStatement(facts);
    if (statement === null || !isInRegion(statement)) throw notAMember();
    const recovered = await storage.load();
    if (recovered === null) throw notAMember();
    return new Recovery(facts, storage, statement, recovered);
  }

  private constructor(facts: NodeFacts, storage: RaftStorage, statement: Statement, recovered: RecoveredRaft) {
    this.#facts = facts;
    this.#storage = storage;
    this.#statement = statement;
    this.#recovered = recovered;
    const { self, region } = statement;
    // A change that took this node out counts only if it was committed: its log may be the last one there is.
    const membership = possibleMemberships(recovered).findLast((one) => peersOf(one).includes(self.id));
    if (membership === undefined) throw notAMember();
    const isSelf = ({ id }: Member) => id === self.id;
    if (peersOf(membership).length === 1 && membership.voters.some(isSelf)) {
      throw new RecoveryError("this node is the only member of its region: start it", { code: "ONLY_VOTER" });
    }
    const last = recovered.entries.at(-1) ?? recovered.logStart;
    this.survivor = {
      self,
      region,
      cluster: clusterOf(statement),
      role: membership.learners.some(isSelf) ? "learner" : "voter",
      membership,
      lastTerm: last.term,
      lastIndex: last.index,
      commitIndex: Math.max(recovered.hardState.commit, recovered.appliedIndex),
    };
  }

  /**
   * Makes the survivor the only voter of a new epoch. Resolves when it is on disk.
   *
   * @param salt - 16 hex digits, never used before
   * @returns the new cluster id
   * @throws StorageError WRITE_FAILED: the recovery can be repeated
   */
  async perform(salt: string): Promise<ClusterId> {
    const { self, membership, lastIndex } = this.survivor;
    const cluster = nextEpoch(this.survivor.cluster, salt);
    await writeStatement(this.#facts, { ...this.#statement, cluster, members: [] });

    const others = peersOf(membership).filter((id) => id !== self.id);
    const alone: Membership = {
      ...foundingMembership([self]),
      removed: [...membership.removed, ...others].slice(-REMOVED_MAX),
    };
    const term = this.#recovered.hardState.term + 1;
    const index = lastIndex + 1;
    const entry: LogEntry = { index, term, kind: "membership", data: encodeMembership(alone) };
    invariant(!alone.removed.includes(self.id), "who goes on has not left");
    await this.#storage.write({ hardState: { term, votedFor: self.id, commit: index }, entries: [entry] });
    return cluster;
  }
}

/** The newest that is known to be committed, and those that may be, the newest last. */
function possibleMemberships({ entries, membership, appliedIndex, hardState }: RecoveredRaft): readonly Membership[] {
  const configurations = new Configurations(appliedIndex, membership);
  const commit = Math.max(hardState.commit, appliedIndex);
  configurations.append(
    entries.filter(({ index }) => index > appliedIndex),
    commit,
  );
  return configurations.possible(commit);
}

function notAMember(): RecoveryError {
  return new RecoveryError("the data folder is not that of a member of a region", { code: "NOT_A_MEMBER" });
}
