/**
 * The Gateway's own Ed25519 key, kept in its state directory: what it is recognised by from one run to the next.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { StateDir, type StateDirUnusable } from "../../services/StateDir.ts"

/** Name of the key's file in the state directory; PKCS #8 in PEM. */
export const KEY_FILE = "gateway-identity.key"

export interface PublicIdentity {
  /** SHA-256 of the raw public key, in hex. */
  readonly deviceId: string
  /** The raw key, in base64url without padding. */
  readonly publicKey: string
}

const publicOf = (key: KeyObject): PublicIdentity => {
  const raw = createPublicKey(key).export({ type: "spki", format: "der" }).subarray(-32)
  return { deviceId: createHash("sha256").update(raw).digest("hex"), publicKey: raw.toString("base64url") }
}

const parse = Option.liftThrowable((pem: string) => createPrivateKey(pem))

/** Reads the key, or makes one on first use. */
export const load: Effect.Effect<PublicIdentity, StateDirUnusable, StateDir> = Effect.gen(function* () {
  const state = yield* StateDir
  const stored = yield* state.read(KEY_FILE)
  if (stored !== undefined) {
    const key = Option.filter(parse(stored), ({ asymmetricKeyType }) => asymmetricKeyType === "ed25519")
    if (Option.isSome(key)) return publicOf(key.value)
    yield* Effect.logWarning(`${KEY_FILE} is damaged and is replaced: this Gateway has a new identity`)
  }
  const { privateKey } = generateKeyPairSync("ed25519")
  yield* state.write(KEY_FILE, privateKey.export({ type: "pkcs8", format: "pem" }).toString())
  return publicOf(privateKey)
})
