import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Proposer } from "../../../src/raft/proposer.ts";
import { decodeEnvelope, type Envelope, encodeEnvelope, proposalIdOf } from "../../../src/raft/sessions.ts";
import { command, outcomeOf } from "../../support/raft-cluster.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const RESEND_MS = 600;
const SESSION = "17";
const NONCE = "n1/1";

/** A proposer and a leader that does as the test says. */
class Desk {
  readonly clock = new VirtualClock();
  answer: "submitted" | "no-leader" | "overloaded" = "submitted";
  /** What reached the leader, message by message. */
  readonly messages: (readonly Uint8Array[])[] = [];
  readonly proposer: Proposer;
  /** How proposals ended, as they are counted: the outcome and the milliseconds it took. */
  readonly ended: string[] = [];

  constructor(options = { commandBytesMax: 100, waitingBytesMax: 1_000 }) {
    this.proposer = new Proposer({
      options,
      clock: this.clock,
      nonce: NONCE,
      resendMs: RESEND_MS,
      metrics: { proposed: (outcome, durationMs) => this.ended.push(`${outcome} ${durationMs}`) },
      submit: (commands) => {
        if (this.answer === "submitted") this.messages.push(commands);
        return this.answer;
      },
    });
  }

  propose(line: string, timeoutMs = 5_000): Promise<string> {
    return outcomeOf(this.proposer.propose(command(line), timeoutMs));
  }

  /** Lets the proposer open its session. */
  async opened(): Promise<this> {
    const first = this.propose("first");
    await this.clock.advance(0);
    this.proposer.opened(`${NONCE}/0`, SESSION);
    await this.clock.advance(0);
    this.settle(1);
    assert.equal(await first, "ok");
    this.messages.length = 0;
    return this;
  }

  settle(sequence: number, verdict: "outcome" | "expired" = "outcome"): void {
    const envelope = {
      kind: "command",
      session: SESSION,
      sequence,
      answeredBelow: 0,
      command: new Uint8Array(0),
    } as const;
    if (verdict === "expired") this.proposer.settled(envelope, { type: "expired" });
    else this.proposer.settled(envelope, { type: "outcome", outcome: { index: 9, result: null } });
  }

  refuse(isOverloaded: boolean, ...sequences: number[]): void {
    this.proposer.refused(
      sequences.map((sequence) => ({ session: SESSION, sequence })),
      isOverloaded,
    );
  }

  /** Sequences of each message, `open` for the session's opening. */
  get sent(): string[] {
    const nameOf = (envelope: Envelope) => (envelope.kind === "open" ? "open" : String(envelope.sequence));
    return this.messages.map((commands) => commands.map((data) => nameOf(decodeEnvelope(data))).join());
  }
}

