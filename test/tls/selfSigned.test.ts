/** A certificate made here is one that others read. */
import { createPrivateKey, X509Certificate } from "node:crypto"
import { createSecureContext } from "node:tls"
import { assert, describe, it } from "@effect/vitest"
import * as Der from "../../src/layers/gateway/tls/der.ts"
import { selfSigned } from "../../src/layers/gateway/tls/selfSigned.ts"

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")
const now = Date.UTC(2026, 0, 2, 3, 4, 5)

describe("DER", () => {
  it("lengths in one byte, and in as many as they need", () => {
    assert.strictEqual(hex(Der.octets(new Uint8Array(2))), "04020000")
    assert.strictEqual(hex(Der.octets(new Uint8Array(127)).subarray(0, 2)), "047f")
    assert.strictEqual(hex(Der.octets(new Uint8Array(128)).subarray(0, 3)), "048180")
    assert.strictEqual(hex(Der.octets(new Uint8Array(65_536)).subarray(0, 5)), "0483010000")
  })

  it("positive numbers, the shortest way", () => {
    assert.strictEqual(hex(Der.integer(Uint8Array.of(0))), "020100")
    assert.strictEqual(hex(Der.integer(Uint8Array.of(0, 0, 0x7f))), "02017f")
    assert.strictEqual(hex(Der.integer(Uint8Array.of(0x80))), "02020080")
  })

  it("object identifiers and times", () => {
    assert.strictEqual(hex(Der.oid("1.2.840.10045.4.3.2")), "06082a8648ce3d040302")
    assert.strictEqual(hex(Der.oid("2.5.29.17")), "0603551d11")
    assert.strictEqual(Buffer.from(Der.time(now).subarray(2)).toString(), "260102030405Z")
    const late = Der.time(Date.UTC(2050, 0, 1))
    assert.strictEqual(late[0], 0x18)
    assert.strictEqual(Buffer.from(late.subarray(2)).toString(), "20500101000000Z")
  })
})

describe("selfSigned", () => {
  const { cert, key } = selfSigned(["localhost", "gateway.local", "127.0.0.1", "::1", "fd7a:115c::5"], now)
  const certificate = new X509Certificate(cert)

  it("is signed by its own key and lasts from before now", () => {
    assert.isTrue(certificate.verify(certificate.publicKey))
    assert.isTrue(certificate.checkPrivateKey(createPrivateKey(key)))
    assert.isTrue(Date.parse(certificate.validFrom) < now)
    assert.isTrue(Date.parse(certificate.validTo) > now + 9 * 365 * 86_400_000)
    assert.isFalse(certificate.ca)
    assert.strictEqual(certificate.subject, "CN=OpenClaw Gateway")
  })

  it("holds for its names and for no other", () => {
    for (const name of ["localhost", "gateway.local"]) assert.strictEqual(certificate.checkHost(name), name)
    for (const ip of ["127.0.0.1", "::1", "fd7a:115c::5"]) assert.strictEqual(certificate.checkIP(ip), ip)
    assert.isUndefined(certificate.checkHost("example.com"))
    assert.isUndefined(certificate.checkIP("127.0.0.2"))
  })

  it("is another one each time, and TLS takes it", () => {
    assert.notStrictEqual(new X509Certificate(selfSigned(["a"], now).cert).serialNumber, certificate.serialNumber)
    assert.isDefined(createSecureContext({ cert, key }))
  })
})
