/**
 * Certificates of an authority of one's own: for nodes, and for the clients whose entity it stands for.
 *
 * Keys are ECDSA on P-256. The encoding is the library's; what is decided here is who may use a certificate for what, and
 * for how long.
 */

// The library keeps its algorithms by it.
import "reflect-metadata";
import { KeyObject, randomBytes, webcrypto } from "node:crypto";
import { isIP } from "node:net";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

export interface IssuedCertificate {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS #8. */
  readonly key: string;
}

export interface Authority extends IssuedCertificate {
  readonly keys: webcrypto.CryptoKeyPair;
}

/** From a minute ago, for clocks that are behind. */
export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const SERIAL_BYTES = 16;

/** An authority that signs nodes and clients, and no other authority. */
export async function createAuthority(name: string, validity: Validity): Promise<Authority> {
  const keys = await generateKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    ...common(validity),
    name: distinguishedName(name),
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: certificate.toString("pem"), key: pemOfKey(keys), keys };
}

/** A certificate of a node, which also calls agents with it. @param hosts - names and addresses that clients reach it by */
export function issueForNode(
  authority: Authority,
  hosts: readonly string[],
  validity: Validity,
): Promise<IssuedCertificate> {
  const names = hosts.map((host) => ({ type: isIP(host) === 0 ? ("dns" as const) : ("ip" as const), value: host }));
  return issue(authority, hosts[0] ?? "localhost", validity, [
    new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth, ExtendedKeyUsage.clientAuth]),
    new SubjectAlternativeNameExtension(names),
  ]);
}

/** A certificate that proves to be one client: its name is the entity. */
export function issueForClient(authority: Authority, name: string, validity: Validity): Promise<IssuedCertificate> {
  return issue(authority, name, validity, [new ExtendedKeyUsageExtension([ExtendedKeyUsage.clientAuth])]);
}

async function issue(
  authority: Authority,
  name: string,
  validity: Validity,
  extensions: readonly Extension[],
): Promise<IssuedCertificate> {
  const keys = await generateKeys();
  const issuer = new X509Certificate(authority.certificate);
  const certificate = await X509CertificateGenerator.create({
    ...common(validity),
    subject: distinguishedName(name),
    issuer: issuer.subject,
    publicKey: keys.publicKey,
    signingKey: authority.keys.privateKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      await AuthorityKeyIdentifierExtension.create(authority.keys.publicKey),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
      ...extensions,
    ],
  });
  return { certificate: certificate.toString("pem"), key: pemOfKey(keys) };
}

function common(validity: Validity) {
  return { ...validity, serialNumber: randomBytes(SERIAL_BYTES).toString("hex"), signingAlgorithm: ALGORITHM };
}

/** As a list of attributes: text would be read, with commas and all. */
function distinguishedName(name: string) {
  return [{ CN: [name] }];
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
}

function pemOfKey({ privateKey }: webcrypto.CryptoKeyPair): string {
  return KeyObject.from(privateKey).export({ type: "pkcs8", format: "pem" }).toString();
}
