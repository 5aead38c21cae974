/**
 * What a certificate in PEM says of itself.
 */
import { X509Certificate } from "node:crypto"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { parse, type TlsFingerprint } from "../../../domain/TlsFingerprint.ts"

export interface Certificate {
  readonly fingerprint: TlsFingerprint
  /** Unix milliseconds. */
  readonly validTo: number
}

const read = Option.liftThrowable((pem: string) => new X509Certificate(pem))

/** The first one in the text; `None` when that is no certificate. */
export const certificateIn = (pem: string): Option.Option<Certificate> =>
  Option.flatMap(read(pem), (found) =>
    Option.map(Result.getSuccess(parse(found.fingerprint256, "the certificate")), (fingerprint) => ({
      fingerprint,
      validTo: found.validToDate.getTime()
    }))
  )
