/** F6: what is a fingerprint, and where one may be used. */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { loopback, parse as parseEndpoint } from "../../src/domain/Endpoint.ts"
import { display, parse, pin, TlsFingerprint } from "../../src/domain/TlsFingerprint.ts"

const hex = "0123456789abcdef".repeat(4)
const colons = hex.toUpperCase().replace(/(..)(?=.)/g, "$1:")

describe("F6 a fingerprint", () => {
  it.each([
    hex,
    hex.toUpperCase(),
    colons,
    colons.toLowerCase(),
    ` ${colons}\n`,
    `sha256:${hex}`,
    `SHA-256:${colons}`,
    `sha256 Fingerprint=${colons}`
  ])("is read as %s", (text) => {
    assert.deepStrictEqual(Result.getOrThrow(parse(text, "--tls-fingerprint")), hex)
  })

  it("is shown as OpenSSL shows it", () => {
    assert.strictEqual(display(TlsFingerprint.make(hex)), colons)
  })

  it.each([
    "",
    "abc",
    hex.slice(1),
    `${hex}0`,
    hex.replace("0", "g"),
    `0:${hex.slice(1)}`,
    `${colons}:`,
    hex.replace("01", "0 1"),
    `sha1:${hex.slice(24)}`
  ])("InvalidTlsFingerprint: %s", (text) => {
    const error = Result.getOrThrow(Result.flip(parse(text, "gateway.remote.tlsFingerprint")))
    assert.strictEqual(error._tag, "InvalidTlsFingerprint")
    assert.include(error.message, "gateway.remote.tlsFingerprint")
  })

  it("TlsPinWithoutTls: holds on wss:// only", () => {
    const fingerprint = TlsFingerprint.make(hex)
    const secure = Result.getOrThrow(parseEndpoint("wss://gateway.example.com", "--url"))
    assert.strictEqual(Result.getOrThrow(pin(secure, fingerprint)), fingerprint)
    const error = Result.getOrThrow(Result.flip(pin(loopback(18_789), fingerprint)))
    assert.strictEqual(error._tag, "TlsPinWithoutTls")
    assert.include(error.message, "wss://")
  })
})
