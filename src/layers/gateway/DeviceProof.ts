/**
 * Checks the proof of a device's key: the id is the key's hash, the nonce is this connection's, the signature is fresh and
 * covers exactly what was sent.
 *
 * Keys come as raw base64url (what every OpenClaw 2026.9.6 client sends), standard base64 or PEM.
 */
import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto"
import * as Result from "effect/Result"
import { DeviceId } from "../../domain/Ids.ts"
import type { ConnectParams, DeviceProof } from "../../protocol/Connect.ts"
import { type DeviceAuthInput, payloadV2, payloadV3, SIGNATURE_SKEW_MS } from "../../protocol/DeviceAuth.ts"
import { DeviceProofInvalid } from "../../services/Authenticator.ts"

/** What stands before the 32 bytes of an Ed25519 key in its DER form (RFC 8410). */
const derPrefix = Buffer.from("302a300506032b6570032100", "hex")
const KEY_BYTES = 32
const SIGNATURE_BYTES = 64

/** y-coordinates of the points of small order; with such a key one signature fits any message. */
const smallOrder: ReadonlySet<string> = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
])

const isSmallOrder = (key: Buffer): boolean => {
  const y = Buffer.from(key)
  y[KEY_BYTES - 1] = (y[KEY_BYTES - 1] ?? 0) & 0x7f
  return smallOrder.has(y.toString("hex"))
}

/** Bytes of base64 in either alphabet, padded or not; anything else is refused rather than skipped over. */
const base64 = (text: string, length: number): Buffer | undefined => {
  if (text.length > 2 * length + 8 || !/^[A-Za-z0-9+/_-]+={0,2}$/.test(text)) return undefined
  const bytes = Buffer.from(text.replaceAll("-", "+").replaceAll("_", "/"), "base64")
  return bytes.length === length ? bytes : undefined
}

const fromPem = (text: string): Buffer | undefined => {
  if (text.length > 1024) return undefined
  const der = Result.getOrUndefined(
    Result.try(() => {
      const key = createPublicKey(text)
      return key.asymmetricKeyType === "ed25519" ? key.export({ type: "spki", format: "der" }) : undefined
    })
  )
  return der?.subarray(-KEY_BYTES)
}

/** The raw 32 bytes of a public key in any accepted form, or `undefined`. */
export const rawPublicKey = (text: string): Buffer | undefined => {
  const raw = text.includes("-----BEGIN") ? fromPem(text) : base64(text.trim(), KEY_BYTES)
  return raw === undefined || isSmallOrder(raw) ? undefined : raw
}

/** A device's id: the lowercase hexadecimal SHA-256 of its raw public key. */
export const deviceIdOf = (raw: Uint8Array): DeviceId => DeviceId.make(createHash("sha256").update(raw).digest("hex"))

/** The library itself refuses a signature whose second half is not in range, so each signature has one form. */
const holds = (key: KeyObject, payload: string, signature: Buffer): boolean =>
  Result.getOrElse(
    Result.try(() => verify(null, Buffer.from(payload, "utf8"), key, signature)),
    () => false
  )

/** A device that proved its key. `publicKey` is the raw key as unpadded base64url. */
export interface ProvenDevice {
  readonly deviceId: DeviceId
  readonly publicKey: string
}

/** Checks one proof. `now` is Unix milliseconds, `nonce` the one of this connection's challenge. */
export const check = (
  params: ConnectParams,
  proof: DeviceProof,
  context: { readonly role: string; readonly nonce: string; readonly now: number }
): Result.Result<ProvenDevice, DeviceProofInvalid> => {
  const invalid = (reason: DeviceProofInvalid["reason"]) => Result.fail(new DeviceProofInvalid({ reason }))
  const raw = rawPublicKey(proof.publicKey)
  if (raw === undefined || deviceIdOf(raw) !== proof.id) return invalid("id-mismatch")
  if (Math.abs(context.now - proof.signedAt) > SIGNATURE_SKEW_MS) return invalid("signature-stale")
  if (proof.nonce.trim() === "") return invalid("nonce-missing")
  if (proof.nonce !== context.nonce) return invalid("nonce-mismatch")
  const signature = base64(proof.signature, SIGNATURE_BYTES)
  if (signature === undefined) return invalid("signature")
  const { auth, client, scopes } = params
  const input: DeviceAuthInput = {
    deviceId: proof.id,
    clientId: client.id,
    clientMode: client.mode,
    role: context.role,
    scopes: scopes ?? [],
    signedAtMs: proof.signedAt,
    token: auth?.token ?? auth?.deviceToken ?? auth?.bootstrapToken,
    nonce: proof.nonce,
    platform: client.platform,
    deviceFamily: client.deviceFamily
  }
  const key = createPublicKey({ key: Buffer.concat([derPrefix, raw]), format: "der", type: "spki" })
  return holds(key, payloadV3(input), signature) || holds(key, payloadV2(input), signature)
    ? Result.succeed({ deviceId: deviceIdOf(raw), publicKey: raw.toString("base64url") })
    : invalid("signature")
}
