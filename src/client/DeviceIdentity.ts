/**
 * This machine's device identity: an Ed25519 key pair, made once per state directory and kept in
 * `identity/device.json` (mode 0600).
 *
 * The file has the members of OpenClaw's own `identity/device.json`, so a machine that moves from there keeps its
 * identity and its pairing.
 */
import * as NodeCrypto from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { DeviceId } from "../domain/Ids.ts"
import { StateDir, type StateDirUnusable } from "../services/StateDir.ts"
import { randomId } from "./ids.ts"

/** What a client needs of a device's key. A browser can implement it over WebCrypto. */
export interface DeviceIdentity {
  /** Lowercase hexadecimal SHA-256 of the raw public key. */
  readonly id: DeviceId
  /** The raw 32 bytes in unpadded base64url. */
  readonly publicKey: string
  /** The signature of the text's UTF-8 bytes, in unpadded base64url. */
  readonly sign: (payload: string) => string
}

/** The stored identity cannot be used. */
export class DeviceIdentityCorrupt extends Schema.TaggedError<DeviceIdentityCorrupt>()("DeviceIdentityCorrupt", {
  path: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `The device identity in ${this.path} cannot be used: ${this.problem}.\nFix: restore the file from a backup, or move it away. A new identity is then made, which an operator has to approve again.`
  }
}

const FILE = "identity/device.json"
/** Bytes of an Ed25519 SubjectPublicKeyInfo before the key itself (RFC 8410). */
const SPKI_PREFIX_BYTES = 12

const Stored = Schema.fromJsonString(
  Schema.Struct({
    version: Schema.Literal(1),
    deviceId: Schema.NonEmptyString,
    publicKeyPem: Schema.NonEmptyString,
    privateKeyPem: Schema.NonEmptyString,
    createdAtMs: Schema.Natural
  })
)
const decodeStored = Schema.decodeUnknownEffect(Stored)
const encodeStored = Schema.encodeSync(Stored)

const fromPrivateKey = (privateKey: NodeCrypto.KeyObject): DeviceIdentity => {
  const spki = NodeCrypto.createPublicKey(privateKey).export({ type: "spki", format: "der" })
  const raw = spki.subarray(SPKI_PREFIX_BYTES)
  return {
    id: DeviceId.make(NodeCrypto.createHash("sha256").update(raw).digest("hex")),
    publicKey: raw.toString("base64url"),
    sign: (payload) => NodeCrypto.sign(null, Buffer.from(payload, "utf8"), privateKey).toString("base64url")
  }
}

/** A fresh identity that is stored nowhere. */
export const ephemeral: Effect.Effect<DeviceIdentity> = Effect.sync(() =>
  fromPrivateKey(NodeCrypto.generateKeyPairSync("ed25519").privateKey)
)

const parse = Effect.fnUntraced(function* (path: string, text: string) {
  const corrupt = (problem: string) => new DeviceIdentityCorrupt({ path, problem })
  // The decoder's own message would quote the file, which holds the private key.
  const stored = yield* Effect.mapError(decodeStored(text), () => corrupt("it is not an identity file of version 1"))
  const key = yield* Effect.try({
    try: () => NodeCrypto.createPrivateKey(stored.privateKeyPem),
    catch: () => corrupt("its private key is unreadable")
  })
  if (key.asymmetricKeyType !== "ed25519") return yield* corrupt("its key is not an Ed25519 key")
  const identity = fromPrivateKey(key)
  if (identity.id !== stored.deviceId) return yield* corrupt("its device id does not belong to its key")
  return identity
})

/**
 * The identity of the state directory; made on first use. Two programs that start at the same moment end up with the
 * same one.
 */
export const load: Effect.Effect<
  DeviceIdentity,
  DeviceIdentityCorrupt | StateDirUnusable,
  StateDir | FileSystem.FileSystem
> = Effect.gen(function* () {
  const state = yield* StateDir
  const fs = yield* FileSystem.FileSystem
  const path = state.path(FILE)
  const existing = yield* state.read(FILE)
  if (existing !== undefined) return yield* parse(path, existing)

  const pair = NodeCrypto.generateKeyPairSync("ed25519")
  const content = encodeStored({
    version: 1,
    deviceId: fromPrivateKey(pair.privateKey).id,
    publicKeyPem: pair.publicKey.export({ type: "spki", format: "pem" }).toString(),
    privateKeyPem: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    createdAtMs: yield* Clock.currentTimeMillis
  })
  const draft = `identity/device.${randomId()}.json`
  yield* state.write(draft, content)
  // A hard link is made whole or not at all, and never over a file that another program just made.
  yield* fs.link(state.path(draft), path).pipe(
    Effect.catch((error) => (error.reason._tag === "AlreadyExists" ? Effect.void : state.write(FILE, content))),
    Effect.ensuring(Effect.ignore(fs.remove(state.path(draft))))
  )
  return yield* parse(path, (yield* state.read(FILE)) ?? "")
})
