/**
 * Tokens that Gateways issued to this machine's device, kept in `identity/device-auth.json` (mode 0600).
 *
 * A token is bound to the Gateway that issued it, so it is never shown to another one: to its endpoint, and behind a tunnel to
 * host and port of the far side, because the near end on this machine may be any tunnel's.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { type Credential, deviceToken, reveal } from "../domain/Credential.ts"
import type { Endpoint } from "../domain/Endpoint.ts"
import type { DeviceId } from "../domain/Ids.ts"
import type { TunnelSpec } from "../services/TunnelManager.ts"
import { StateDir, type StateDirUnusable } from "../services/StateDir.ts"

/** Who issues a token. */
export type Issuer = Endpoint | `ssh:${string}`

/** The Gateway at an endpoint, or behind the tunnel that it is the near end of. */
export const issuerOf = (way: {
  readonly endpoint: Endpoint
  readonly ssh?: Pick<TunnelSpec, "remotePort" | "target"> | undefined
}): Issuer => (way.ssh === undefined ? way.endpoint : `ssh:${way.ssh.target}/${way.ssh.remotePort}`)

/** Whose token: one Gateway's, for one device, in one role. */
export interface TokenKey {
  readonly issuer: Issuer
  readonly deviceId: DeviceId
  readonly role: string
}

export interface StoredToken {
  readonly token: Credential
  /** The scopes that were granted with it. */
  readonly scopes: ReadonlyArray<string>
}

export interface DeviceTokens {
  readonly get: (key: TokenKey) => Effect.Effect<StoredToken | undefined, StateDirUnusable>
  /** Replaces the token of this key. */
  readonly put: (key: TokenKey, value: StoredToken) => Effect.Effect<void, StateDirUnusable>
  readonly remove: (key: TokenKey) => Effect.Effect<void, StateDirUnusable>
}

const FILE = "identity/device-auth.json"

const Row = Schema.Struct({
  /** The issuer. A token of a near end stays with it, for tunnels opened by hand: nobody knows which tunnel it came through. */
  endpoint: Schema.String,
  deviceId: Schema.String,
  role: Schema.String,
  token: Schema.RedactedFromValue(Schema.NonEmptyString, { label: "deviceToken" }),
  scopes: Schema.Array(Schema.String),
  updatedAtMs: Schema.Natural
})
type Row = typeof Row.Type

/** Version 1 is OpenClaw's: it does not say which Gateway issued a token, so its tokens cannot be used safely. */
const Stored = Schema.fromJsonString(Schema.Struct({ version: Schema.Literal(2), tokens: Schema.Array(Row) }))
const decodeStored = Schema.decodeUnknownEffect(Stored)
const encodeStored = Schema.encodeEffect(Stored)

const isFor = (key: TokenKey) => (row: Row) =>
  row.endpoint === key.issuer && row.deviceId === key.deviceId && row.role === key.role

/** The tokens of the state directory. */
export const make: Effect.Effect<DeviceTokens, never, StateDir> = Effect.gen(function* () {
  const state = yield* StateDir
  const lock = yield* Semaphore.make(1)

  const rows: Effect.Effect<ReadonlyArray<Row>, StateDirUnusable> = Effect.flatMap(state.read(FILE), (text) =>
    text === undefined
      ? Effect.succeed([])
      : decodeStored(text).pipe(
          Effect.map((stored) => stored.tokens),
          // A lost token is issued again at the next connect with the shared secret.
          Effect.catch(() =>
            Effect.as(Effect.logWarning(`${state.path(FILE)} is not readable here; its device tokens are not used`), [])
          )
        )
  )
  const replace = (key: TokenKey, added: ReadonlyArray<Row>) =>
    rows.pipe(
      Effect.flatMap((all) =>
        Effect.orDie(encodeStored({ version: 2, tokens: [...all.filter((row) => !isFor(key)(row)), ...added] }))
      ),
      Effect.flatMap((text) => state.write(FILE, text)),
      lock.withPermits(1)
    )

  return {
    get: Effect.fn("DeviceTokens.get")(function* (key) {
      const row = (yield* rows).find(isFor(key))
      return row === undefined ? undefined : { token: deviceToken(Redacted.value(row.token)), scopes: row.scopes }
    }),
    put: Effect.fn("DeviceTokens.put")(function* (key, value) {
      const token = Redacted.make(reveal(value.token), { label: "deviceToken" })
      const updatedAtMs = yield* Clock.currentTimeMillis
      const { deviceId, issuer: endpoint, role } = key
      yield* replace(key, [{ endpoint, deviceId, role, token, scopes: value.scopes, updatedAtMs }])
    }),
    remove: Effect.fn("DeviceTokens.remove")(function* (key) {
      yield* replace(key, [])
    })
  }
})