describe("raft/proposer: the way of a proposal", () => {
  it("opens a session first, then sends what waits, together", async () => {
    const desk = new Desk();
    const all = Promise.all([desk.propose("a"), desk.propose("b")]);
    await desk.clock.advance(0);
    assert.deepEqual(desk.sent, ["open"]);
    desk.proposer.opened("someone else's", "16");
    desk.proposer.opened(`${NONCE}/0`, SESSION);
    await desk.clock.advance(0);
    assert.deepEqual(desk.sent, ["open", "1,2"]);
    desk.settle(2);
    desk.settle(1);
    assert.deepEqual(await all, ["ok", "ok"]);
  });

  it("counts how each ended and how long it took, from the call on", async () => {
    const desk = await new Desk({ commandBytesMax: 100, waitingBytesMax: 200 }).opened();
    desk.ended.length = 0;
    const settled = desk.propose("a");
    await desk.clock.advance(30);
    desk.settle(2);
    await settled;
    desk.answer = "no-leader";
    const waiting = desk.propose("b", 1_000);
    await desk.propose("x".repeat(101));
    await desk.clock.advance(1_000);
    await waiting;
    assert.deepEqual(desk.ended, ["done 30", "COMMAND_TOO_LARGE 0", "NO_LEADER 1000"]);
  });

  it("answers with the outcome of the log, whoever led", async () => {
    const desk = await new Desk().opened();
    const proposal = desk.proposer.propose(command("a"), 1_000);
    await desk.clock.advance(0);
    desk.settle(2);
    assert.deepEqual(await proposal, { index: 9, result: null });
  });

  it("sends again after a silence, however long it lasts", async () => {
    const desk = await new Desk().opened();
    const proposal = desk.propose("a", 10_000);
    await desk.clock.advance(RESEND_MS - 50);
    assert.deepEqual(desk.sent, ["2"]);
    await desk.clock.advance(3 * RESEND_MS);
    assert.ok(desk.sent.length >= 3, desk.sent.join(" "));
    assert.deepEqual(new Set(desk.sent), new Set(["2"]), "under the same number, or it would be applied twice");
    desk.settle(2);
    assert.equal(await proposal, "ok");
    const { length } = desk.sent;
    await desk.clock.advance(10 * RESEND_MS);
    assert.equal(desk.sent.length, length, "and not after it is settled");
  });

  it("asks again for its session after a silence", async () => {
    const desk = new Desk();
    const proposal = desk.propose("a", 2_000);
    await desk.clock.advance(2 * RESEND_MS - 1);
    assert.deepEqual(desk.sent, ["open", "open"]);
    await desk.clock.advance(2_000);
    assert.equal(await proposal, "NO_LEADER", "the command itself never left");
  });

  it("sends again at once when the leader changed", async () => {
    const desk = await new Desk().opened();
    const proposals = [desk.propose("a"), desk.propose("b")];
    await desk.clock.advance(0);
    desk.proposer.leaderChanged();
    await desk.clock.advance(0);
    assert.deepEqual(desk.sent, ["2,3", "2,3"]);
    desk.settle(2);
    desk.settle(3);
    assert.deepEqual(await Promise.all(proposals), ["ok", "ok"]);
  });

  it("waits for a leader, and sends when there is one", async () => {
    const desk = await new Desk().opened();
    desk.answer = "no-leader";
    const proposal = desk.propose("a");
    await desk.clock.advance(1_000);
    desk.answer = "submitted";
    await desk.clock.advance(RESEND_MS / 4);
    assert.deepEqual(desk.sent, ["2"]);
    desk.settle(2);
    assert.equal(await proposal, "ok");
  });

  it("says below which number it has all answers", async () => {
    const desk = await new Desk().opened();
    const proposals = [desk.propose("a"), desk.propose("b")];
    await desk.clock.advance(0);
    desk.settle(2);
    const late = desk.propose("c");
    await desk.clock.advance(0);
    const envelope = decodeEnvelope(desk.messages.at(-1)![0]!);
    assert.ok(envelope.kind === "command");
    assert.deepEqual([envelope.sequence, envelope.answeredBelow], [4, 3]);
    for (const sequence of [3, 4]) desk.settle(sequence);
    await Promise.all([...proposals, late]);
  });

  it("splits what waits into messages of half a megabyte", async () => {
    const desk = await new Desk({ commandBytesMax: 400_000, waitingBytesMax: 10_000_000 }).opened();
    const proposals = [1, 2, 3].map(() => desk.proposer.propose(new Uint8Array(300_000), 5_000));
    await desk.clock.advance(0);
    assert.deepEqual(desk.sent, ["2", "3", "4"]);
    for (const sequence of [2, 3, 4]) desk.settle(sequence);
    await Promise.all(proposals);
  });
});

