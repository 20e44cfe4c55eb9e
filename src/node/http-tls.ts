/**
 * TLS of the HTTP side: certificate, key, trusted authorities and those of entities, from files that are read again when they
 * change. New connections get what is there then; those that exist go on as they began.
 */

import { createPrivateKey, type X509Certificate } from "node:crypto";
import { readdirSync } from "node:fs";
import { basename, extname, join } from "node:path";
import { rootCertificates, type Server as TlsServer } from "node:tls";
import { ConfigError } from "../config/errors.ts";
import type { Config } from "../config/schema.ts";
import type { CertificateNumbers } from "../metrics/source.ts";
import { certificatesIn, EntityTrust, TrustError } from "../security/entities.ts";
import { type Clock, rfc3339 } from "../util/clock.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/logger.ts";
import { CertificateEnds } from "./certificate-ends.ts";
import { type WatchedFile, WatchedFiles } from "./watched-files.ts";

const ENTITY_FILES = [".pem", ".crt"];
const ENTITIES_MAX = 1_000;

/** What a TLS server, and a client that calls agents, is set up with. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  /** Whose certificates of clients are trusted. */
  readonly ca: readonly string[];
}

export class HttpTls {
  readonly #config: Config["http"];
  readonly #files: WatchedFiles;
  readonly #ends: CertificateEnds;
  readonly #servers = new Set<TlsServer>();
  #material: TlsMaterial | undefined;
  #trust = new EntityTrust(undefined);

  /** @throws ConfigError when the files can not be used */
  constructor(config: Config["http"], clock: Clock, logger: Logger) {
    this.#config = config;
    this.#ends = new CertificateEnds(clock, logger);
    try {
      this.#files = new WatchedFiles({
        paths: () => this.#paths(),
        clock,
        onChange: (files) => this.#take(files, logger),
        onUnusable: (error) => {
          const reason = messageOf(error);
          logger.error(
            { code: "CERTIFICATES_NOT_READ", reason },
            "the certificates can not be used: the former ones stay",
          );
        },
      });
    } catch (error) {
      const message = `http.tlsCert, http.tlsKey, http.tlsCa, http.trustDir: ${messageOf(error)}`;
      throw new ConfigError([{ option: "http.tlsMode", message }], { cause: error });
    }
  }

  /** Nobody is served without a certificate. */
  get isStrict(): boolean {
    return this.#config.tlsMode === "strict";
  }

  /** Judges certificates as the files now have it. */
  get trust(): EntityTrust {
    return this.#trust;
  }

  /** When the node's certificate, the authorities of clients, and those of each entity end. */
  get ends(): readonly CertificateNumbers[] {
    return this.#ends.all;
  }

  /** For a server that is about to be made. Clients are judged after the handshake, so that they are told what is wrong. */
  serverOptions() {
    return { ...this.#current(), requestCert: true, rejectUnauthorized: false, minVersion: "TLSv1.2" as const };
  }

  /** For calls of agents: proves this node, and trusts the same authorities beside those of the system. */
  clientOptions() {
    const { cert, key, ca } = this.#current();
    return { cert, key, ca: [...rootCertificates, ...ca] };
  }

  /** Has a server that was made with `serverOptions` follow the files. */
  follow(server: TlsServer): void {
    this.#servers.add(server);
    server.once("close", () => this.#servers.delete(server));
  }

  /** Takes the files if they changed, which is otherwise done every few seconds. @throws when they can not be used */
  look(): void {
    this.#files.look();
  }

  start(): void {
    this.#files.start();
    this.#ends.start();
  }

  stop(): void {
    this.#files.stop();
    this.#ends.stop();
  }

  #current() {
    const { cert, key, ca } = this.#material as TlsMaterial;
    return { cert, key, ca: [...ca] };
  }

  #paths(): string[] {
    const { tlsCert = "", tlsKey = "", tlsCa } = this.#config;
    return [tlsCert, tlsKey, ...(tlsCa === undefined ? [] : [tlsCa]), ...this.#entityFiles()];
  }

  #entityFiles(): string[] {
    const { trustDir } = this.#config;
    if (trustDir === undefined) return [];
    const names = readdirSync(trustDir).filter((name) => ENTITY_FILES.includes(extname(name)));
    if (names.length > ENTITIES_MAX) throw new TrustError(`${trustDir} holds more than ${ENTITIES_MAX} authorities`);
    return names.sort().map((name) => join(trustDir, name));
  }

  /** @param files - in the order of `#paths` */
  #take(files: readonly WatchedFile[], logger: Logger): void {
    const { tlsCa, trustDir, tlsCert = "" } = this.#config;
    const [cert = "", key = "", ...authorities] = files.map(({ text }) => text);
    const chain = certificatesIn(cert, tlsCert);
    const [own] = chain;
    checkPair(own, key);
    const entities = files.slice(tlsCa === undefined ? 2 : 3);
    const pems = new Map(entities.map(({ path, text }) => [basename(path, extname(path)), text]));
    const trust = new EntityTrust(trustDir === undefined ? undefined : pems);
    const ends: CertificateNumbers[] = [
      endOf("node", "", chain),
      ...(tlsCa === undefined ? [] : [endOf("clients", "", certificatesIn(authorities[0] ?? "", tlsCa))]),
      ...[...pems].map(([entity, pem]) => endOf("entity", entity, certificatesIn(pem, entity))),
    ];
    const material = { cert, key, ca: authorities };
    for (const server of this.#servers) server.setSecureContext({ ...material, minVersion: "TLSv1.2" });
    this.#material = material;
    this.#trust = trust;
    const expires = rfc3339(Date.parse(own?.validTo ?? ""));
    const trusted = trust.list().map(({ name }) => name);
    const facts = { code: "CERTIFICATES_READ", subject: own?.subject, expires, entities: trusted };
    logger.info(facts, "certificates were read");
    this.#ends.take(ends);
  }
}

/** Said here in words; the TLS library has codes. @throws TrustError */
function checkPair(certificate: X509Certificate | undefined, key: string): void {
  let isPair: boolean | undefined;
  try {
    isPair = certificate?.checkPrivateKey(createPrivateKey(key));
  } catch (error) {
    throw new TrustError("the key can not be read: it should be PEM, without a passphrase", { cause: error });
  }
  if (isPair !== true) throw new TrustError("the key is not the certificate's");
}

/** Of a file that holds several, the one that ends first: whatever it signed is refused from then on. */
function endOf(
  use: CertificateNumbers["use"],
  entity: string,
  certificates: readonly X509Certificate[],
): CertificateNumbers {
  return { use, entity, notAfterMs: Math.min(...certificates.map(({ validTo }) => Date.parse(validTo))) };
}
