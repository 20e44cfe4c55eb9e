import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { ConfigError } from "../../src/config/errors.ts";
import { loadConfig } from "../../src/config/load.ts";
import { ConfiguredTokenSource } from "../../src/node/configured-tokens.ts";
import { hashToken } from "../../src/security/token.ts";
import { type LogEvent, silentLogger } from "../../src/util/logger.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const dir = mkdtempSync(join(tmpdir(), "atoll-tokens-"));
const path = join(dir, "tokens.yaml");
const write = (...tokens: string[]) =>
  writeFileSync(
    path,
    JSON.stringify({ tokens: tokens.map((token) => ({ id: token, token: `the ${token} token`, role: "agent" })) }),
  );

function open() {
  const said: LogEvent[] = [];
  const logger = { ...silentLogger, error: (event: LogEvent) => void said.push(event) };
  const clock = new VirtualClock();
  const { config } = loadConfig({
    env: { ATOLL_TOKENS: path, AUTH_TOKEN: "the-new-one,the-old-one" },
    flags: {},
    hostname: "h",
  });
  const source = new ConfiguredTokenSource(config.security, clock, logger);
  source.start();
  const ids = () =>
    source
      .current()
      .list()
      .map(({ id }) => id);
  return { source, clock, said, ids };
}

describe("the tokens of a node's configuration", () => {
  after(() => rmSync(dir, { recursive: true, force: true }));

  it("are those of AUTH_TOKEN, old and new side by side, and of the file, as it now is", async () => {
    write("first");
    const { source, clock, said, ids } = open();
    assert.deepEqual(ids(), ["auth-token", "auth-token-2", "first"]);
    assert.equal(source.current().find(hashToken("the-old-one"))?.role, "operator");
    write("first", "second");
    await clock.advance(5_000);
    assert.deepEqual(ids().slice(2), ["first", "second"]);
    writeFileSync(path, "tokens: [{ id: a }]");
    await clock.advance(10_000);
    assert.deepEqual(ids().slice(2), ["first", "second"], "what can not be used changes nothing");
    assert.deepEqual(
      said.map(({ code }) => code),
      ["TOKENS_NOT_READ"],
      "and is said once",
    );
    write("second");
    await clock.advance(5_000);
    assert.deepEqual(ids().slice(2), ["second"]);
    source.stop();
  });

  it("keep a node from starting when the file can not be used", () => {
    rmSync(path);
    assert.throws(
      open,
      (error: unknown) => error instanceof ConfigError && /security\.tokens: .*tokens\.yaml/.test(error.message),
    );
  });
});
