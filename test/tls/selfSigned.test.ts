/** A certificate made here is one that others read. */
import { createPrivateKey, X509Certificate } from "node:crypto"
import { createSecureContext } from "node:tls"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { selfSigned } from "../../src/layers/gateway/tls/selfSigned.ts"

const now = Date.UTC(2026, 0, 2, 3, 4, 5)
const names = ["localhost", "gateway.local", "127.0.0.1", "::1", "fd7a:115c::5"]

describe("selfSigned", () => {
  it.effect("is signed by its own P-256 key, for a TLS server, and lasts from before now", () =>
    Effect.gen(function* () {
      const { cert, key } = yield* selfSigned(names, now)
      const certificate = new X509Certificate(cert)
      assert.isTrue(certificate.verify(certificate.publicKey))
      assert.isTrue(certificate.checkPrivateKey(createPrivateKey(key)))
      assert.strictEqual(certificate.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1")
      assert.deepStrictEqual(certificate.keyUsage, ["1.3.6.1.5.5.7.3.1"])
      assert.strictEqual(Date.parse(certificate.validFrom), now - 86_400_000)
      assert.strictEqual(Date.parse(certificate.validTo), now + 3650 * 86_400_000)
      assert.isFalse(certificate.ca)
      assert.strictEqual(certificate.subject, "CN=OpenClaw Gateway")
    })
  )

  it.effect("holds for its names and for no other", () =>
    Effect.gen(function* () {
      const certificate = new X509Certificate((yield* selfSigned(names, now)).cert)
      for (const name of ["localhost", "gateway.local"]) assert.strictEqual(certificate.checkHost(name), name)
      for (const ip of ["127.0.0.1", "::1", "fd7a:115c::5"]) assert.strictEqual(certificate.checkIP(ip), ip)
      assert.isUndefined(certificate.checkHost("example.com"))
      assert.isUndefined(certificate.checkIP("127.0.0.2"))
    })
  )

  it.effect("ends after 2049 too, where dates are written otherwise", () =>
    Effect.gen(function* () {
      const { cert } = yield* selfSigned(["a"], Date.UTC(2049, 5, 1))
      assert.strictEqual(Date.parse(new X509Certificate(cert).validTo), Date.UTC(2049, 5, 1) + 3650 * 86_400_000)
    })
  )

  it.effect("is another one each time, and TLS takes it", () =>
    Effect.gen(function* () {
      const [a, b] = yield* Effect.all([selfSigned(["a"], now), selfSigned(["a"], now)])
      assert.notStrictEqual(new X509Certificate(a.cert).serialNumber, new X509Certificate(b.cert).serialNumber)
      assert.isDefined(createSecureContext(a))
    })
  )
})
