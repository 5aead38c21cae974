/**
 * Device tokens without storing them.
 *
 * OpenClaw gives a device the same token on every connect, so a hash in the database would not do. A token here is an HMAC
 * of what it stands for under a key that lives in a file of its own: the database alone, in a backup or a bug report,
 * holds nothing that connects.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto"
import * as Effect from "effect/Effect"
import { StateDir } from "../../services/StateDir.ts"
import { RegistryStorageFailed } from "../../services/NodeRegistry.ts"

/** Name of the key's file in the state directory. */
const KEY_FILE = "device-token.key"

export interface Tokens {
  readonly issue: (deviceId: string, role: string, tokenId: string) => string
  readonly matches: (offered: string, deviceId: string, role: string, tokenId: string) => boolean
}

const digest = (text: string) => createHash("sha256").update(text, "utf8").digest()

const fromKey = (key: Buffer): Tokens => {
  const issue = (deviceId: string, role: string, tokenId: string) =>
    createHmac("sha256", key)
      .update(JSON.stringify([deviceId, role, tokenId]), "utf8")
      .digest("base64url")
  return {
    issue,
    matches: (offered, deviceId, role, tokenId) =>
      timingSafeEqual(digest(offered), digest(issue(deviceId, role, tokenId)))
  }
}

/** Reads the key, or makes one on first use. */
export const load: Effect.Effect<Tokens, RegistryStorageFailed, StateDir> = Effect.gen(function* () {
  const state = yield* StateDir
  const stored = yield* state.read(KEY_FILE)
  if (stored !== undefined) {
    const key = Buffer.from(stored.trim(), "base64url")
    if (key.length === 32) return fromKey(key)
    yield* Effect.logWarning(`${KEY_FILE} is damaged and is replaced: devices must pair again or use the gateway token`)
  }
  const key = randomBytes(32)
  yield* state.write(KEY_FILE, `${key.toString("base64url")}\n`)
  return fromKey(key)
}).pipe(Effect.mapError((error) => new RegistryStorageFailed({ message: `device tokens: ${error.message}` })))

/** A new token's id; a new id makes every earlier token of that device and role worthless. */
export const newTokenId = (): string => randomBytes(16).toString("base64url")
