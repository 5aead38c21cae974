/**
 * Which state of the configuration is which: the hash that a write names, and whether the running Gateway goes by it.
 *
 * The hashes are keyed, because a plain one of a file that holds a password would let people try passwords against it.
 */
import { createHmac, randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { isBlank } from "../../domain/blank.ts"
import { Config, type ConfigSnapshot } from "../../services/Config.ts"
import { StateDir } from "../../services/StateDir.ts"
import { getAt, setAt } from "../config/path.ts"
import { startedBy } from "../config/reload.ts"
import type { GatewayOptions } from "./options.ts"

/** Name of the key's file in the state directory. */
const KEY_FILE = "config-hash.key"
const KEY_BYTES = 32
const TOKEN = ["gateway", "auth", "token"]

/** Kept, so that a hash is good beyond a restart. Where it cannot be kept, clients only have to look again. */
const loadKey = Effect.gen(function* () {
  const state = yield* Effect.serviceOption(StateDir)
  if (Option.isNone(state)) return randomBytes(KEY_BYTES)
  const stored = Buffer.from((yield* state.value.read(KEY_FILE))?.trim() ?? "", "base64url")
  if (stored.length === KEY_BYTES) return stored
  const key = randomBytes(KEY_BYTES)
  yield* state.value.write(KEY_FILE, `${key.toString("base64url")}\n`)
  return key
}).pipe(
  Effect.catch((error) =>
    Effect.as(
      Effect.logWarning(`the key of the configuration's hashes is not kept: ${error.message}`),
      randomBytes(KEY_BYTES)
    )
  )
)

export interface ConfigRevisions {
  /** The file with its includes, as it is written. */
  readonly hash: (snapshot: ConfigSnapshot) => string
  /** What it says, however it is written. */
  readonly revision: (snapshot: ConfigSnapshot) => string
  /** The last revision whose every part holds now; another one than the file's where a restart is needed. */
  readonly applied: (snapshot: ConfigSnapshot) => string
}

export const make = Effect.fnUntraced(function* (options: GatewayOptions) {
  const key = yield* loadKey
  const digest = (value: unknown) =>
    `hmac-sha256:v1:${createHmac("sha256", key).update(JSON.stringify(value), "utf8").digest("base64url")}`
  const revision = ({ composed }: ConfigSnapshot) => digest(composed)

  /** A secret that was made at the start is written to the file afterwards: that changes nothing. */
  const partOf = ({ composed }: ConfigSnapshot) => {
    const { auth } = options
    const written = getAt(composed, TOKEN)
    const isMissing = written === undefined || (typeof written === "string" && isBlank(written))
    if (auth.mode !== "token" || !isMissing) return digest(startedBy(composed))
    const filled = setAt(composed, TOKEN, Redacted.value(auth.token))
    return digest(startedBy(Result.getOrElse(filled, () => composed)))
  }
  const started = yield* Effect.orElseSucceed((yield* Config).inspect, () => undefined)
  const startedPart = started === undefined ? undefined : partOf(started)
  let applied = started === undefined ? digest(null) : revision(started)

  const revisions: ConfigRevisions = {
    hash: ({ composed, text }) => digest([text ?? null, composed]),
    revision,
    applied: (snapshot) => {
      if (snapshot.problems.length === 0 && partOf(snapshot) === startedPart) applied = revision(snapshot)
      return applied
    }
  }
  return revisions
})
