/**
 * A certificate that a Gateway makes for itself, for clients that know it by its fingerprint. ECDSA over P-256, which
 * every TLS stack takes.
 */
import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto"
import { isIP, isIPv4 } from "node:net"
import * as Der from "./der.ts"

export interface SelfSigned {
  /** X.509 in PEM. */
  readonly cert: string
  /** PKCS #8 in PEM. */
  readonly key: string
}

/** Ten years: what makes it trustworthy is its fingerprint, and an end date would only lock people out of their machine. */
const LIFETIME_MS = 3650 * 86_400_000
/** A client's clock may be behind. */
const BACKDATE_MS = 86_400_000

const OID = {
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  commonName: "2.5.4.3",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  keyUsage: "2.5.29.15",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1"
}

const ipBytes = (address: string): Uint8Array => {
  if (isIPv4(address)) return Uint8Array.from(address.split(".").map(Number))
  const [head = "", tail] = address.split("::")
  const groups = (text: string | undefined) => (text === undefined || text === "" ? [] : text.split(":"))
  const front = groups(head)
  const back = groups(tail)
  const all = [...front, ...Array.from({ length: 8 - front.length - back.length }, () => "0"), ...back]
  return Uint8Array.from(all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]))
}

/** One entry of `subjectAltName`: a DNS name or an address. */
const altName = (name: string): Uint8Array =>
  isIP(name) === 0 ? Der.tagged(0x82, Buffer.from(name, "ascii")) : Der.tagged(0x87, ipBytes(name))

const extension = (id: string, critical: boolean, value: Uint8Array): Uint8Array =>
  Der.sequence(Der.oid(id), ...(critical ? [Der.bool(true)] : []), Der.octets(value))

const extensions = (names: ReadonlyArray<string>): Uint8Array =>
  Der.tagged(
    0xa3,
    Der.sequence(
      extension(OID.basicConstraints, true, Der.sequence()),
      // digitalSignature: the first bit, seven unused ones.
      extension(OID.keyUsage, true, Der.tagged(0x03, Uint8Array.of(7, 0x80))),
      extension(OID.extendedKeyUsage, false, Der.sequence(Der.oid(OID.serverAuth))),
      extension(OID.subjectAltName, false, Der.sequence(...names.map(altName)))
    )
  )

const pem = (der: Uint8Array): string =>
  `-----BEGIN CERTIFICATE-----\n${(
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? []
  ).join("\n")}\n-----END CERTIFICATE-----\n`

const certify = (privateKey: KeyObject, names: ReadonlyArray<string>, now: number): Uint8Array => {
  const algorithm = Der.sequence(Der.oid(OID.ecdsaWithSha256))
  const subject = Der.sequence(Der.set(Der.sequence(Der.oid(OID.commonName), Der.utf8("OpenClaw Gateway"))))
  const body = Der.sequence(
    // Version 3.
    Der.tagged(0xa0, Der.integer(Uint8Array.of(2))),
    Der.integer(randomBytes(16)),
    algorithm,
    subject,
    Der.sequence(Der.time(now - BACKDATE_MS), Der.time(now + LIFETIME_MS)),
    subject,
    createPublicKey(privateKey).export({ type: "spki", format: "der" }),
    extensions(names)
  )
  return Der.sequence(body, algorithm, Der.bits(sign("sha256", body, privateKey)))
}

/** A new key and its certificate for these DNS names and addresses. `now` is Unix milliseconds. */
export const selfSigned = (names: ReadonlyArray<string>, now: number): SelfSigned => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  return {
    cert: pem(certify(privateKey, names, now)),
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString()
  }
}
