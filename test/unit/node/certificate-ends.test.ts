import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { CertificateNumbers } from "../../../src/metrics/source.ts";
import { CertificateEnds } from "../../../src/node/certificate-ends.ts";
import { type LogEvent, silentLogger } from "../../../src/util/logger.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const DAY_MS = 24 * 60 * 60 * 1_000;

function create() {
  const clock = new VirtualClock();
  const warned: LogEvent[] = [];
  const ends = new CertificateEnds(clock, { ...silentLogger, warn: (event) => void warned.push(event) });
  const inDays = (days: number, entity = ""): CertificateNumbers => ({
    use: entity === "" ? "node" : "entity",
    entity,
    notAfterMs: clock.wallTime() + days * DAY_MS,
  });
  /** What was said since it was asked last. */
  const told = () => warned.splice(0).map(({ code, use, entity, daysLeft }) => [code, use, entity, daysLeft]);
  return { clock, ends, inDays, told };
}

describe("the end of certificates", () => {
  it("is said as soon as one with less than 14 days is taken, and of no other", () => {
    const { ends, inDays, told } = create();
    ends.take([inDays(13.5), inDays(14.5, "acme"), inDays(-2, "corp")]);
    assert.deepEqual(told(), [
      ["CERTIFICATE_ENDING", "node", undefined, 13],
      ["CERTIFICATE_ENDING", "entity", "corp", -2],
    ]);
  });

  it("is said once a day of files that nobody touches, from 14 days before until they are others", async () => {
    const { clock, ends, inDays, told } = create();
    ends.start();
    ends.take([inDays(15.5)]);
    await clock.advance(DAY_MS);
    assert.deepEqual(told(), []);
    for (const daysLeft of [13, 12, 11]) {
      await clock.advance(DAY_MS);
      assert.deepEqual(told(), [["CERTIFICATE_ENDING", "node", undefined, daysLeft]]);
    }
    ends.take([inDays(90)]);
    await clock.advance(2 * DAY_MS);
    assert.deepEqual(told(), []);
  });

  it("is not said any more by a node that has stopped", async () => {
    const { clock, ends, inDays, told } = create();
    ends.start();
    ends.take([inDays(3.5)]);
    ends.stop();
    told();
    await clock.advance(2 * DAY_MS);
    assert.deepEqual(told(), []);
  });
});
