/**
 * The Gateway's own Ed25519 key, kept in its state directory: what it is recognised by from one run to the next.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Semaphore from "effect/Semaphore"
import { type GatewayProof, type ProofInput, proofText } from "../../protocol/GatewayProof.ts"
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

const loadKey: Effect.Effect<KeyObject, StateDirUnusable, StateDir> = Effect.gen(function* () {
  const state = yield* StateDir
  const stored = yield* state.read(KEY_FILE)
  if (stored !== undefined) {
    const key = Option.filter(parse(stored), ({ asymmetricKeyType }) => asymmetricKeyType === "ed25519")
    if (Option.isSome(key)) return key.value
    yield* Effect.logWarning(`${KEY_FILE} is damaged and is replaced: this Gateway has a new identity`)
  }
  const { privateKey } = generateKeyPairSync("ed25519")
  yield* state.write(KEY_FILE, privateKey.export({ type: "pkcs8", format: "pem" }).toString())
  return privateKey
})

/** Reads the key, or makes one on first use. */
export const load: Effect.Effect<PublicIdentity, StateDirUnusable, StateDir> = Effect.map(loadKey, publicOf)

export class IdentityKey extends Context.Service<
  IdentityKey,
  {
    readonly identity: Effect.Effect<PublicIdentity, StateDirUnusable>
    /** Proves to one client, on one connection, that this is the Gateway with the key. */
    readonly prove: (about: Omit<ProofInput, "deviceId">) => Effect.Effect<GatewayProof, StateDirUnusable>
  }
>()("openclaw/layers/gateway/IdentityKey") {}

/** Reads the key when it is first asked for, and again after that failed. */
export const layer: Layer.Layer<IdentityKey, never, StateDir> = Layer.effect(
  IdentityKey,
  Effect.gen(function* () {
    const state = yield* StateDir
    const lock = yield* Semaphore.make(1)
    let kept: { readonly key: KeyObject; readonly identity: PublicIdentity } | undefined
    const loaded = Effect.suspend(() =>
      kept === undefined
        ? Effect.map(
            Effect.provideService(loadKey, StateDir, state),
            (key) => (kept = { key, identity: publicOf(key) })
          )
        : Effect.succeed(kept)
    ).pipe(lock.withPermits(1))
    return {
      identity: Effect.map(loaded, ({ identity }) => identity),
      prove: (about) =>
        Effect.map(loaded, ({ identity, key }) => {
          const text = proofText({ ...about, deviceId: identity.deviceId })
          return { ...identity, signature: sign(null, Buffer.from(text, "utf8"), key).toString("base64url") }
        })
    }
  })
)
