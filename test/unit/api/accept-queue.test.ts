/** Whom of the clients that wait to be accepted a port sends away, turn by turn. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AcceptQueue, ADMITTED_IN_A_TURN, CALM_MS, RELAPSE_MS, TOLERATED_MS } from "../../../src/api/accept-queue.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const SOCKETS = 16;
const ALL = SOCKETS;
/** So many sockets with somebody waiting are not yet a queue that stands. */
const MANY = 11;
const TURN_MS = 5;

/** A loop whose turns end when they are told to. */
class Turns extends VirtualClock {
  #ends: (() => void)[] = [];

  override soon(run: () => void): void {
    this.#ends.push(run);
  }

  end(): void {
    for (const run of this.#ends.splice(0)) run();
    this.stall(TURN_MS);
  }
}

function port(sockets = SOCKETS) {
  const clock = new Turns();
  // Known from what is told alone, as a server knows it.
  let isOpen = true;
  const queue = new AcceptQueue({
    sockets,
    clock,
    changed: () => {
      isOpen = queue.isOpen;
    },
  });
  /** @returns how many were accepted of those who came in one turn */
  const turn = (coming: number): number => {
    let accepted = 0;
    for (let i = 0; i < coming; i++) {
      assert.equal(isOpen, queue.isOpen);
      if (isOpen) accepted++;
      queue.came();
    }
    clock.end();
    return accepted;
  };
  /** @returns how many of those who came were sent away */
  const lasting = (ms: number, coming: number): number => {
    let away = 0;
    for (let i = 0; i < ms / TURN_MS; i++) away += coming - turn(coming);
    return away;
  };
  return { turn, lasting, clock };
}

describe("the queue of clients to be accepted", () => {
  it("accepts everybody of a burst that is over in time", () => {
    const { lasting } = port();
    assert.equal(lasting(TOLERATED_MS, ALL), 0);
    assert.equal(lasting(TURN_MS, 1), 0);
    assert.equal(lasting(TURN_MS, ALL), 0);
  });

  it("P12: sends away whoever is too many in a turn once the queue has stood for longer, and never everybody", () => {
    const { turn, lasting } = port();
    lasting(TOLERATED_MS + TURN_MS, ALL);
    for (let i = 0; i < 100; i++) assert.equal(turn(ALL), ADMITTED_IN_A_TURN);
  });

  it("accepts everybody again from the first turn on in which fewer come", () => {
    const { turn, lasting } = port();
    lasting(TOLERATED_MS + TURN_MS, ALL);
    turn(MANY);
    assert.equal(turn(ALL), ALL);
  });

  it("accepts everybody again after a turn in which nobody came", () => {
    const { turn, lasting } = port();
    lasting(TOLERATED_MS + TURN_MS, ALL);
    turn(0);
    assert.equal(turn(ALL), ALL);
  });

  it("tolerates less when the queue stands again soon, and as much as at first after some calm", () => {
    const { turn, lasting } = port();
    lasting(TOLERATED_MS + TURN_MS, ALL);
    turn(0);
    assert.equal(lasting(RELAPSE_MS, ALL), 0);
    assert.ok(lasting(2 * TURN_MS, ALL) > 0);
    turn(0);
    lasting(CALM_MS, 1);
    assert.equal(lasting(TOLERATED_MS, ALL), 0);
  });

  it("sends nobody away as long as turns take up who comes, however long that goes on", () => {
    const { lasting } = port();
    assert.equal(lasting(60_000, MANY), 0);
  });

  it("counts a queue as standing only as long as no turn between found it short", () => {
    const { lasting } = port();
    for (let i = 0; i < 10; i++) {
      assert.equal(lasting(TOLERATED_MS - TURN_MS, ALL), 0);
      lasting(TURN_MS, MANY);
    }
  });

  it("knows nothing with one socket, which brings one client in a turn, and sends nobody away", () => {
    const { lasting } = port(1);
    assert.equal(lasting(60_000, 1), 0);
  });
});
