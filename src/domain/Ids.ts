/**
 * Branded identifiers that travel between rooms. Each is an opaque string; only its owner makes one.
 */
import * as Schema from "effect/Schema"

/** A node: a phone or a computer that runs commands. Equal to its device id. */
export const NodeId = Schema.NonEmptyString.pipe(Schema.brand("NodeId"))
export type NodeId = typeof NodeId.Type

/** A device: the lowercase hexadecimal SHA-256 of its raw Ed25519 public key. */
export const DeviceId = Schema.NonEmptyString.pipe(Schema.brand("DeviceId"))
export type DeviceId = typeof DeviceId.Type

/** One WebSocket connection. A reconnect is a new connection, which is what fences late answers. */
export const ConnId = Schema.NonEmptyString.pipe(Schema.brand("ConnId"))
export type ConnId = typeof ConnId.Type

/** One turn of an agent: from an inbound message to its reply. */
export const RunId = Schema.NonEmptyString.pipe(Schema.brand("RunId"))
export type RunId = typeof RunId.Type
