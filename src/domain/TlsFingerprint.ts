/**
 * What a certificate is recognised by: the SHA-256 of its DER bytes. A client that has a Gateway's fingerprint needs no
 * authority that vouches for it.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type Endpoint, isEncrypted } from "./Endpoint.ts"

/** The text is no SHA-256 fingerprint. */
export class InvalidTlsFingerprint extends Schema.TaggedError<InvalidTlsFingerprint>()("InvalidTlsFingerprint", {
  /** Where the text came from: a flag or a configuration key. */
  source: Schema.String
}) {
  override get message() {
    return `The certificate fingerprint from ${this.source} is not 64 hexadecimal digits, with or without colons.\nFix: take the one that \`openclaw status\` shows on the Gateway's machine, or \`openssl x509 -noout -fingerprint -sha256 -in <certificate>\`.`
  }
}

/** A fingerprint was given for a connection that shows no certificate, so it would protect nothing. */
export class TlsPinWithoutTls extends Schema.TaggedError<TlsPinWithoutTls>()("TlsPinWithoutTls", {
  endpoint: Schema.String
}) {
  override get message() {
    return `A certificate fingerprint is set, but ${this.endpoint} is not encrypted; nothing was sent.\nFix: use wss:// (the Gateway needs gateway.tls.enabled), or leave the fingerprint out.`
  }
}

/** SHA-256 in 64 lower-case hexadecimal digits. Made by `parse`. */
export const TlsFingerprint = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[0-9a-f]{64}$/)),
  Schema.brand("TlsFingerprint")
)
export type TlsFingerprint = typeof TlsFingerprint.Type

const plain = /^[0-9a-f]{64}$/
const colons = /^[0-9a-f]{2}(?::[0-9a-f]{2}){31}$/

/** Reads a fingerprint in either case, with or without colons, also as `sha256:` and OpenSSL's `sha256 Fingerprint=` begin. */
export const parse = (input: string, source: string): Result.Result<TlsFingerprint, InvalidTlsFingerprint> => {
  const text = input
    .trim()
    .toLowerCase()
    .replace(/^sha-?256(?: fingerprint=|:)/, "")
  return plain.test(text) || colons.test(text)
    ? Result.succeed(TlsFingerprint.make(text.replaceAll(":", "")))
    : Result.fail(new InvalidTlsFingerprint({ source }))
}

/** As people compare it, and as OpenSSL prints it: `AB:CD:…`. */
export const display = (fingerprint: TlsFingerprint): string => fingerprint.toUpperCase().replace(/(..)(?=.)/g, "$1:")

/** A fingerprint and where it is to hold. Fails where there is no certificate to compare it with. */
export const pin = (endpoint: Endpoint, fingerprint: TlsFingerprint): Result.Result<TlsFingerprint, TlsPinWithoutTls> =>
  isEncrypted(endpoint) ? Result.succeed(fingerprint) : Result.fail(new TlsPinWithoutTls({ endpoint }))
