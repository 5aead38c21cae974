/**
 * Presence: who is connected, as `system-presence`, the `presence` event and `hello-ok` show it.
 */
import * as Schema from "effect/Schema"

/** One row of the presence list. Times are Unix milliseconds. */
export const PresenceEntry = Schema.Struct({
  host: Schema.optional(Schema.String),
  ip: Schema.optional(Schema.String),
  version: Schema.optional(Schema.String),
  platform: Schema.optional(Schema.String),
  deviceFamily: Schema.optional(Schema.String),
  modelIdentifier: Schema.optional(Schema.String),
  timeZone: Schema.optional(Schema.String),
  mode: Schema.optional(Schema.String),
  lastInputSeconds: Schema.optional(Schema.Natural),
  reason: Schema.optional(Schema.String),
  tags: Schema.optional(Schema.Array(Schema.String)),
  text: Schema.optional(Schema.String),
  ts: Schema.Natural,
  onlineSince: Schema.optional(Schema.Natural),
  lastActivityAt: Schema.optional(Schema.Natural),
  deviceId: Schema.optional(Schema.String),
  roles: Schema.optional(Schema.Array(Schema.String)),
  scopes: Schema.optional(Schema.Array(Schema.String)),
  instanceId: Schema.optional(Schema.String),
  /** Whom a proxy or Tailscale vouches for. */
  user: Schema.optional(
    Schema.Struct({
      id: Schema.String,
      email: Schema.optional(Schema.String),
      name: Schema.optional(Schema.String)
    })
  )
})
export type PresenceEntry = typeof PresenceEntry.Type