describe("raft/proposer: how a wait ends (R41)", () => {
  it("NO_LEADER: it never left", async () => {
    const desk = await new Desk().opened();
    desk.answer = "no-leader";
    const proposal = desk.propose("a", 1_000);
    await desk.clock.advance(1_000);
    assert.equal(await proposal, "NO_LEADER");
  });

  it("OUTCOME_UNKNOWN: it left, and nobody said what became of it", async () => {
    const desk = await new Desk().opened();
    const proposal = desk.propose("a", 1_000);
    await desk.clock.advance(1_000);
    assert.equal(await proposal, "OUTCOME_UNKNOWN");
  });

  it("NO_LEADER: it was refused each time it left", async () => {
    const desk = await new Desk().opened();
    const proposal = desk.propose("a", 1_000);
    await desk.clock.advance(0);
    desk.answer = "no-leader";
    desk.refuse(false, 2);
    await desk.clock.advance(1_000);
    assert.equal(await proposal, "NO_LEADER");
  });

  it("OUTCOME_UNKNOWN: it was refused once, but had left twice", async () => {
    const desk = await new Desk().opened();
    const proposal = desk.propose("a", 1_000);
    await desk.clock.advance(0);
    desk.proposer.leaderChanged();
    await desk.clock.advance(0);
    desk.answer = "no-leader";
    desk.refuse(false, 2);
    await desk.clock.advance(1_000);
    assert.equal(await proposal, "OUTCOME_UNKNOWN");
  });

  it("OVERLOADED: the only leader that got it turned it away", async () => {
    const desk = await new Desk().opened();
    const proposal = desk.propose("a");
    await desk.clock.advance(0);
    desk.refuse(true, 2);
    assert.equal(await proposal, "OVERLOADED");
  });

  it("OVERLOADED: this node leads and has too much to do", async () => {
    const desk = await new Desk().opened();
    desk.answer = "overloaded";
    assert.equal(await desk.propose("a"), "OVERLOADED");
  });

  it("never OVERLOADED when an earlier leader may have taken it: goes on asking instead", async () => {
    const desk = await new Desk().opened();
    const proposal = desk.propose("a");
    await desk.clock.advance(0);
    desk.proposer.leaderChanged();
    await desk.clock.advance(0);
    desk.refuse(true, 2);
    desk.answer = "overloaded";
    await desk.clock.advance(RESEND_MS);
    desk.answer = "submitted";
    await desk.clock.advance(RESEND_MS);
    assert.equal(desk.sent.at(-1), "2");
    desk.settle(2);
    assert.equal(await proposal, "ok");
  });

  it("OVERLOADED: too many bytes wait here; what settles makes room", async () => {
    const desk = await new Desk({ commandBytesMax: 100, waitingBytesMax: 100 }).opened();
    const first = desk.propose("x".repeat(60));
    const second = desk.propose("y".repeat(60), 1_000);
    await desk.clock.advance(1_000);
    assert.equal(await second, "OVERLOADED");
    desk.settle(2);
    assert.equal(await first, "ok");
    const third = desk.propose("z".repeat(60));
    await desk.clock.advance(0);
    desk.settle(3);
    assert.equal(await third, "ok");
  });

  it("COMMAND_TOO_LARGE: nothing is proposed", async () => {
    const desk = await new Desk().opened();
    const outcome = desk.propose("x".repeat(101), 1_000);
    await desk.clock.advance(1_000);
    assert.equal(await outcome, "COMMAND_TOO_LARGE");
    assert.deepEqual(desk.sent, []);
  });

  it("when the node stops: STOPPED for what never left, OUTCOME_UNKNOWN for the rest", async () => {
    const desk = await new Desk().opened();
    const left = desk.propose("a");
    await desk.clock.advance(0);
    desk.answer = "no-leader";
    const waits = desk.propose("b");
    await desk.clock.advance(0);
    desk.proposer.stop();
    assert.deepEqual(await Promise.all([left, waits]), ["OUTCOME_UNKNOWN", "STOPPED"]);
  });

  it("when its session is lost: OUTCOME_UNKNOWN for what left, a new session for the rest", async () => {
    const desk = await new Desk().opened();
    const left = [desk.propose("a"), desk.propose("b")];
    await desk.clock.advance(0);
    desk.answer = "no-leader";
    const waits = desk.propose("c");
    await desk.clock.advance(0);
    desk.answer = "submitted";
    desk.settle(2, "expired");
    assert.deepEqual(await Promise.all(left), ["OUTCOME_UNKNOWN", "OUTCOME_UNKNOWN"]);
    await desk.clock.advance(0);
    assert.deepEqual(desk.sent.at(-1), "open");
    desk.proposer.opened(`${NONCE}/0`, "a late answer to the first opening");
    desk.proposer.opened(`${NONCE}/1`, "18");
    await desk.clock.advance(0);
    assert.deepEqual(proposalIdOf(desk.messages.at(-1)![0]!), { session: "18", sequence: 4 });
    const envelope = {
      kind: "command",
      session: "18",
      sequence: 4,
      answeredBelow: 0,
      command: new Uint8Array(0),
    } as const;
    desk.proposer.settled(envelope, { type: "outcome", outcome: { index: 1, result: null } });
    assert.equal(await waits, "ok");
  });
});

describe("raft/proposer: strangers and snapshots", () => {
  it("takes no outcome of another session for its own", async () => {
    const desk = await new Desk().opened();
    const proposal = desk.propose("a", 1_000);
    await desk.clock.advance(0);
    const envelope = {
      kind: "command",
      session: "other",
      sequence: 2,
      answeredBelow: 0,
      command: new Uint8Array(0),
    } as const;
    desk.proposer.settled(envelope, { type: "outcome", outcome: { index: 1, result: null } });
    await desk.clock.advance(1_000);
    assert.equal(await proposal, "OUTCOME_UNKNOWN");
  });

  it("learns from a snapshot what the entries it skipped had settled, and sends the rest again", async () => {
    const desk = await new Desk().opened();
    const proposals = [desk.propose("a"), desk.propose("b")];
    await desk.clock.advance(0);
    desk.proposer.reviewAll(({ session, sequence }) => {
      return session === SESSION && sequence === 2 ? { index: 5, result: null } : undefined;
    });
    await desk.clock.advance(0);
    assert.equal(await proposals[0], "ok");
    assert.deepEqual(desk.sent, ["2,3", "3"]);
    desk.settle(3);
    assert.equal(await proposals[1], "ok");
  });

  it("a refusal of its opening brings another one", async () => {
    const desk = new Desk();
    const proposal = desk.propose("a", 1_000);
    await desk.clock.advance(0);
    desk.proposer.refused([proposalIdOf(encodeEnvelope({ kind: "open", nonce: `${NONCE}/0` }))], false);
    await desk.clock.advance(RESEND_MS / 4);
    assert.deepEqual(desk.sent, ["open", "open"]);
    await desk.clock.advance(1_000);
    assert.equal(await proposal, "NO_LEADER");
  });
});
