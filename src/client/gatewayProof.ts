/**
 * Asking a Gateway to prove who it is, and judging the answer. Nothing secret takes part in it.
 */
import { createHash, createPublicKey, type KeyObject, randomBytes, verify } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Challenge } from "../protocol/Connect.ts"
import { NONCE_HEADER, proofText } from "../protocol/GatewayProof.ts"

const NONCE_BYTES = 32

/** A nonce for one connection, and the header that carries it. */
export const question = Effect.sync(() => {
  const nonce = randomBytes(NONCE_BYTES).toString("base64url")
  return { nonce, headers: { [NONCE_HEADER]: nonce } }
})

/** What a challenge says of its Gateway. */
export type Standing =
  | { readonly _tag: "Proven"; readonly deviceId: string }
  /** It said nothing: a Gateway that does not know the question, OpenClaw's own among them. */
  | { readonly _tag: "Silent" }
  /** Its answer is no proof: a copy of an older one, or somebody else's. */
  | { readonly _tag: "Forged" }

const keyOf = (publicKey: string): Result.Result<KeyObject, unknown> =>
  Result.try(() => createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: publicKey }, format: "jwk" }))

/** Judges the challenge that answered `clientNonce`. */
export const standing = (challenge: Challenge, clientNonce: string): Standing => {
  const { gateway: proof, nonce, ts } = challenge
  if (proof === undefined) return { _tag: "Silent" }
  const { deviceId, publicKey, signature } = proof
  const own = createHash("sha256").update(Buffer.from(publicKey, "base64url")).digest("hex")
  const text = proofText({ clientNonce, deviceId, nonce, ts })
  const holds = Result.flatMap(keyOf(publicKey), (key) =>
    Result.try(() => verify(null, Buffer.from(text, "utf8"), key, Buffer.from(signature, "base64url")))
  )
  return own === deviceId && Result.getOrElse(holds, () => false) ? { _tag: "Proven", deviceId } : { _tag: "Forged" }
}
