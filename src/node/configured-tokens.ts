/** The tokens that this node's configuration names: `AUTH_TOKEN`, and the file of `ATOLL_TOKENS`, read again when it changes. */

import { ConfigError } from "../config/errors.ts";
import type { Config } from "../config/schema.ts";
import { splitSecrets } from "../config/secrets.ts";
import { ConfiguredTokens } from "../security/authenticator.ts";
import { hashToken } from "../security/token.ts";
import { parseTokenFile } from "../security/token-file.ts";
import type { KeptToken } from "../types/token.ts";
import type { Clock } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import { WatchedFiles } from "./watched-files.ts";

/** A token that is shorter can be found by trying, if nothing slows that down. */
const STRONG_LENGTH_MIN = 20;

export class ConfiguredTokenSource {
  readonly #file: WatchedFiles | undefined;
  #tokens: ConfiguredTokens;

  /** @throws ConfigError when the file can not be used */
  constructor({ authToken, tokens: path }: Config["security"], clock: Clock, logger: Logger) {
    const ofAll = splitSecrets(authToken);
    if (ofAll.some(({ length }) => length < STRONG_LENGTH_MIN)) {
      const message = `a token of AUTH_TOKEN is short enough to be guessed: take ${STRONG_LENGTH_MIN} characters or more`;
      logger.warn({ code: "TOKEN_WEAK" }, message);
    }
    const named = ofAll.map((token, i) => operatorToken(i === 0 ? "auth-token" : `auth-token-${i + 1}`, token));
    this.#tokens = new ConfiguredTokens(named);
    if (path === undefined) return;
    try {
      this.#file = new WatchedFiles({
        paths: () => [path],
        clock,
        onChange: ([file]) => {
          const listed = parseTokenFile(file?.text ?? "");
          this.#tokens = new ConfiguredTokens([...named, ...listed]);
          logger.info({ code: "TOKENS_READ", tokens: listed.map(({ id }) => id) }, "the file of tokens was read");
        },
        onUnusable: (error) => {
          const reason = messageOf(error);
          logger.error(
            { code: "TOKENS_NOT_READ", path, reason },
            "the file of tokens can not be used: the former stay",
          );
        },
      });
    } catch (error) {
      const message = `security.tokens: ${path} can not be used: ${messageOf(error)}`;
      throw new ConfigError([{ option: "security.tokens", message }], { cause: error });
    }
  }

  current(): ConfiguredTokens {
    return this.#tokens;
  }

  start(): void {
    this.#file?.start();
  }

  stop(): void {
    this.#file?.stop();
  }
}

function operatorToken(id: string, token: string): KeptToken {
  return {
    id,
    sha256: hashToken(token),
    role: "operator",
    namespaces: null,
    description: "of this node's configuration",
    expiresAtMs: null,
    createdAtMs: 0,
    createdBy: "configuration",
    revokedAtMs: null,
  };
}
