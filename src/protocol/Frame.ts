/**
 * The three frames of Gateway protocol v4, each one JSON object in one WebSocket message (text or binary).
 *
 * Source of the wire facts: `protocol.schema.json` of `@openclaw/gateway-protocol` (RequestFrame, ResponseFrame,
 * EventFrame) and frames recorded from OpenClaw 2026.9.6.
 */
import * as Schema from "effect/Schema"
import { ErrorShape } from "./GatewayError.ts"

/** The protocol version that this Gateway speaks. */
export const PROTOCOL_VERSION = 4
/** Nodes and probes may still connect with version 3. */
export const MINIMUM_PROBE_PROTOCOL = 3
/** Largest frame in bytes, inclusive, before `connect` succeeded. */
export const MAX_PREAUTH_PAYLOAD = 65_536
/** Largest frame in bytes after `connect`. */
export const MAX_PAYLOAD = 26_214_400
/** Bytes that may wait for one slow socket before it is closed. */
export const MAX_BUFFERED_BYTES = 52_428_800
/** Milliseconds between `tick` events. */
export const TICK_INTERVAL_MS = 30_000
/** Milliseconds that a socket has to finish the handshake. */
export const HANDSHAKE_TIMEOUT_MS = 15_000

/** `id` is any text of up to 512 characters; it comes back as it was sent. */
export const RequestFrame = Schema.Struct({
  type: Schema.Literal("req"),
  id: Schema.NonEmptyString.pipe(Schema.check(Schema.isMaxLength(512))),
  method: Schema.NonEmptyString.pipe(Schema.check(Schema.isMaxLength(128))),
  params: Schema.optional(Schema.Unknown),
  traceparent: Schema.optional(Schema.String.pipe(Schema.check(Schema.isMaxLength(128))))
})
export type RequestFrame = typeof RequestFrame.Type

export const ResponseFrame = Schema.Struct({
  type: Schema.Literal("res"),
  id: Schema.NonEmptyString,
  ok: Schema.Boolean,
  payload: Schema.optional(Schema.Unknown),
  error: Schema.optional(ErrorShape)
})
export type ResponseFrame = typeof ResponseFrame.Type

/** Versions of the two snapshots that a client may hold; each grows by one when its snapshot changes. */
export const StateVersion = Schema.Struct({ presence: Schema.Natural, health: Schema.Natural })
export type StateVersion = typeof StateVersion.Type

/** `seq` counts broadcast events per connection from 1 without gaps; targeted events carry none. */
export const EventFrame = Schema.Struct({
  type: Schema.Literal("event"),
  event: Schema.NonEmptyString,
  payload: Schema.optional(Schema.Unknown),
  seq: Schema.optional(Schema.Natural),
  stateVersion: Schema.optional(StateVersion)
})
export type EventFrame = typeof EventFrame.Type

/** Any frame that a Gateway may send. */
export const ServerFrame = Schema.Union([ResponseFrame, EventFrame])
export type ServerFrame = typeof ServerFrame.Type
