/**
 * A certificate that a Gateway makes for itself, for clients that know it by its fingerprint. ECDSA over P-256, which
 * every TLS stack takes. What makes it is loaded only then: no Gateway that has a certificate needs it.
 */
import { isIP } from "node:net"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type { UnknownError } from "effect/Cause"

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

const DNS_NAME = 2
const IP_ADDRESS = 7

const altName = (name: string) =>
  isIP(name) === 0 ? ({ type: DNS_NAME, value: name } as const) : ({ type: IP_ADDRESS, ip: name } as const)

const date = (unixMs: number) => DateTime.toDateUtc(DateTime.makeUnsafe(unixMs))

/** A new key and its certificate for these DNS names and addresses. `now` is Unix milliseconds. */
export const selfSigned = (names: ReadonlyArray<string>, now: number): Effect.Effect<SelfSigned, UnknownError> =>
  Effect.tryPromise(async () => {
    const { generate } = await import("selfsigned")
    const made = await generate([{ name: "commonName", value: "OpenClaw Gateway" }], {
      keyType: "ec",
      curve: "P-256",
      algorithm: "sha256",
      notBeforeDate: date(now - BACKDATE_MS),
      notAfterDate: date(now + LIFETIME_MS),
      extensions: [
        { name: "basicConstraints", cA: false, critical: true },
        { name: "keyUsage", digitalSignature: true, critical: true },
        { name: "extKeyUsage", serverAuth: true },
        { name: "subjectAltName", altNames: names.map(altName) }
      ]
    })
    return { cert: `${made.cert.trimEnd()}\n`, key: made.private }
  })
