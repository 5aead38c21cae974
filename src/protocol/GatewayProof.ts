/**
 * How a Gateway proves who it is before anything is shown to it: the client sends a nonce with the upgrade request, and the
 * challenge that follows carries a signature over it.
 *
 * Ours, not OpenClaw's: its Gateway reads no such header, and its clients send none and so see the challenge they know. The
 * proof says who answers, not by which way: whoever can reach that Gateway can pass a nonce on to it.
 */
import * as Schema from "effect/Schema"

/** The header of the upgrade request that asks for a proof. */
export const NONCE_HEADER = "x-openclaw-gateway-nonce"

/** 16 to 64 bytes in base64url, drawn anew for each connection. */
export const ClientNonce = Schema.String.pipe(Schema.check(Schema.isPattern(/^[A-Za-z0-9_-]{22,86}$/)))

export const GatewayProof = Schema.Struct({
  /** The lowercase hexadecimal SHA-256 of the raw public key. */
  deviceId: Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9a-f]{64}$/))),
  /** The raw Ed25519 key as unpadded base64url. */
  publicKey: Schema.String.pipe(Schema.check(Schema.isPattern(/^[A-Za-z0-9_-]{43}$/))),
  /** Of `proofText`'s UTF-8 bytes, as unpadded base64url. */
  signature: Schema.String.pipe(Schema.check(Schema.isPattern(/^[A-Za-z0-9_-]{86}$/)))
})
export type GatewayProof = typeof GatewayProof.Type

export interface ProofInput {
  readonly deviceId: string
  readonly clientNonce: string
  /** The challenge's own nonce. */
  readonly nonce: string
  /** The challenge's, Unix milliseconds. */
  readonly ts: number
}

/** What is signed. The first words keep it apart from everything else that a key of this system signs. */
export const proofText = ({ clientNonce, deviceId, nonce, ts }: ProofInput): string =>
  ["openclaw-gateway-proof", "v1", clientNonce, deviceId, String(ts), nonce].join("|")
