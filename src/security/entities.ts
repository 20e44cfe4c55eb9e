/**
 * Whose certificate a client shows: entities are the organizations that agents of a mesh belong to (contract C).
 *
 * With a folder of authorities, an entity is whose authority signed; without one, the name in a certificate of the one
 * authority. What a connection proved is judged once, not for each request.
 */

import { X509Certificate } from "node:crypto";
import { AtollError, messageOf } from "../util/errors.ts";

export interface Entity {
  readonly name: string;
  readonly subject: string;
  /** Wall time at which its authority ends. */
  readonly expiresAtMs: number;
}

/** What a client proved. */
export interface ClientIdentity {
  readonly entity: string | null;
  /** Why what it showed does not do; null when it does, or when nothing was shown. */
  readonly fault: string | null;
  readonly hasCertificate: boolean;
}

/** The part of a TLS socket that is asked. */
export interface TlsConnection {
  readonly encrypted?: boolean;
  readonly authorized?: boolean;
  readonly authorizationError?: unknown;
  getPeerCertificate?(detailed: true): PeerCertificate;
}

export interface PeerCertificate {
  readonly raw?: Buffer;
  readonly subject?: { readonly CN?: string | string[] };
  readonly issuerCertificate?: PeerCertificate;
}

export class TrustError extends AtollError<{ readonly code: "CERTIFICATE_UNREADABLE"; readonly reason: string }> {
  constructor(reason: string, options?: ErrorOptions) {
    super(reason, { code: "CERTIFICATE_UNREADABLE", reason }, options);
  }
}

const NOBODY: ClientIdentity = { entity: null, fault: null, hasCertificate: false };
const CHAIN_LENGTH_MAX = 8;
const ENTITY_LENGTH_MAX = 253;
const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The authorities of entities. */
export class EntityTrust {
  readonly #authorities: readonly { readonly name: string; readonly certificate: X509Certificate }[] | undefined;
  readonly #judged = new WeakMap<object, ClientIdentity>();

  /**
   * @param files - by entity, the PEM of its authorities; undefined when certificates name their entity themselves
   * @throws TrustError
   */
  constructor(files: ReadonlyMap<string, string> | undefined) {
    this.#authorities =
      files &&
      [...files].flatMap(([name, pem]) => certificatesIn(pem, name).map((certificate) => ({ name, certificate })));
  }

  /** Those that have an authority of their own. */
  list(): Entity[] {
    return (this.#authorities ?? []).map(({ name, certificate }) => ({
      name,
      subject: certificate.subject,
      expiresAtMs: Date.parse(certificate.validTo),
    }));
  }

  identify(connection: TlsConnection): ClientIdentity {
    const known = this.#judged.get(connection);
    if (known !== undefined) return known;
    const identity = this.#judge(connection);
    this.#judged.set(connection, identity);
    return identity;
  }

  #judge(connection: TlsConnection): ClientIdentity {
    const shown = connection.encrypted === true ? connection.getPeerCertificate?.(true) : undefined;
    if (shown?.raw === undefined) return NOBODY;
    if (connection.authorized !== true) {
      return {
        entity: null,
        fault: `it is not trusted (${String(connection.authorizationError)})`,
        hasCertificate: true,
      };
    }
    return { entity: this.#entityOf(shown), fault: null, hasCertificate: true };
  }

  #entityOf(shown: PeerCertificate): string | null {
    const authorities = this.#authorities;
    if (authorities === undefined) {
      const name = [shown.subject?.CN ?? []].flat()[0];
      return name === undefined || name.length > ENTITY_LENGTH_MAX ? null : name;
    }
    for (const certificate of chainOf(shown)) {
      const signer = authorities.find(
        (authority) =>
          certificate.fingerprint256 === authority.certificate.fingerprint256 ||
          (certificate.checkIssued(authority.certificate) && certificate.verify(authority.certificate.publicKey)),
      );
      if (signer !== undefined) return signer.name;
    }
    return null;
  }
}

/** The certificates of a PEM file. @throws TrustError when it has none, or one that can not be read */
export function certificatesIn(pem: string, name: string): X509Certificate[] {
  const blocks = pem.match(PEM_BLOCK) ?? [];
  if (blocks.length === 0) throw new TrustError(`${name} holds no certificate`);
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (error) {
    throw new TrustError(`${name} holds a certificate that can not be read: ${messageOf(error)}`, { cause: error });
  }
}

/** From the client's own upwards; a root is its own issuer. */
function chainOf(shown: PeerCertificate): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let current: PeerCertificate | undefined = shown;
  while (current?.raw !== undefined && chain.length < CHAIN_LENGTH_MAX) {
    chain.push(new X509Certificate(current.raw));
    const issuer: PeerCertificate | undefined = current.issuerCertificate;
    current = issuer === current ? undefined : issuer;
  }
  return chain;
}
